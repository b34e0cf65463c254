package dns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
)

// The short way and the long way have to say the same to any packet. The long
// one is simple, and made of the records at hand each time; so it judges the other.

// bothWays answers a packet the short way (nil where it has none) and the long way.
// The short way goes twice: what the first time is made for keeping serves the
// second time.
func bothWays(t testing.TB, s *Server, packet []byte, from client) (short, long []byte) {
	t.Helper()
	r := s.newResponder()
	r.now = 1559734385
	before := bytes.Clone(packet)
	first := bytes.Clone(r.fast(s.zones.Load(), packet, from))
	long = bytes.Clone(r.slow(s.zones.Load(), packet, from))
	about := bytes.Clone(r.about)
	short = bytes.Clone(r.fast(s.zones.Load(), packet, from))
	if short != nil && !bytes.Equal(about, r.about) {
		t.Fatalf("query %x is counted under %q the long way and under %q the short way", packet, about, r.about)
	}
	if !bytes.Equal(first, short) {
		t.Fatalf("query %x\nis answered %x\nand the second time %x", packet, first, short)
	}
	if !bytes.Equal(before, packet) {
		t.Fatalf("the query was changed: %x, now %x", before, packet)
	}
	return short, long
}

// sameAnswer compares two answers: every octet of the header and the question, and
// every record, its name in small letters, for names are abbreviated by those of
// the question, which may have others.
func sameAnswer(t testing.TB, packet, short, long []byte) {
	t.Helper()
	s, l := decode(t, packet, short), decode(t, packet, long)
	if diff := cmp.Diff(l, s); diff != "" {
		t.Fatalf("query %x\nthe long way says %x\nand the short way %x\n(-long +short)\n%s", packet, long, short, diff)
	}
}

type decoded struct {
	Header   string
	Question []byte
	Records  []string
}

func decode(t testing.TB, packet, wire []byte) decoded {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("query %x\nthe answer %x cannot be read: %v", packet, wire, err)
	}
	d := decoded{Header: fmt.Sprintf("%x", wire[:headerSize])}
	if end := endOfQuestion(wire); end > 0 {
		d.Question = wire[headerSize:end]
	}
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			d.Records = append(d.Records, fmt.Sprint(i, " ", strings.ToLower(rr.String())))
		}
	}
	return d
}

// manyNames are names to ask for: those of a zone, with labels in front, without
// the first, in other letters.
func manyNames(zs ...store.Zone) []string {
	var out []string
	for _, z := range zs {
		names := []string{z.Name}
		for _, set := range z.RRsets {
			names = append(names, set.Name)
			for _, v := range set.Values {
				for f := range strings.FieldsSeq(v) {
					if dns.IsFqdn(f) {
						names = append(names, f)
					}
				}
			}
		}
		for _, n := range names {
			out = append(out, n, strings.ToUpper(n), "nosuch."+n, "*."+n, "a.b.c.d."+n, strings.Repeat("x", 63)+"."+n)
			if i, end := dns.NextLabel(n, 0); !end {
				out = append(out, n[i:])
			}
		}
	}
	out = append(out, ".", "debian.org.", "com.")
	slices.Sort(out)
	return slices.Compact(slices.DeleteFunc(out, func(n string) bool {
		_, ok := parseName(n)
		return !ok
	}))
}

var manyTypes = []uint16{
	0, dns.TypeA, dns.TypeNS, dns.TypeCNAME, dns.TypeSOA, dns.TypePTR, dns.TypeMX, dns.TypeTXT, dns.TypeAAAA, dns.TypeSRV,
	dns.TypeDNAME, dns.TypeOPT, dns.TypeDS, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeDNSKEY, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeHTTPS,
	dns.TypeCAA, dns.TypeTKEY, dns.TypeTSIG, dns.TypeIXFR, dns.TypeAXFR, dns.TypeMAILB, dns.TypeANY, 65280, 65535,
}

// manyQueries are the forms that a query may take.
var manyQueries = map[string]func(*dns.Msg){
	"plain":                func(q *dns.Msg) { q.RecursionDesired = false },
	"recursion desired":    func(*dns.Msg) {},
	"AD and CD":            func(q *dns.Msg) { q.AuthenticatedData, q.CheckingDisabled = true, true },
	"a flag of answers":    func(q *dns.Msg) { q.Authoritative = true },
	"truncated":            func(q *dns.Msg) { q.Truncated = true },
	"the flag Z":           func(q *dns.Msg) { q.Zero = true },
	"an rcode":             func(q *dns.Msg) { q.Rcode = dns.RcodeServerFailure },
	"NOTIFY":               func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify },
	"an answer":            func(q *dns.Msg) { q.Response = true },
	"class CH":             func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS },
	"class ANY":            func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY },
	"EDNS":                 func(q *dns.Msg) { q.SetEdns0(1232, false) },
	"EDNS, little":         func(q *dns.Msg) { q.SetEdns0(80, false) },
	"EDNS, much":           func(q *dns.Msg) { q.SetEdns0(65535, false) },
	"EDNS with DO":         func(q *dns.Msg) { q.SetEdns0(1232, true) },
	"EDNS 1":               func(q *dns.Msg) { q.SetEdns0(1232, true); q.IsEdns0().SetVersion(1) },
	"EDNS with an rcode":   func(q *dns.Msg) { q.SetEdns0(1232, true); q.IsEdns0().SetExtendedRcode(16) },
	"EDNS with more flags": func(q *dns.Msg) { q.SetEdns0(1232, true); q.IsEdns0().Hdr.Ttl |= 0x7fff },
	"EDNS with NSID": func(q *dns.Msg) {
		q.SetEdns0(1232, false)
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	},
	"a cookie of the client":  withCookie("0102030405060708"),
	"a cookie of the server":  withCookie("0102030405060708" + "01000000" + "5cf79f11" + "1f8130c3eee29480"),
	"a cookie of another one": withCookie("0102030405060708" + strings.Repeat("ab", 32)),
	"a short cookie":          withCookie("01020304050607"),
	"a long cookie":           withCookie(strings.Repeat("ab", 41)),
	"two cookies": func(q *dns.Msg) {
		withCookie("0102030405060708")(q)
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "01"})
	},
	"another record": func(q *dns.Msg) {
		q.Extra = append(q.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"x"}})
	},
}

func withCookie(c string) func(*dns.Msg) {
	return func(q *dns.Msg) {
		q.SetEdns0(1232, false)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: c}}
	}
}

func TestTheShortWaySaysWhatTheLongWaySays(t *testing.T) {
	child := emptyZone("kid.example.com.")
	child.RRsets = append(child.RRsets, set("www.kid.example.com.", "A", "192.0.2.4"), set("kid.example.com.", "MX", "10 mail.example.com."))
	parent := exampleCom()
	parent.RRsets = append(parent.RRsets,
		set("tokid.example.com.", "CNAME", "www.kid.example.com."), set("loop.example.com.", "CNAME", "loop.example.com."),
		set("*.self.example.com.", "MX", "10 *.self.example.com."), set("*.circle.example.com.", "CNAME", "x.circle.example.com."),
		set("*.out.example.com.", "CNAME", "*.example.net."), set("dn.example.com.", "CNAME", "x.old.example.com."),
		set("ptr.example.com.", "PTR", "example.com.", "ptr.example.com.", "sub.example.com."),
		set("long.example.com.", "TXT", strings.Repeat("long ", 300)), set("some.example.com.", "TXT", strings.Repeat("some ", 90)))
	top := emptyZone(".")
	top.RRsets = append(top.RRsets, set("com.", "NS", "ns.com."), set("ns.com.", "A", "192.0.2.1"), set("x.", "DNAME", "y."), set("*.w.", "A", "192.0.2.1"))
	deep := emptyZone("d.d.")
	deep.RRsets = append(deep.RRsets, set("d.d.", "DNAME", "e.d.d.e."))
	forms := slices.Sorted(maps.Keys(manyQueries))
	rnd := rand.New(rand.NewPCG(1, 2)) // the same each time: what goes wrong by chance is for FuzzTwoWays
	for _, zs := range [][]store.Zone{{parent, child, deep}, {parent, child, top}, {top}, {}} {
		s := newServer(t, zs...)
		names := manyNames(parent, child, top, deep)
		short, all := 0, 0
		for _, n := range names {
			for _, rrtype := range manyTypes {
				// All forms of each would take a minute.
				for i, form := range append([]string{"plain", "EDNS", "EDNS with DO"}, forms[rnd.IntN(len(forms))], forms[rnd.IntN(len(forms))]) {
					change := manyQueries[form]
					q := new(dns.Msg).SetQuestion(n, rrtype)
					q.Id = 0x1234
					change(q)
					for _, tcp := range []bool{false, true}[:1+i%2] {
						packet := pack(t, q)
						got, want := bothWays(t, s, packet, client{tcp: tcp})
						all++
						if got != nil {
							short++
							sameAnswer(t, packet, got, want)
						}
						checkAnswer(t, packet, want, tcp)
						// The usual query has to go the short way.
						usual := form == "plain" || form == "EDNS" || form == "a cookie of the client"
						if usual && got == nil && !slices.ContainsFunc(unusual(want), func(b bool) bool { return b }) && !isQuestionType(rrtype) && rrtype != dns.TypeDS && rrtype != dns.TypeOPT {
							t.Errorf("%s %s, %s: answered the long way: %x", n, dns.TypeToString[rrtype], form, want)
						}
					}
				}
			}
		}
		if len(zs) > 0 && short < all/10 {
			t.Errorf("%d of %d queries went the short way", short, all)
		}
	}
}

// unusual tells why an answer is not kept: it is cut off, has a DNAME or an alias.
func unusual(wire []byte) []bool {
	m := new(dns.Msg)
	if m.Unpack(wire) != nil {
		return []bool{true}
	}
	alias := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		t := rr.Header().Rrtype
		return t == dns.TypeCNAME || t == dns.TypeDNAME
	})
	pointing := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		mx, ok := rr.(*dns.MX)
		return ok && strings.HasPrefix(mx.Mx, "*.")
	})
	return []bool{m.Truncated, len(wire) > maxBody, alias, pointing}
}

// checkAnswer holds what is true of every answer.
func checkAnswer(t testing.TB, packet, wire []byte, tcp bool) {
	t.Helper()
	if wire == nil {
		if len(packet) >= headerSize && packet[2]&bitQR == 0 {
			t.Fatalf("query %x is not answered", packet)
		}
		return
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("query %x\nthe answer %x cannot be read: %v", packet, wire, err)
	}
	switch {
	case !tcp && len(wire) > maxUDPSize:
		t.Fatalf("query %x: %d octets over UDP", packet, len(wire))
	case m.Id != binary.BigEndian.Uint16(packet), !m.Response, m.RecursionAvailable, m.AuthenticatedData, m.Zero:
		t.Fatalf("query %x: header of %x", packet, wire)
	case !tcp && len(wire) > len(packet)+optSize+cookieOption && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError && m.Rcode != dns.RcodeYXDomain:
		t.Fatalf("query %x: %x is an error that is longer", packet, wire)
	case m.Opcode != int(packet[2]>>3)&15:
		t.Fatalf("query %x: opcode of %x", packet, wire)
	}
	counts := [4]int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)}
	for i, n := range counts {
		if int(binary.BigEndian.Uint16(wire[4+2*i:])) != n {
			t.Fatalf("query %x: %x has %v records", packet, wire, counts)
		}
	}
}

// The same for zones and packets that nobody thought of.
func FuzzTwoWays(f *testing.F) {
	for _, q := range []*dns.Msg{
		question("www.example.com.", "A"), question("x.wild.example.com.", "MX"), question("a.b.old.example.com.", "ANY"),
		question("sub.example.com.", "DS"), question("a.sub.example.com.", "TXT"), question("nosuch.example.com.", "TXT"),
		question("example.com.", "SOA").SetEdns0(600, true), question("x.walias.example.com.", "A").SetEdns0(4096, false),
	} {
		wire, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, true)
		f.Add(wire, false)
	}
	servers := []*Server{newServer(f, exampleCom(), emptyZone("sub.example.com."), emptyZone("."))}
	for _, denial := range []dnssec.Denial{dnssec.NSEC3, dnssec.NSEC} {
		s, _ := newSignedServer(f, denial)
		servers = append(servers, s)
	}
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		for _, s := range servers {
			short, long := bothWays(t, s, packet, client{tcp: tcp})
			checkAnswer(t, packet, long, tcp)
			if short != nil {
				sameAnswer(t, packet, short, long)
			}
		}
	})
}
