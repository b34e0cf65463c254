package dns

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
)

func TestZonesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*store.Zone)
		want   []string // parts of the error
	}{
		"an address that is none":    {add("www.example.com.", "A", "192.0.2.999"), []string{"zone example.com.", "www.example.com. A", `"192.0.2.999"`}},
		"an IPv6 address in A":       {add("www.example.com.", "A", "2001:db8::1"), []string{"www.example.com. A", "2001:db8::1"}},
		"an MX without preference":   {add("example.com.", "MX", "mail.example.com."), []string{"example.com. MX", "mail.example.com."}},
		"the second value":           {add("www.example.com.", "A", "192.0.2.1", "x"), []string{"www.example.com. A", `"x"`}},
		"a type that is none":        {add("www.example.com.", "XYZZY", "1"), []string{"www.example.com. XYZZY"}},
		"a SOA":                      {add("example.com.", "SOA", "a. b. 1 2 3 4 5"), []string{"example.com. SOA", "cannot be in a zone"}},
		"a type of questions":        {add("example.com.", "TYPE252", `\# 0`), []string{"example.com. TYPE252"}},
		"RFC 3597 that is too short": {add("example.com.", "TYPE65280", `\# 4 ab`), []string{"example.com. TYPE65280"}},
		"a name outside":             {add("www.example.net.", "A", "192.0.2.1"), []string{"www.example.net. A", "outside the zone"}},
		"a name that ends alike":     {add("notexample.com.", "A", "192.0.2.1"), []string{"outside the zone"}},
		"no value":                   {add("www.example.com.", "A"), []string{"www.example.com. A", "no value"}},
		"a CNAME beside others":      {add("mail.example.com.", "CNAME", "x.example.com."), []string{"mail.example.com. CNAME"}},
		"a CNAME at the apex":        {add("example.com.", "CNAME", "x.example.com."), []string{"example.com. CNAME"}},
		"two CNAMEs":                 {add("c.example.com.", "CNAME", "x.example.com.", "y.example.com."), []string{"c.example.com. CNAME", "2 of them"}},
		"two DNAMEs":                 {add("d.example.com.", "DNAME", "x.example.net.", "y.example.net."), []string{"d.example.com. DNAME"}},
		"one set twice":              {add("MAIL.example.com.", "A", "192.0.2.7"), []string{"MAIL.example.com. A", "twice"}},
		"a TTL beyond 31 bits": {func(z *store.Zone) {
			z.RRsets = append(z.RRsets, store.RRset{Name: "www.example.com.", Type: "A", TTL: 1 << 31, Values: []string{"192.0.2.1"}})
		}, []string{"www.example.com. A", "TTL"}},
		"a primary without dot":     {func(z *store.Zone) { z.Primary = "ns1.example.com" }, []string{"primary", `"ns1.example.com"`}},
		"a contact with an at sign": {func(z *store.Zone) { z.Contact = "hostmaster@example.com" }, []string{"contact"}},
		"a label of 64 octets":      {add(strings.Repeat("x", 64)+".example.com.", "A", "192.0.2.1"), []string{"A"}},
		"a name of 256 octets":      {add(strings.Repeat("x.", 125)+"example.com.", "A", "192.0.2.1"), []string{"A"}},
		"a value with a line break": {add("www.example.com.", "MX", "10 a.\n20 b."), []string{"www.example.com. MX"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{})
			if err := s.SetZone(exampleCom()); err != nil {
				t.Fatal(err)
			}
			z := exampleCom()
			z.Serial++
			tc.change(&z)
			for set, f := range map[string]func() error{
				"SetZone":  func() error { return s.SetZone(z) },
				"SetZones": func() error { return s.SetZones([]store.Zone{z, emptyZone("example.org.")}) },
			} {
				err := f()
				if err == nil {
					t.Fatalf("%s takes it", set)
				}
				for _, part := range tc.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: the error %q does not have %q", set, err, part)
					}
				}
				m := ask(t, s, question("example.com.", "SOA"), false)
				if len(m.Answer) != 1 || m.Answer[0].(*dns.SOA).Serial != exampleCom().Serial {
					t.Errorf("%s: the old zone is not served any more: %s", set, text(m))
				}
			}
			if m := ask(t, s, question("example.org.", "SOA"), false); len(m.Answer) != 1 {
				t.Errorf("SetZones: the other zone is not served: %s", text(m))
			}
		})
	}
}

func add(name, rrtype string, values ...string) func(*store.Zone) {
	return func(z *store.Zone) { z.RRsets = append(z.RRsets, set(name, rrtype, values...)) }
}

func TestValuesAreServedAsTheyAre(t *testing.T) {
	for name, tc := range map[string]struct{ rrtype, value, want string }{
		"a text with quotes and backslashes": {"TXT", `say "a\b"; c`, `"say \"a\\b\"; c"`},
		"a text in UTF-8":                    {"TXT", "grün", `"gr\195\188n"`},
		"the empty text":                     {"TXT", "", `""`},
		"a text of 255 octets":               {"TXT", strings.Repeat("x", 255), `"` + strings.Repeat("x", 255) + `"`},
		"a text of 256 octets":               {"TXT", strings.Repeat("x", 256), `"` + strings.Repeat("x", 255) + `" "x"`},
		"a null MX":                          {"MX", "0 .", "0 ."},
		"a null SRV":                         {"SRV", "0 0 0 .", "0 0 0 ."},
		"CAA":                                {"CAA", `0 issue "ca.example.net; a=b"`, `0 issue "ca.example.net; a=b"`},
		"TLSA":                               {"TLSA", "3 1 1 " + strings.Repeat("ab", 32), "3 1 1 " + strings.Repeat("ab", 32)},
		"HTTPS":                              {"HTTPS", `1 . alpn="h2"`, `1 . alpn="h2"`},
		"an IPv4 address within IPv6":        {"AAAA", "::ffff:192.0.2.1", "::ffff:192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			z := emptyZone("example.com.")
			z.RRsets = append(z.RRsets, set("x.example.com.", tc.rrtype, tc.value))
			m := ask(t, newServer(t, z), question("x.example.com.", tc.rrtype), true)
			if len(m.Answer) != 1 {
				t.Fatal(text(m))
			}
			if got := strings.TrimPrefix(m.Answer[0].String(), m.Answer[0].Header().String()); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestEqualValuesAreOneRecord(t *testing.T) {
	z := emptyZone("example.com.")
	z.RRsets = append(z.RRsets, set("example.com.", "MX", "10 MAIL.example.com.", "10 mail.example.com.", "20 mail.example.com."))
	if m := ask(t, newServer(t, z), question("example.com.", "MX"), true); len(m.Answer) != 2 {
		t.Errorf("%s, want two records", text(m))
	}
}

func TestZonesComeAndGo(t *testing.T) {
	s := New(Options{})
	rcode := func(name string) string {
		t.Helper()
		return dns.RcodeToString[ask(t, s, question(name, "SOA"), false).Rcode]
	}
	if got := rcode("example.com."); got != "REFUSED" {
		t.Errorf("without zones: %s", got)
	}
	if err := s.SetZones([]store.Zone{emptyZone("Example.COM."), emptyZone("example.org.")}); err != nil {
		t.Fatal(err)
	}
	if rcode("example.com.") != "NOERROR" || rcode("example.org.") != "NOERROR" {
		t.Error("the zones are not served")
	}
	s.RemoveZone("EXAMPLE.com")
	s.RemoveZone("never.example.")
	if rcode("example.com.") != "REFUSED" || rcode("example.org.") != "NOERROR" {
		t.Error("the zone that was removed is served, or the other one is not")
	}
	if err := s.SetZones(nil); err != nil || rcode("example.org.") != "REFUSED" {
		t.Errorf("a zone that is no longer there is served (%v)", err)
	}
}

func TestTheRootZone(t *testing.T) {
	z := emptyZone(".")
	z.RRsets = append(z.RRsets, set("com.", "NS", "ns.com."), set("ns.com.", "A", "192.0.2.1"), set("x.", "DNAME", "y."))
	s := newServer(t, z)
	for qname, want := range map[string]string{
		"www.example.com.": "NOERROR\nauthority com. 3600 IN NS ns.com.\nadditional ns.com. 3600 IN A 192.0.2.1",
		"nothing.":         "NXDOMAIN aa\nauthority . 300 IN SOA ns1.example.com. hostmaster.example.com. 2026112301 7200 900 1209600 300",
		"a.x.":             "NXDOMAIN aa\nanswer x. 3600 IN DNAME y.\nanswer a.x. 3600 IN CNAME a.y.\nauthority . 300 IN SOA ns1.example.com. hostmaster.example.com. 2026112301 7200 900 1209600 300",
	} {
		if got := text(ask(t, s, question(qname, "A"), true)); got != want {
			t.Errorf("%s: %s, want %s", qname, got, want)
		}
	}
}

// A zone is replaced by what has changed in it, and the rest is as it was.
func TestTheNextVersionOfAZone(t *testing.T) {
	s := newServer(t, exampleCom())
	before := s.zones.Load().byName["\x07example\x03com\x00"]
	z := exampleCom()
	z.Serial++
	z.RRsets = slices.DeleteFunc(z.RRsets, func(set store.RRset) bool { return set.Name == "host.example.com." })
	for i := range z.RRsets {
		switch set := &z.RRsets[i]; {
		case set.Type == "MX" && set.Name == "example.com.":
			set.Values = []string{"10 mail.example.com."}
		case set.Type == "A" && set.Name == "ns1.example.com.":
			set.TTL = 60
		}
	}
	z.RRsets = append(z.RRsets, set("new.example.com.", "A", "192.0.2.200"))
	if err := s.SetZone(z); err != nil {
		t.Fatal(err)
	}
	after := s.zones.Load().byName[before.name]
	const here, there = "\x04mail\x07example\x03com\x00", "\x03ns1\x07example\x03com\x00"
	if after.nodes[here].set(dns.TypeA) != before.nodes[here].set(dns.TypeA) {
		t.Error("what has not changed was read again")
	}
	if after.nodes[there].set(dns.TypeA) == before.nodes[there].set(dns.TypeA) {
		t.Error("another TTL was not read")
	}
	fresh := newServer(t, z)
	for _, n := range manyNames(exampleCom(), z) {
		for _, rrtype := range []string{"A", "MX", "TXT", "CNAME", "SOA"} {
			q := question(n, rrtype)
			if got, want := text(ask(t, s, q, true)), text(ask(t, fresh, q, true)); got != want {
				t.Errorf("%s %s: %s, want %s", n, rrtype, got, want)
			}
		}
	}
	bad := z
	bad.RRsets = append(slices.Clone(z.RRsets), set("NEW.example.com.", "A", "192.0.2.201"))
	if err := s.SetZone(bad); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the error is %v", err)
	}
}
