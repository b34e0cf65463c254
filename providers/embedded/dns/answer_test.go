package dns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const soa = "\nauthority example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 2026112301 7200 900 1209600 300"

func TestAnswers(t *testing.T) {
	s := newServer(t, exampleCom(), emptyZone("example.org."))
	for name, tc := range map[string]struct {
		qname, qtype, want string
	}{
		"MX, and nothing that was not asked for": {"example.com.", "MX", `NOERROR aa
answer example.com. 3600 IN MX 10 mail.example.com.
answer example.com. 3600 IN MX 20 mail.example.com.
answer example.com. 3600 IN MX 30 mx.example.net.`},
		"SOA": {"example.com.", "SOA", "NOERROR aa" + strings.Replace(soa, "authority", "answer", 1)},
		"NS": {"example.com.", "NS", `NOERROR aa
answer example.com. 3600 IN NS ns1.example.com.
answer example.com. 3600 IN NS ns2.example.net.`},
		"SRV": {"_imaps._tcp.example.com.", "SRV", `NOERROR aa
answer _imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.`},
		"a long TXT in pieces of 255": {"s1._domainkey.example.com.", "TXT", `NOERROR aa
answer s1._domainkey.example.com. 3600 IN TXT "v=DKIM1; k=rsa; p=` + strings.Repeat("A", 237) + `" "` + strings.Repeat("A", 163) + `"`},
		"a type that the name has not":     {"mail.example.com.", "MX", "NOERROR aa" + soa},
		"a name that is not there":         {"nosuch.example.com.", "A", "NXDOMAIN aa" + soa},
		"an empty non-terminal":            {"_tcp.example.com.", "SRV", "NOERROR aa" + soa},
		"an empty non-terminal, ANY":       {"_domainkey.example.com.", "ANY", "NOERROR aa" + soa},
		"a name below a name":              {"x.mail.example.com.", "A", "NXDOMAIN aa" + soa},
		"a name outside":                   {"debian.org.", "A", "REFUSED"},
		"the root":                         {".", "NS", "REFUSED"},
		"the parent of a zone":             {"com.", "NS", "REFUSED"},
		"a name that ends like a zone":     {"notexample.com.", "A", "REFUSED"},
		"a zone transfer":                  {"example.com.", "AXFR", "REFUSED"},
		"an incremental one":               {"example.com.", "IXFR", "REFUSED"},
		"MAILB":                            {"example.com.", "MAILB", "NOTIMP"},
		"OPT is no question":               {"example.com.", "OPT", "FORMERR"},
		"a dot within a label":             {`dot\.in.example.com.`, "A", "NOERROR aa\nanswer dot\\.in.example.com. 3600 IN A 192.0.2.77"},
		"the same octets as two labels":    {"dot.in.example.com.", "A", "NXDOMAIN aa" + soa},
		"ANY is one record set (RFC 8482)": {"ns1.example.com.", "ANY", "NOERROR aa\nanswer ns1.example.com. 3600 IN A 192.0.2.53"},

		"letter case is kept": {"MaIl.ExAmPlE.cOm.", "A", "NOERROR aa\nanswer MaIl.ExAmPlE.cOm. 3600 IN A 192.0.2.1"},

		"a chain of CNAMEs": {"www.example.com.", "A", `NOERROR aa
answer www.example.com. 3600 IN CNAME web.example.com.
answer web.example.com. 3600 IN CNAME host.example.com.
answer host.example.com. 3600 IN A 192.0.2.80`},
		"a CNAME that is asked for": {"www.example.com.", "CNAME", "NOERROR aa\nanswer www.example.com. 3600 IN CNAME web.example.com."},
		"a chain to a type that is not there": {"web.example.com.", "MX", `NOERROR aa
answer web.example.com. 3600 IN CNAME host.example.com.` + soa},
		"a chain to a name that is not there (RFC 6604)": {"dangling.example.com.", "A", `NXDOMAIN aa
answer dangling.example.com. 3600 IN CNAME nothing.example.com.` + soa},
		"a chain out of the zone": {"outside.example.com.", "A", `NOERROR aa
answer outside.example.com. 3600 IN CNAME www.example.net.`},
		"a circle of CNAMEs": {"loop1.example.com.", "A", `NOERROR aa
answer loop1.example.com. 3600 IN CNAME loop2.example.com.
answer loop2.example.com. 3600 IN CNAME loop1.example.com.`},
		"a chain into a delegation": {"tochild.example.com.", "A", `NOERROR aa
answer tochild.example.com. 3600 IN CNAME www.sub.example.com.
authority sub.example.com. 3600 IN NS ns.sub.example.com.
authority sub.example.com. 3600 IN NS ns1.example.com.
additional ns.sub.example.com. 3600 IN A 192.0.2.54
additional ns1.example.com. 3600 IN A 192.0.2.53
additional ns1.example.com. 3600 IN AAAA 2001:db8::53`},

		"a wildcard": {"any.wild.example.com.", "MX", `NOERROR aa
answer any.wild.example.com. 3600 IN MX 10 mail.example.com.`},
		"a wildcard, two labels up":             {"x.y.wild.example.com.", "TXT", "NOERROR aa\nanswer x.y.wild.example.com. 3600 IN TXT \"wild\""},
		"a wildcard has not the type":           {"any.wild.example.com.", "A", "NOERROR aa" + soa},
		"a name that exists hides the wildcard": {"here.wild.example.com.", "MX", "NOERROR aa" + soa},
		"also below it":                         {"x.here.wild.example.com.", "MX", "NXDOMAIN aa" + soa},
		"and so does an empty non-terminal":     {"deep.wild.example.com.", "MX", "NOERROR aa" + soa},
		"and what is below that":                {"b.deep.wild.example.com.", "MX", "NXDOMAIN aa" + soa},
		"the wildcard itself":                   {"*.wild.example.com.", "TXT", "NOERROR aa\nanswer *.wild.example.com. 3600 IN TXT \"wild\""},
		"the name above a wildcard is not it":   {"wild.example.com.", "TXT", "NOERROR aa" + soa},
		"a CNAME by a wildcard": {"x.walias.example.com.", "A", `NOERROR aa
answer x.walias.example.com. 3600 IN CNAME host.example.com.
answer host.example.com. 3600 IN A 192.0.2.80`},

		"below a delegation":           {"www.sub.example.com.", "A", referral},
		"at a delegation":              {"sub.example.com.", "A", referral},
		"NS at a delegation":           {"sub.example.com.", "NS", referral},
		"glue is not answered for":     {"ns.sub.example.com.", "A", referral},
		"DS below a delegation":        {"x.sub.example.com.", "DS", referral},
		"a delegation without glue":    {"insecure.example.com.", "MX", "NOERROR\nauthority insecure.example.com. 3600 IN NS ns2.example.net."},
		"DS at a delegation is ours":   {"sub.example.com.", "DS", "NOERROR aa\nanswer sub.example.com. 3600 IN DS 12345 13 2 " + strings.Repeat("AB", 32)},
		"DS at an insecure delegation": {"insecure.example.com.", "DS", "NOERROR aa" + soa},
		"DS at the apex":               {"example.com.", "DS", "NOERROR aa" + soa},
		"below a DNAME": {"x.y.old.example.com.", "A", `NOERROR aa
answer old.example.com. 3600 IN DNAME example.net.
answer x.y.old.example.com. 3600 IN CNAME x.y.example.net.`},
		"at a DNAME":            {"old.example.com.", "A", "NOERROR aa" + soa},
		"a type without a name": {"odd.example.com.", "TYPE65280", "NOERROR aa\nanswer odd.example.com. 3600 CLASS1 TYPE65280 \\# 3 abcdef"},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(tc.qname, tc.qtype)
			if tc.qtype == "TYPE65280" {
				q.Question[0].Qtype = 65280
			}
			m := ask(t, s, q, true)
			if diff := cmp.Diff(tc.want, text(m)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(m.Question) != 1 || m.Question[0] != q.Question[0] || m.Id != q.Id || !m.Response {
				t.Errorf("header and question: %v", m)
			}
			if m.RecursionAvailable || m.AuthenticatedData || !m.RecursionDesired {
				t.Errorf("flags: %v", &m.MsgHdr)
			}
		})
	}
}

const referral = `NOERROR
authority sub.example.com. 3600 IN NS ns.sub.example.com.
authority sub.example.com. 3600 IN NS ns1.example.com.
additional ns.sub.example.com. 3600 IN A 192.0.2.54
additional ns1.example.com. 3600 IN A 192.0.2.53
additional ns1.example.com. 3600 IN AAAA 2001:db8::53`

func TestParentAndChildZoneOnOneServer(t *testing.T) {
	child := emptyZone("sub.example.com.")
	child.RRsets = append(child.RRsets, set("www.sub.example.com.", "A", "192.0.2.4"))
	other := emptyZone("other.example.com.") // not delegated
	s := newServer(t, exampleCom(), child, other)
	for name, tc := range map[string]struct{ qname, qtype, want string }{
		"the child answers for itself":            {"www.sub.example.com.", "A", "NOERROR aa\nanswer www.sub.example.com. 3600 IN A 192.0.2.4"},
		"DS comes from the parent":                {"sub.example.com.", "DS", "NOERROR aa\nanswer sub.example.com. 3600 IN DS 12345 13 2 " + strings.Repeat("AB", 32)},
		"but for a child it does not know":        {"other.example.com.", "DS", "NOERROR aa" + strings.Replace(soa, "authority example", "authority other.example", 1)},
		"an alias into the child ends at its cut": {"tochild.example.com.", "A", "NOERROR aa\nanswer tochild.example.com. 3600 IN CNAME www.sub.example.com."},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, text(ask(t, s, question(tc.qname, tc.qtype), true))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDNAMEThatGetsTooLong(t *testing.T) {
	z := emptyZone("example.com.")
	label := strings.Repeat("x", 60) + "."
	z.RRsets = append(z.RRsets, set("d.example.com.", "DNAME", label+label+"example.net."))
	s := newServer(t, z)
	m := ask(t, s, question(label+label+"d.example.com.", "A"), true)
	if m.Rcode != dns.RcodeYXDomain || len(m.Answer) != 1 {
		t.Errorf("%s, want YXDOMAIN with the DNAME", text(m))
	}
}

func TestQueriesThatAreNone(t *testing.T) {
	s := newServer(t, exampleCom())
	change := func(f func(*dns.Msg)) *dns.Msg {
		q := question("example.com.", "SOA")
		f(q)
		return q
	}
	for name, tc := range map[string]struct {
		q    *dns.Msg
		want int
	}{
		"NOTIFY":                 {change(func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		"UPDATE":                 {change(func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"STATUS":                 {change(func(q *dns.Msg) { q.Opcode = dns.OpcodeStatus }), dns.RcodeNotImplemented},
		"an opcode that is none": {change(func(q *dns.Msg) { q.Opcode = 15 }), dns.RcodeNotImplemented},
		"no question":            {change(func(q *dns.Msg) { q.Question = nil }), dns.RcodeFormatError},
		"two questions":          {change(func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }), dns.RcodeFormatError},
		"class CH":               {change(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"class ANY":              {change(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY }), dns.RcodeRefused},
		"the server's version": {change(func(q *dns.Msg) {
			q.Question[0] = dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
		}), dns.RcodeRefused},
		"two OPT records": {change(func(q *dns.Msg) { q.SetEdns0(1232, false); q.SetEdns0(1232, false) }), dns.RcodeFormatError},
		"an OPT record with a name": {change(func(q *dns.Msg) {
			q.SetEdns0(1232, false)
			q.Extra[0].Header().Name = "example.com."
		}), dns.RcodeFormatError},
		"EDNS version 1": {change(func(q *dns.Msg) { q.SetEdns0(1232, true); q.IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
	} {
		t.Run(name, func(t *testing.T) {
			m := ask(t, s, tc.q, false)
			if m.Rcode != tc.want || m.Authoritative || len(m.Answer)+len(m.Ns) > 0 {
				t.Errorf("%s, want %s alone", text(m), dns.RcodeToString[tc.want])
			}
			if m.Opcode != tc.q.Opcode || !m.Response || len(m.Question) != len(tc.q.Question)%2 {
				t.Errorf("header: %v", m)
			}
			if opt := m.IsEdns0(); opt != nil && opt.Version() != 0 {
				t.Errorf("EDNS version %d in the answer", opt.Version())
			}
		})
	}
}

func TestEDNSIsEchoed(t *testing.T) {
	s := newServer(t, exampleCom())
	for name, do := range map[string]bool{"without DO": false, "with DO": true} {
		t.Run(name, func(t *testing.T) {
			for _, qname := range []string{"example.com.", "debian.org.", "nosuch.example.com."} {
				q := question(qname, "MX")
				q.SetEdns0(4096, do)
				opt := ask(t, s, q, false).IsEdns0()
				if opt == nil || opt.Do() != do || opt.UDPSize() != maxUDPSize || opt.Version() != 0 {
					t.Errorf("%s: OPT is %v", qname, opt)
				}
			}
		})
	}
	if m := ask(t, s, question("example.com.", "MX"), false); m.IsEdns0() != nil {
		t.Error("an OPT record that nobody asked for")
	}
	// What one answer had is not in the next one.
	r := s.newResponder()
	for range 2 {
		for _, q := range []*dns.Msg{question("example.com.", "MX").SetEdns0(4096, true), question("example.com.", "MX")} {
			m := unpack(t, r.reply(pack(t, q), client{}))
			if (m.IsEdns0() != nil) != (q.IsEdns0() != nil) {
				t.Errorf("%v", m)
			}
		}
	}
}

func TestLongAnswersAreTruncatedOverUDP(t *testing.T) {
	z := exampleCom()
	var values, hosts []string
	for i := range 40 {
		host := strings.Repeat(string(rune('a'+i%26)), 10+i/26) + ".example.com."
		hosts = append(hosts, host)
		values = append(values, strings.Repeat("t", 20+i))
		z.RRsets = append(z.RRsets, set(host, "AAAA", "2001:db8::1"))
	}
	z.RRsets = append(z.RRsets,
		set("long.example.com.", "TXT", values...),
		set("few.example.com.", "TXT", values[:16]...),
		set("hosts.example.com.", "SRV", "0 0 1 "+hosts[0], "0 0 2 "+hosts[1], "0 0 3 "+hosts[2], "0 0 4 "+hosts[3], "0 0 5 "+hosts[4], "0 0 6 "+hosts[5], "0 0 7 "+hosts[6], "0 0 8 "+hosts[7]),
		set("big.example.com.", "NS", func() (ns []string) {
			for _, h := range hosts[:13] {
				ns = append(ns, strings.TrimSuffix(h, "example.com.")+"big.example.com.")
			}
			return ns
		}()...))
	for _, h := range hosts[:13] {
		z.RRsets = append(z.RRsets, set(strings.TrimSuffix(h, "example.com.")+"big.example.com.", "AAAA", "2001:db8::1"))
	}
	s := newServer(t, z)
	for name, tc := range map[string]struct {
		qname, qtype string
		bufsize      uint16 // 0: no EDNS
		tcp          bool
		limit        int
		truncated    bool
		complete     bool
	}{
		"no EDNS":                        {"few.example.com.", "TXT", 0, false, 512, true, false},
		"EDNS that is large enough":      {"few.example.com.", "TXT", 1232, false, 1232, false, true},
		"EDNS with less than 512":        {"few.example.com.", "TXT", 100, false, 512, true, false},
		"EDNS of 600":                    {"long.example.com.", "TXT", 600, false, 600, true, false},
		"EDNS of 4096 is cut at 1232":    {"long.example.com.", "TXT", 4096, false, 1232, true, false},
		"TCP has it all":                 {"long.example.com.", "TXT", 0, true, 65535, false, true},
		"TCP with a small EDNS size":     {"long.example.com.", "TXT", 512, true, 65535, false, true},
		"no addresses that nobody wants": {"hosts.example.com.", "SRV", 0, false, 512, false, true},
		"glue of a referral does not":    {"x.big.example.com.", "A", 0, false, 512, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(tc.qname, tc.qtype)
			if tc.bufsize > 0 {
				q.SetEdns0(tc.bufsize, false)
			}
			m := ask(t, s, q, tc.tcp)
			m.Compress = true
			if n := m.Len(); n > tc.limit {
				t.Errorf("%d bytes, want at most %d", n, tc.limit)
			}
			if m.Truncated != tc.truncated {
				t.Errorf("TC is %v, want %v", m.Truncated, tc.truncated)
			}
			if (q.IsEdns0() != nil) != (m.IsEdns0() != nil) {
				t.Error("the OPT record is gone or new")
			}
			full := ask(t, s, q, true)
			if complete := len(m.Answer) == len(full.Answer) && len(m.Ns) == len(full.Ns); complete != tc.complete && !tc.truncated {
				t.Errorf("%d of %d answers", len(m.Answer), len(full.Answer))
			}
		})
	}
	// The zone is as it was after all that cutting.
	if m := ask(t, s, question("long.example.com.", "TXT"), true); len(m.Answer) != 40 {
		t.Errorf("%d answers are left of 40", len(m.Answer))
	}
}
