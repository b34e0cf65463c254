package nametest

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// Set is a record set as a resource. Names are without their trailing dot.
func Set(zone, name, rrtype string, ttl int64, values ...string) schema.Resource {
	z, n := rdata.Name(zone+"."), rdata.Name(name+".")
	return schema.Resource{
		Address: "record.x", Kind: schema.KindRRset, Key: zonedata.SetKey(z, zonedata.Key{Name: n, Type: rrtype}),
		Attrs: schema.KindByName(schema.KindRRset).Object(map[string]cty.Value{
			"zone": cty.StringVal(string(z)), "name": cty.StringVal(string(n)), "type": cty.StringVal(rrtype),
			"ttl": cty.NumberIntVal(ttl), "values": schema.StringList(values),
		}),
	}
}

// ZoneResource is a zone as a resource, as [Zone] makes it but for its refresh.
func ZoneResource(name string, refresh int64) schema.Resource {
	return schema.Resource{
		Address: "zone.x", Kind: schema.KindZone, Key: name,
		Attrs: schema.KindByName(schema.KindZone).Object(map[string]cty.Value{
			"name": cty.StringVal(name + "."), "primary": cty.StringVal("ns1." + name + "."), "contact": cty.StringVal("hostmaster." + name + "."),
			"refresh": cty.NumberIntVal(refresh), "retry": cty.NumberIntVal(3600), "expire": cty.NumberIntVal(1209600), "negative_ttl": cty.NumberIntVal(3600),
		}),
	}
}

// Read is what a provider sees of zones, by key.
func Read(t testing.TB, p providers.Provider, wanted ...schema.Resource) map[string]providers.Observed {
	t.Helper()
	list, err := p.Read(t.Context(), providers.Scope{Wanted: wanted})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]providers.Observed{}
	for _, o := range list {
		out[o.Key] = o
	}
	return out
}

// Plan makes the changes that lead from what is there to what is wanted.
func Plan(there map[string]providers.Observed, wanted ...schema.Resource) []providers.Change {
	var out []providers.Change
	for _, r := range wanted {
		o, ok := there[r.Key]
		switch {
		case !ok:
			out = append(out, providers.Change{Action: providers.Create, Resource: r})
		case !o.Attrs.RawEquals(r.Attrs):
			out = append(out, providers.Change{Action: providers.Update, Resource: r, Prior: &o})
		}
	}
	return out
}

// Remove is the change that takes away what is there.
func Remove(there map[string]providers.Observed, r schema.Resource) providers.Change {
	o := there[r.Key]
	return providers.Change{Action: providers.Delete, Resource: r, Prior: &o}
}

// Try applies a batch and returns what became of each change.
func Try(t testing.TB, p providers.Provider, batch ...providers.Change) []error {
	t.Helper()
	var errs []error
	err := p.Apply(t.Context(), batch, func(c providers.Change, o providers.Observed, err error) error {
		if err == nil && c.Action != providers.Delete && !o.Attrs.RawEquals(c.Resource.Attrs) {
			err = fmt.Errorf("%s is reported as %#v", c.Resource.Key, o.Attrs)
		}
		errs = append(errs, err)
		return nil
	})
	if err != nil || len(errs) != len(batch) {
		t.Fatalf("apply: %v, with %d reports for %d changes", err, len(errs), len(batch))
	}
	return errs
}

// Apply applies a batch that has to succeed.
func Apply(t testing.TB, p providers.Provider, batch ...providers.Change) {
	t.Helper()
	for i, err := range Try(t, p, batch...) {
		if err != nil {
			t.Fatalf("%s %s: %v", batch[i].Action, batch[i].Resource.Key, err)
		}
	}
}

// Content is a zone with what it needs, in the order of a plan.
func Content(zone string) (first, then []schema.Resource) {
	return []schema.Resource{ZoneResource(zone, 7200)}, []schema.Resource{
		Set(zone, "ns1."+zone, "A", 300, "127.0.0.1"), Set(zone, zone, "MX", 300, "10 mail.example.net."),
		Set(zone, zone, "NS", 300, "ns1."+zone+"."),
	}
}

// RemoveAll are the changes that take away what is there.
func RemoveAll(there map[string]providers.Observed, rs ...schema.Resource) []providers.Change {
	var out []providers.Change
	for _, r := range rs {
		out = append(out, Remove(there, r))
	}
	return out
}
