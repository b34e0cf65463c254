package rfc2136_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// servers are those that all tests of this file run against.
var servers = map[string]func(testing.TB, nametest.Options) *nametest.Server{"BIND": nametest.BIND, "Knot": nametest.Knot}

func onServers(t *testing.T, o nametest.Options, test func(t *testing.T, s *nametest.Server)) {
	t.Helper()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, o))
		})
	}
}

// block is the value of a provider block for a server.
func block(addr string, attrs map[string]cty.Value) cty.Value {
	return nametest.Block("rfc2136", addr, attrs)
}

func provider(t testing.TB, addr string, attrs map[string]cty.Value) *rfc2136.Provider {
	t.Helper()
	p := &rfc2136.Provider{}
	if diags := p.Configure(context.Background(), providers.Config{Value: block(addr, attrs), Dir: t.TempDir()}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func set(zone, name, rrtype string, ttl int64, values ...string) schema.Resource {
	z, n := rdata.Name(zone+"."), rdata.Name(name+".")
	return schema.Resource{
		Address: "record.x", Kind: schema.KindRRset, Key: zonedata.SetKey(z, zonedata.Key{Name: n, Type: rrtype}),
		Attrs: schema.KindByName(schema.KindRRset).Object(map[string]cty.Value{
			"zone": cty.StringVal(string(z)), "name": cty.StringVal(string(n)), "type": cty.StringVal(rrtype),
			"ttl": cty.NumberIntVal(ttl), "values": schema.StringList(values),
		}),
	}
}

func zone(name string, refresh int64) schema.Resource {
	return schema.Resource{
		Address: "zone.x", Kind: schema.KindZone, Key: name,
		Attrs: schema.KindByName(schema.KindZone).Object(map[string]cty.Value{
			"name": cty.StringVal(name + "."), "primary": cty.StringVal("ns1." + name + "."), "contact": cty.StringVal("hostmaster." + name + "."),
			"refresh": cty.NumberIntVal(refresh), "retry": cty.NumberIntVal(3600), "expire": cty.NumberIntVal(1209600), "negative_ttl": cty.NumberIntVal(3600),
		}),
	}
}

// read is what a provider sees of zones, by key.
func read(t testing.TB, p providers.Provider, wanted ...schema.Resource) map[string]providers.Observed {
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

// plan makes the changes that lead from what is there to what is wanted.
func plan(there map[string]providers.Observed, wanted ...schema.Resource) []providers.Change {
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

func remove(there map[string]providers.Observed, r schema.Resource) providers.Change {
	o := there[r.Key]
	return providers.Change{Action: providers.Delete, Resource: r, Prior: &o}
}

// try applies a batch and returns what became of each change.
func try(t testing.TB, p providers.Provider, batch ...providers.Change) []error {
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

// apply applies a batch that has to succeed.
func apply(t testing.TB, p providers.Provider, batch ...providers.Change) {
	t.Helper()
	for i, err := range try(t, p, batch...) {
		if err != nil {
			t.Fatalf("%s %s: %v", batch[i].Action, batch[i].Resource.Key, err)
		}
	}
}

func exampleZone(lines ...string) nametest.Options {
	return nametest.Options{Zones: map[string]string{"example.com": nametest.Zone("example.com", lines...)}}
}

// steps lead a zone through states; each is applied, and a plan after it is empty.
func TestZonesBecomeWhatIsDeclared(t *testing.T) {
	const z = "example.com"
	ns, glue := set(z, z, "NS", 3600, "ns1.example.com."), set(z, "ns1."+z, "A", 3600, "127.0.0.1")
	states := [][]schema.Resource{
		{zone(z, 14400), ns, glue},
		{zone(z, 14400), ns, glue, set(z, z, "MX", 300, "10 mail.example.com."), set(z, "mail."+z, "A", 300, "192.0.2.1", "192.0.2.2")},
		{zone(z, 7200), ns, glue, set(z, z, "MX", 60, "10 mail.example.com."), set(z, "mail."+z, "A", 300, "192.0.2.2"), set(z, "www."+z, "A", 300, "192.0.2.3")},
		// A name that becomes an alias, and one that is none any more.
		{zone(z, 7200), ns, glue, set(z, "www."+z, "CNAME", 300, "mail.example.com."), set(z, "mail."+z, "TXT", 0, "", strings.Repeat("a;\"\\ ", 100))},
		{zone(z, 7200), ns, glue, set(z, "www."+z, "A", 300, "192.0.2.4"), set(z, "*.w."+z, "MX", 2147483647, "0 .")},
		// The same name servers for another time, with a second one.
		{zone(z, 7200), set(z, z, "NS", 60, "ns1.example.com.", "ns2.example.net."), glue},
		// Other name servers, of which the old one goes last.
		{zone(z, 7200), set(z, z, "NS", 300, "ns2.example.net.", "ns3.example.net.")},
		{zone(z, 7200), set(z, z, "NS", 300, "ns3.example.net."), set(z, "sub."+z, "NS", 300, "ns1.sub.example.com."), set(z, "ns1.sub."+z, "A", 300, "192.0.2.9"),
			set(z, "sub."+z, "DS", 300, "12345 13 2 "+strings.Repeat("ab", 32))},
		{zone(z, 14400), ns, glue},
	}
	onServers(t, exampleZone(), func(t *testing.T, s *nametest.Server) {
		p := provider(t, s.Addr, nil)
		var last []schema.Resource
		for i, want := range states {
			there := read(t, p, want...)
			batch := plan(there, want...)
			for _, r := range last {
				if _, ok := there[r.Key]; ok && !has(want, r) {
					batch = append(batch, remove(there, r))
				}
			}
			apply(t, p, batch...)
			there = read(t, provider(t, s.Addr, nil), want...)
			if left := plan(there, want...); len(left) > 0 {
				t.Errorf("state %d: a second plan has %d changes, such as %s %s", i, len(left), left[0].Action, left[0].Resource.Key)
			}
			if len(there) != len(want) {
				t.Errorf("state %d: there are %d things, want %d: %v", i, len(there), len(want), there)
			}
			last = want
		}
	})
}

func has(list []schema.Resource, r schema.Resource) bool {
	for _, o := range list {
		if o.Key == r.Key && o.Kind == r.Kind {
			return true
		}
	}
	return false
}

func TestForeignChangesAreRefused(t *testing.T) {
	const z = "example.com"
	a, b, c := set(z, "a."+z, "A", 300, "192.0.2.10"), set(z, "b."+z, "TXT", 300, "new"), set(z, "c."+z, "A", 300, "192.0.2.1")
	rr := func(text string) []dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		return []dns.RR{r}
	}
	for name, tc := range map[string]struct {
		foreign func(m *dns.Msg)
		at      int // the change that is refused; -1: none
		want    string
	}{
		"another value": {func(m *dns.Msg) {
			m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0"))
			m.Insert(rr("a.example.com. 300 IN A 192.0.2.66"))
		}, 0, "record set example.com/a.example.com./A: changed since the plan was made: it is 192.0.2.66 (ttl 300), and was 192.0.2.1 (ttl 300)"},
		"another time to live": {func(m *dns.Msg) {
			m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0"))
			m.Insert(rr("a.example.com. 60 IN A 192.0.2.1"))
		}, 0, "it is 192.0.2.1 (ttl 60), and was 192.0.2.1 (ttl 300)"},
		"what goes":      {func(m *dns.Msg) { m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0")) }, 0, "it is none, and was 192.0.2.1 (ttl 300)"},
		"what comes":     {func(m *dns.Msg) { m.Insert(rr(`b.example.com. 300 IN TXT "theirs"`)) }, 1, `it is "theirs" (ttl 300), and was none`},
		"something else": {func(m *dns.Msg) { m.Insert(rr(`x.example.com. 300 IN TXT "theirs"`)) }, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onServers(t, exampleZone("a 300 IN A 192.0.2.1", "c 300 IN A 192.0.2.1"), func(t *testing.T, s *nametest.Server) {
				p := provider(t, s.Addr, nil)
				there := read(t, p, a)
				s.Update(t, z, tc.foreign)
				before := fmt.Sprint(s.Transfer(t, z))
				errs := try(t, p, append(plan(there, a, b), remove(there, c))...)
				if tc.at < 0 {
					if err := errors.Join(errs...); err != nil {
						t.Errorf("it was refused: %v", err)
					}
					return
				}
				for i, err := range errs {
					switch {
					case i == tc.at && (!errors.Is(err, providers.ErrConflict) || !strings.Contains(err.Error(), tc.want)):
						t.Errorf("the error is %v, want a conflict with %q", err, tc.want)
					case i != tc.at && !errors.Is(err, zonedata.ErrHeldUp):
						t.Errorf("change %d: %v", i, err)
					}
				}
				if now := fmt.Sprint(s.Transfer(t, z)); now != before {
					t.Errorf("something was written:\n%s\n%s", before, now)
				}
			})
		})
	}
}
