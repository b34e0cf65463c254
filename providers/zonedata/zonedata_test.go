package zonedata_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

const soaLine = "example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 7 3600 600 86400 300\n"

func records(t testing.TB, text string) []dns.RR {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader(text), "example.com.", "")
	var out []dns.RR
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		out = append(out, rr)
	}
	if err := zp.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func readZone(t testing.TB, text string, declared ...zonedata.Key) *zonedata.Zone {
	t.Helper()
	z, err := zonedata.Read("example.com.", records(t, soaLine+text), func(k zonedata.Key) bool { return slices.Contains(declared, k) })
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// lines are the keys of what is observed, with what they hold.
func lines(z *zonedata.Zone) []string {
	var out []string
	for _, s := range z.Sets() {
		out = append(out, s.Key.String()+": "+s.String())
	}
	return out
}

const keyRecord = "example.com. 300 IN DNSKEY 257 3 13 aGVsbG8=\n"

func TestRead(t *testing.T) {
	signed := "example.com. 300 IN RRSIG SOA 13 2 300 20300101000000 20200101000000 1 example.com. aGVsbG8=\n" + keyRecord +
		"example.com. 300 IN CDS 1 13 2 00\nexample.com. 0 IN NSEC3PARAM 1 0 0 -\n" +
		"ab.example.com. 300 IN NSEC3 1 0 0 - CPNMU2MFCDQFQ1S9OQ5OKSTCFI9PH8TS A\nexample.com. 0 IN TYPE65534 \\# 5 0D00000001\n"
	for name, tc := range map[string]struct {
		text     string
		declared []zonedata.Key
		want     []string
	}{
		"an empty zone": {},
		"values in canonical order and letters": {
			text: "WWW 300 IN A 192.0.2.2\nwww 300 IN A 192.0.2.1\n@ 60 IN MX 10 MAIL.Example.com.\n",
			want: []string{"example.com. MX: 10 mail.example.com. (ttl 60)", "www.example.com. A: 192.0.2.1, 192.0.2.2 (ttl 300)"},
		},
		"texts that are cut anywhere": {
			text: `t 300 IN TXT "a" "b;" "c\"d"` + "\n", want: []string{`t.example.com. TXT: "ab;c\"d" (ttl 300)`},
		},
		"of two times to live the least": {
			text: "a 300 IN A 192.0.2.1\na 60 IN A 192.0.2.2\n", want: []string{"a.example.com. A: 192.0.2.1, 192.0.2.2 (ttl 60)"},
		},
		"what the server makes when it signs is nobody's": {
			text: signed + "a 300 IN A 192.0.2.1\n", want: []string{"a.example.com. A: 192.0.2.1 (ttl 300)"},
		},
		"unless somebody declares it": {
			text: signed, declared: []zonedata.Key{{Name: "example.com.", Type: "DNSKEY"}},
			want: []string{"example.com. DNSKEY: 257 3 13 aGVsbG8= (ttl 300)"},
		},
		"keys of a zone that is not signed are as others": {
			text: keyRecord, want: []string{"example.com. DNSKEY: 257 3 13 aGVsbG8= (ttl 300)"},
		},
		"types without a name": {
			text: "x 300 IN TYPE999 \\# 2 AbCd\n", want: []string{`x.example.com. TYPE999: \# 2 abcd (ttl 300)`},
		},
		"names with odd characters": {
			text: "a\\.b 300 IN A 192.0.2.1\n0/25 300 IN A 192.0.2.1\n\\255 300 IN CNAME A\\@b.\n",
			want: []string{"0/25.example.com. A: 192.0.2.1 (ttl 300)", `\255.example.com. CNAME: a\@b. (ttl 300)`, `a\.b.example.com. A: 192.0.2.1 (ttl 300)`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := readZone(t, tc.text, tc.declared...)
			if diff := cmp.Diff(tc.want, lines(z)); diff != "" {
				t.Errorf("(-want +have)\n%s", diff)
			}
			for _, o := range z.Observed() {
				if k := schema.KindByName(o.Kind); !o.Attrs.Type().Equals(k.Type()) || o.Revision == "" {
					t.Errorf("%s %s: %#v", o.Kind, o.Key, o)
				}
				found, ok := z.Find(o.Kind, o.Key)
				if !ok || found.Revision != o.Revision {
					t.Errorf("%s %s is not found by its key", o.Kind, o.Key)
				}
			}
		})
	}
}

func TestWhatIsNoZone(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no SOA":                {"a.example.com. 1 IN A 192.0.2.1\n", "has no SOA"},
		"another serial":        {soaLine + strings.Replace(soaLine, " 7 ", " 8 ", 1), "changed while it was read: its serial was 7 and then 8"},
		"a record of elsewhere": {soaLine + "a.example.net. 1 IN A 192.0.2.1\n", "a.example.net. does not lie in the zone"},
		"an SOA of elsewhere":   {strings.Replace(soaLine, "example.com. 300", "b.example.com. 300", 1), "the SOA record of b.example.com."},
		"another class":         {soaLine + "a.example.com. 1 CH TXT a\n", "class CH"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := zonedata.Read("example.com.", records(t, tc.text), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestSetKeys(t *testing.T) {
	for _, tc := range []struct{ zone, name, rrtype string }{
		{"example.com.", "www.example.com.", "A"},
		{"example.com.", "example.com.", "MX"},
		{"0/25.2.0.192.in-addr.arpa.", "1.0/25.2.0.192.in-addr.arpa.", "PTR"},
		{"2.0.192.in-addr.arpa.", "1.0/25.2.0.192.in-addr.arpa.", "PTR"},
		{".", "com.", "NS"},
	} {
		key := zonedata.SetKey(rdata.Name(tc.zone), zonedata.Key{Name: rdata.Name(tc.name), Type: tc.rrtype})
		zone, k, err := zonedata.ParseSetKey(key)
		if err != nil || string(zone) != tc.zone || string(k.Name) != tc.name || k.Type != tc.rrtype {
			t.Errorf("%s is read as %s, %s: %v", key, zone, k, err)
		}
	}
	for _, key := range []string{"", "a", "a/b", "example.com/www.example.net./A"} {
		if _, _, err := zonedata.ParseSetKey(key); err == nil {
			t.Errorf("%q was taken for a key", key)
		}
	}
}

func set(name, rrtype string, ttl int64, values ...string) schema.Resource {
	return schema.Resource{
		Address: "record.x", Kind: schema.KindRRset, Key: "example.com/" + name + "/" + rrtype,
		Attrs: schema.KindByName(schema.KindRRset).Object(map[string]cty.Value{
			"zone": cty.StringVal("example.com."), "name": cty.StringVal(name), "type": cty.StringVal(rrtype),
			"ttl": cty.NumberIntVal(ttl), "values": schema.StringList(values),
		}),
	}
}

func zone(refresh int64) schema.Resource {
	return schema.Resource{
		Address: "zone.x", Kind: schema.KindZone, Key: "example.com",
		Attrs: schema.KindByName(schema.KindZone).Object(map[string]cty.Value{
			"name": cty.StringVal("example.com."), "primary": cty.StringVal("ns1.example.com."), "contact": cty.StringVal("hostmaster.example.com."),
			"refresh": cty.NumberIntVal(refresh), "retry": cty.NumberIntVal(600), "expire": cty.NumberIntVal(86400), "negative_ttl": cty.NumberIntVal(300),
		}),
	}
}

// saw is what a plan saw that was made when the zone was z.
func saw(z *zonedata.Zone, r schema.Resource) *providers.Observed {
	o, ok := z.Find(r.Kind, r.Key)
	if !ok {
		return nil
	}
	return &o
}

func TestPrepare(t *testing.T) {
	a := set("a.example.com.", "A", 300, "192.0.2.1")
	b := set("b.example.com.", "A", 300, "192.0.2.1")
	before := readZone(t, "a 300 IN A 192.0.2.1\n@ 300 IN NS ns1.example.com.\n")
	changedA := set("a.example.com.", "A", 300, "192.0.2.9")
	up := func(r schema.Resource) providers.Change {
		return providers.Change{Action: providers.Update, Resource: r, Prior: saw(before, r)}
	}
	create := func(r schema.Resource) providers.Change {
		return providers.Change{Action: providers.Create, Resource: r}
	}
	remove := func(r schema.Resource) providers.Change {
		return providers.Change{Action: providers.Delete, Resource: r, Prior: saw(before, r)}
	}
	ns := set("example.com.", "NS", 300, "ns1.example.com.")
	for name, tc := range map[string]struct {
		now     string // the zone; "none": it is not there
		changes []providers.Change
		want    []string // the edits
		errs    []string // parts of the errors, by change
	}{
		"create, change and delete": {now: "a 300 IN A 192.0.2.1\n", changes: []providers.Change{create(b), up(changedA)},
			want: []string{"b.example.com. A: none → 192.0.2.1 (ttl 300)", "a.example.com. A: 192.0.2.1 (ttl 300) → 192.0.2.9 (ttl 300)"}},
		"the SOA alone":            {now: "", changes: []providers.Change{up(zone(7200))}, want: []string{"SOA ns1.example.com. hostmaster.example.com. 7200 600 86400 300"}},
		"delete and create is one": {now: "a 300 IN A 192.0.2.1\n", changes: []providers.Change{remove(a), create(changedA)}, want: []string{"a.example.com. A: 192.0.2.1 (ttl 300) → 192.0.2.9 (ttl 300)"}},
		"what was done is done":    {now: "a 300 IN A 192.0.2.9\nb 300 IN A 192.0.2.1\n", changes: []providers.Change{create(b), up(changedA)}},
		"what is gone is gone":     {now: "", changes: []providers.Change{remove(a)}},
		"a foreign change is a conflict": {now: "a 300 IN A 192.0.2.77\n", changes: []providers.Change{create(b), up(changedA)},
			errs: []string{"", "record set example.com/a.example.com./A: changed since the plan was made: it is 192.0.2.77 (ttl 300), and was 192.0.2.1 (ttl 300)"}},
		"so is another time to live":    {now: "a 60 IN A 192.0.2.1\n", changes: []providers.Change{up(changedA)}, errs: []string{"it is 192.0.2.1 (ttl 60), and was 192.0.2.1 (ttl 300)"}},
		"so is what was taken away":     {now: "", changes: []providers.Change{up(changedA)}, errs: []string{"it is none, and was 192.0.2.1 (ttl 300)"}},
		"so is what was made":           {now: "b 300 IN A 192.0.2.5\n", changes: []providers.Change{create(b)}, errs: []string{"it is 192.0.2.5 (ttl 300), and was none"}},
		"so is a changed thing to go":   {now: "a 300 IN A 192.0.2.5\n", changes: []providers.Change{remove(a)}, errs: []string{"it is 192.0.2.5 (ttl 300), and was 192.0.2.1 (ttl 300)"}},
		"no zone, no record sets":       {now: "none", changes: []providers.Change{create(b)}, errs: []string{"there is no zone example.com"}},
		"a zone with its first records": {now: "none", changes: []providers.Change{create(zone(3600)), create(b)}, want: []string{"create", "SOA ns1.example.com. hostmaster.example.com. 3600 600 86400 300", "b.example.com. A: none → 192.0.2.1 (ttl 300)"}},
		"a zone that goes": {now: "a 300 IN A 192.0.2.1\n@ 300 IN NS ns1.example.com.\n", changes: []providers.Change{remove(a), remove(ns), remove(zone(3600))},
			want: []string{"delete", "a.example.com. A: 192.0.2.1 (ttl 300) → none", "example.com. NS: ns1.example.com. (ttl 300) → none"}},
		"a zone that goes with what is others'": {now: "a 300 IN A 192.0.2.1\nx 1 IN A 192.0.2.9\n@ 300 IN NS ns1.example.com.\n", changes: []providers.Change{remove(a), remove(zone(3600))},
			want: []string{"delete", "left x.example.com. A", "a.example.com. A: 192.0.2.1 (ttl 300) → none"}},
	} {
		t.Run(name, func(t *testing.T) {
			var z *zonedata.Zone
			if tc.now != "none" {
				z = readZone(t, tc.now)
			}
			edits, errs := zonedata.Prepare(z, tc.changes)
			for i, err := range errs {
				want := ""
				if i < len(tc.errs) {
					want = tc.errs[i]
				}
				switch {
				case want == "" && err != nil:
					t.Errorf("change %d: %v", i, err)
				case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
					t.Errorf("change %d: the error is %v, want one with %q", i, err, want)
				case want != "" && strings.Contains(want, "and was") && !errors.Is(err, providers.ErrConflict):
					t.Errorf("change %d: %v is no conflict", i, err)
				}
			}
			if tc.errs != nil {
				if !zonedata.Refused(errs) || slices.Contains(errs, nil) {
					t.Errorf("not all changes have an error: %v", errs)
				}
				return
			}
			if zonedata.Refused(errs) {
				t.Fatal("refused")
			}
			if diff := cmp.Diff(tc.want, editLines(edits)); diff != "" {
				t.Errorf("(-want +have)\n%s", diff)
			}
		})
	}
}

func editLines(e *zonedata.Edits) []string {
	var out []string
	if e.Create {
		out = append(out, "create")
	}
	if e.Delete {
		out = append(out, "delete")
	}
	if e.SOA != nil {
		out = append(out, "SOA "+e.SOA.String())
	}
	for _, k := range e.Left {
		out = append(out, "left "+k.String())
	}
	for _, s := range e.Sets {
		out = append(out, s.Key.String()+": "+s.Before.String()+" → "+s.After.String())
	}
	return out
}

func TestGroup(t *testing.T) {
	other := set("www.example.net.", "A", 300, "192.0.2.1")
	other.Key = "example.net/www.example.net./A"
	parts, errs := zonedata.Group([]providers.Change{
		{Resource: zone(1)}, {Resource: other}, {Resource: schema.Resource{Kind: schema.KindMailbox, Key: "a@example.com"}},
		{Resource: set("a.example.com.", "A", 1, "192.0.2.1")},
	})
	want := []zonedata.Part{{Zone: "example.com.", Changes: []int{0, 3}}, {Zone: "example.net.", Changes: []int{1}}}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
	if len(errs) != 1 || errs[2] == nil {
		t.Errorf("the errors are %v, want one for the mailbox", errs)
	}
}

func TestZonesOfAScope(t *testing.T) {
	names, declared := zonedata.Zones(providers.Scope{
		Wanted: []schema.Resource{zone(1), set("a.example.com.", "A", 1, "192.0.2.1")},
		Prior:  []schema.ID{{Kind: schema.KindRRset, Key: "example.net/example.net./MX"}, {Kind: schema.KindMailbox, Key: "a@example.com"}},
	})
	if diff := cmp.Diff([]rdata.Name{"example.com.", "example.net."}, names); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
	if !declared["example.net."][zonedata.Key{Name: "example.net.", Type: "MX"}] {
		t.Error("what the state knows is not declared")
	}
}

// Whatever a server sends, what is made of it can be read again and compared.
func FuzzRead(f *testing.F) {
	f.Add(soaLine + "a 300 IN A 192.0.2.1\n")
	f.Add(soaLine + "a 300 IN SVCB 1 . alpn=h2\n@ IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\n")
	f.Fuzz(func(t *testing.T, text string) {
		zp := dns.NewZoneParser(strings.NewReader(text), "example.com.", "")
		var rrs []dns.RR
		for rr, ok := zp.Next(); ok && len(rrs) < 100; rr, ok = zp.Next() {
			buf := make([]byte, 70000)
			n, err := dns.PackRR(rr, buf, 0, nil, false)
			if err != nil {
				return
			}
			if rr, _, err = dns.UnpackRR(buf[:n], 0); err != nil {
				return
			}
			rrs = append(rrs, rr)
		}
		z, err := zonedata.Read("example.com.", rrs, nil)
		if err != nil {
			return
		}
		for _, o := range z.Observed() {
			if found, ok := z.Find(o.Kind, o.Key); !ok || found.Revision != o.Revision {
				t.Fatalf("%s %q is not found by its key", o.Kind, o.Key)
			}
		}
	})
}
