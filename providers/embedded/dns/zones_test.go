package dns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
)

// exampleCom is a zone with one of each thing that matters.
func exampleCom() store.Zone {
	z := emptyZone("example.com.")
	z.RRsets = []store.RRset{
		set("example.com.", "NS", "ns1.example.com.", "ns2.example.net."),
		set("example.com.", "MX", "10 mail.example.com.", "20 mail.example.com.", "30 mx.example.net."),
		set("example.com.", "TXT", "v=spf1 mx -all"),
		set("ns1.example.com.", "A", "192.0.2.53"),
		set("ns1.example.com.", "AAAA", "2001:db8::53"),
		set("mail.example.com.", "A", "192.0.2.1"),
		set("mail.example.com.", "AAAA", "2001:db8::1"),
		set("_imaps._tcp.example.com.", "SRV", "0 1 993 mail.example.com."),
		set("s1._domainkey.example.com.", "TXT", "v=DKIM1; k=rsa; p="+strings.Repeat("A", 400)),
		set("www.example.com.", "CNAME", "web.example.com."),
		set("web.example.com.", "CNAME", "host.example.com."),
		set("host.example.com.", "A", "192.0.2.80"),
		set("outside.example.com.", "CNAME", "www.example.net."),
		set("dangling.example.com.", "CNAME", "nothing.example.com."),
		set("loop1.example.com.", "CNAME", "loop2.example.com."),
		set("loop2.example.com.", "CNAME", "loop1.example.com."),
		set("tochild.example.com.", "CNAME", "www.sub.example.com."),
		// A wildcard, with a name beside it and one below that.
		set("*.wild.example.com.", "MX", "10 mail.example.com."),
		set("*.wild.example.com.", "TXT", "wild"),
		set("here.wild.example.com.", "A", "192.0.2.99"),
		set("a.deep.wild.example.com.", "A", "192.0.2.98"),
		set("*.walias.example.com.", "CNAME", "host.example.com."),
		// A delegation with glue and DS, and one without.
		set("sub.example.com.", "NS", "ns.sub.example.com.", "ns1.example.com."),
		set("sub.example.com.", "DS", "12345 13 2 "+strings.Repeat("ab", 32)),
		set("ns.sub.example.com.", "A", "192.0.2.54"),
		set("insecure.example.com.", "NS", "ns2.example.net."),
		set("old.example.com.", "DNAME", "example.net."),
		set("odd.example.com.", "TYPE65280", `\# 3 abcdef`),
		set("many.example.com.", "TXT", "x"),
		set(`dot\.in.example.com.`, "A", "192.0.2.77"),
	}
	return z
}

func emptyZone(name string) store.Zone {
	return store.Zone{
		Name: name, Serial: 2026112301, Primary: "ns1.example.com.", Contact: "hostmaster.example.com.",
		Refresh: 7200, Retry: 900, Expire: 1209600, NegativeTTL: 300,
	}
}

func set(name, rrtype string, values ...string) store.RRset {
	return store.RRset{Name: name, Type: rrtype, TTL: 3600, Values: values}
}

func newServer(t testing.TB, list ...store.Zone) *Server {
	t.Helper()
	s := New(Options{})
	for _, z := range list {
		if err := s.SetZone(z); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// ask lets a server answer a query without a network, the short way where there
// is one and the long way, which have to say the same.
func ask(t testing.TB, s *Server, q *dns.Msg, tcp bool) *dns.Msg {
	t.Helper()
	packet := pack(t, q)
	short, long := bothWays(t, s, packet, client{tcp: tcp})
	if short != nil {
		sameAnswer(t, packet, short, long)
	}
	return unpack(t, long)
}

func pack(t testing.TB, q *dns.Msg) []byte {
	t.Helper()
	packet, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func unpack(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("%v: %x", err, wire)
	}
	return m
}

func question(name, rrtype string) *dns.Msg {
	return new(dns.Msg).SetQuestion(name, dns.StringToType[rrtype])
}

// text is an answer in short: rcode, flags, then each section's records.
func text(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	if m.Authoritative {
		b.WriteString(" aa")
	}
	if m.Truncated {
		b.WriteString(" tc")
	}
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		for _, rr := range section.rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				fmt.Fprintf(&b, "\n%s %s", section.name, strings.Join(strings.Fields(rr.String()), " "))
			}
		}
	}
	return b.String()
}
