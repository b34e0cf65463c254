package dns

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tsig"
)

// signedZone signs a zone, and says what its keys are.
func signedZone(t testing.TB, z store.Zone, denial dnssec.Denial) (*Draft, *dnssec.Zone) {
	t.Helper()
	d, err := New(Options{}).Read(z)
	if err != nil {
		t.Fatal(err)
	}
	p := dnssec.DefaultPolicy()
	p.Denial = denial
	now := time.Now()
	step, err := dnssec.Advance(d.Name(), nil, p, dnssec.World{}, now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := dnssec.Sign(dnssec.Input{Name: d.Name(), Sets: d.Sets(), Keys: step.Keys, Policy: p, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return d, signed
}

func newSignedServer(t testing.TB, denial dnssec.Denial) (*Server, *dnssec.Zone) {
	t.Helper()
	s := New(Options{})
	// A child on the same server: only its DS is the parent's.
	if err := s.SetZone(emptyZone("kid.example.com.")); err != nil {
		t.Fatal(err)
	}
	z := exampleCom()
	z.RRsets = append(z.RRsets, set("kid.example.com.", "NS", "ns1.example.com."), set("chain.example.com.", "CNAME", "x.walias.example.com."),
		set("away.example.com.", "CNAME", "nosuch.wild.example.com."), set("*.star.example.com.", "A", "192.0.2.3"))
	d, signed := signedZone(t, z, denial)
	if err := s.SetDraft(d, signed); err != nil {
		t.Fatal(err)
	}
	return s, signed
}

// withSignatures is an answer in short, as text has it, with what is signed of it:
// owner, type and number of signatures.
func withSignatures(m *dns.Msg) string {
	var lines []string
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		for _, rr := range section.rrs {
			h := rr.Header()
			what := dns.TypeToString[h.Rrtype]
			switch rr := rr.(type) {
			case *dns.OPT:
				continue
			case *dns.RRSIG:
				what = "sig " + dns.TypeToString[rr.TypeCovered]
			}
			owner := strings.TrimSuffix(h.Name, ".example.com.")
			if h.Rrtype == dns.TypeNSEC3 || strings.HasSuffix(what, "NSEC3") {
				owner = "#"
			}
			lines = append(lines, section.name+" "+owner+" "+what)
		}
	}
	return dns.RcodeToString[m.Rcode] + " " + strings.Join(lines, ", ")
}

func TestSignedAnswers(t *testing.T) {
	s, _ := newSignedServer(t, dnssec.NSEC3)
	const soaSigned = "authority example.com. SOA, authority example.com. sig SOA"
	for name, tc := range map[string]struct{ qname, qtype, want string }{
		"a record set":          {"mail.example.com.", "A", "NOERROR answer mail A, answer mail sig A"},
		"the keys":              {"example.com.", "DNSKEY", "NOERROR answer example.com. DNSKEY, answer example.com. DNSKEY, answer example.com. sig DNSKEY"},
		"NSEC3PARAM":            {"example.com.", "NSEC3PARAM", "NOERROR answer example.com. NSEC3PARAM, answer example.com. sig NSEC3PARAM"},
		"an alias":              {"www.example.com.", "A", "NOERROR answer www CNAME, answer www sig CNAME, answer web CNAME, answer web sig CNAME, answer host A, answer host sig A"},
		"a name that is not":    {"nosuch.example.com.", "A", "NXDOMAIN " + soaSigned + strings.Repeat(", authority # NSEC3, authority # sig NSEC3", 3)},
		"a type that is not":    {"mail.example.com.", "MX", "NOERROR " + soaSigned + ", authority # NSEC3, authority # sig NSEC3"},
		"a wildcard":            {"x.wild.example.com.", "TXT", "NOERROR answer x.wild TXT, answer x.wild sig TXT, authority # NSEC3, authority # sig NSEC3"},
		"a DS":                  {"sub.example.com.", "DS", "NOERROR answer sub DS, answer sub sig DS"},
		"no DS":                 {"kid.example.com.", "DS", "NOERROR " + soaSigned + ", authority # NSEC3, authority # sig NSEC3"},
		"a secure delegation":   {"www.sub.example.com.", "A", "NOERROR authority sub NS, authority sub NS, authority sub DS, authority sub sig DS, additional ns.sub A, additional ns1 A, additional ns1 AAAA"},
		"an insecure one":       {"www.insecure.example.com.", "A", "NOERROR authority insecure NS, authority # NSEC3, authority # sig NSEC3"},
		"below a DNAME":         {"x.old.example.com.", "A", "NOERROR answer old DNAME, answer old sig DNAME, answer x.old CNAME"},
		"an alias by wildcard":  {"x.walias.example.com.", "A", "NOERROR answer x.walias CNAME, answer x.walias sig CNAME, answer host A, answer host sig A, authority # NSEC3, authority # sig NSEC3"},
		"the name of an NSEC3":  {"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.com.", "NSEC3", "NXDOMAIN " + soaSigned + strings.Repeat(", authority # NSEC3, authority # sig NSEC3", 3)},
		"what is not its own":   {"www.example.net.", "A", "REFUSED "},
		"the unsigned child":    {"kid.example.com.", "SOA", "NOERROR answer kid SOA"},
		"its negative answer":   {"kid.example.com.", "A", "NOERROR authority kid SOA"},
		"signatures themselves": {"mail.example.com.", "RRSIG", "NOERROR answer mail sig A, answer mail sig AAAA"},
		"ANY":                   {"mail.example.com.", "ANY", "NOERROR answer mail A, answer mail sig A"},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(tc.qname, tc.qtype)
			q.SetEdns0(1232, true)
			m := ask(t, s, q, false)
			if got := withSignatures(m); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if m.AuthenticatedData {
				t.Error("it says that it has validated")
			}
			// Without DO there is nothing of it, unless it was asked for.
			plain := ask(t, s, question(tc.qname, tc.qtype), true)
			for _, rr := range slices.Concat(plain.Answer, plain.Ns) {
				if h := rr.Header(); h.Rrtype != question(tc.qname, tc.qtype).Question[0].Qtype && slices.Contains([]uint16{dns.TypeRRSIG, dns.TypeNSEC3, dns.TypeDS}, h.Rrtype) {
					t.Errorf("without DO: %s", rr)
				}
			}
		})
	}
}

// TestBothWaysWithSignatures is what the unsigned zones are put to as well.
func TestBothWaysWithSignatures(t *testing.T) {
	for _, denial := range []dnssec.Denial{dnssec.NSEC3, dnssec.NSEC} {
		s, _ := newSignedServer(t, denial)
		for _, n := range manyNames(exampleCom(), emptyZone("kid.example.com.")) {
			for _, rrtype := range manyTypes {
				for _, do := range []bool{false, true} {
					for _, tcp := range []bool{false, true} {
						q := new(dns.Msg).SetQuestion(n, rrtype)
						q.SetEdns0(1232, do)
						packet := pack(t, q)
						got, want := bothWays(t, s, packet, client{tcp: tcp})
						if got != nil {
							sameAnswer(t, packet, got, want)
						}
						checkAnswer(t, packet, want, tcp)
					}
				}
			}
		}
	}
}

// What DNSSEC adds must not send the usual query the long way.
func TestSignedAnswersGoTheShortWay(t *testing.T) {
	for _, denial := range []dnssec.Denial{dnssec.NSEC3, dnssec.NSEC} {
		s, _ := newSignedServer(t, denial)
		for what, q := range signedQueries {
			m := question(q[0], q[1])
			m.SetEdns0(1232, true)
			packet := pack(t, m)
			short, long := bothWays(t, s, packet, client{})
			if short == nil {
				t.Errorf("%s, %s: answered the long way: %x", denial, what, long)
				continue
			}
			sameAnswer(t, packet, short, long)
		}
	}
}

// signedQueries are what validators usually ask for.
var signedQueries = map[string][2]string{
	"an address":            {"mail.example.com.", "A"},
	"a wildcard":            {"x.wild.example.com.", "TXT"},
	"a deeper wildcard":     {"x.y.WILD.example.com.", "TXT"},
	"a wildcard's no type":  {"x.wild.example.com.", "A"},
	"an alias by wildcard":  {"x.walias.example.com.", "A"},
	"no such type":          {"mail.example.com.", "MX"},
	"an empty non-terminal": {"deep.wild.example.com.", "A"},
	"no such name":          {"nosuch.example.com.", "A"},
	"a long one":            {"long.Name.at.all.example.com.", "A"},
	"below a host":          {"x.mail.example.com.", "A"},
	"a delegation":          {"www.sub.example.com.", "A"},
	"an insecure one":       {"www.insecure.example.com.", "A"},
	"an alias to a host":    {"www.example.com.", "A"},
}

// TestDelvValidates lets BIND's validator judge the answers.
func TestDelvValidates(t *testing.T) {
	delv, err := exec.LookPath("delv")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("delv is not installed")
		}
		t.Skip("SKIPPED: delv is not installed; .ci/peers installs it")
	}
	for _, denial := range []dnssec.Denial{dnssec.NSEC3, dnssec.NSEC} {
		t.Run(string(denial), func(t *testing.T) {
			s, signed := newSignedServer(t, denial)
			host, port, _ := net.SplitHostPort(serve(t, s))
			anchor := filepath.Join(t.TempDir(), "anchor")
			if err := os.WriteFile(anchor, []byte(trustAnchor(signed)), 0o600); err != nil {
				t.Fatal(err)
			}
			for what, want := range map[string]string{
				"example.com SOA":                "; fully validated",
				"example.com DNSKEY":             "; fully validated",
				"www.example.com A":              "; fully validated",
				"x.y.wild.example.com TXT":       "; fully validated",
				"chain.example.com A":            "; fully validated",
				"x.star.example.com A":           "; fully validated",
				"x.old.example.com DNAME":        "; fully validated", // the CNAME is unsigned, and follows
				"sub.example.com DS":             "; fully validated",
				"mail.example.com MX":            "; negative response, fully validated",
				"nosuch.example.com A":           "; negative response, fully validated",
				"x.mail.example.com A":           "; negative response, fully validated",
				"deep.wild.example.com A":        "; negative response, fully validated",
				"x.wild.example.com A":           "; negative response, fully validated",
				"_tcp.example.com SRV":           "; negative response, fully validated",
				"insecure.example.com DS":        "; negative response, fully validated",
				"kid.example.com DS":             "; negative response, fully validated",
				"away.example.com A":             "; fully validated",
				"x.here.wild.example.com MX":     "; negative response, fully validated",
				"long.name.at.all.example.com A": "; negative response, fully validated",
			} {
				qname, qtype, _ := strings.Cut(what, " ")
				out, err := exec.Command(delv, "@"+host, "-p", port, "-a", anchor, "+root=example.com", qname, qtype).CombinedOutput()
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%s: want %q (%v)\n%s", what, want, err, out)
				}
			}
		})
	}
}

// trustAnchor is the zone's KSK in the form of BIND's configuration.
func trustAnchor(z *dnssec.Zone) string {
	for _, s := range z.Sets {
		for _, rr := range s.RRs {
			if k, ok := rr.(*dns.DNSKEY); ok && k.Flags&dns.SEP != 0 {
				return fmt.Sprintf("trust-anchors { %s static-key %d %d %d %q; };\n", z.Name, k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
			}
		}
	}
	return ""
}

// FuzzSigned takes any packet for one that may be signed with a key.
func FuzzSigned(f *testing.F) {
	keys := &tsig.Ring{}
	keys.Set([]tsig.Key{{Name: "k.example.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}})
	s := New(Options{Keys: keys})
	if err := s.SetZone(exampleCom()); err != nil {
		f.Fatal(err)
	}
	for _, secret := range []string{"c2VjcmV0", "YW5vdGhlcg=="} {
		q := question("example.com.", "SOA").SetEdns0(1232, true)
		q.SetTsig("k.example.", dns.HmacSHA256, 300, time.Now().Unix())
		wire, _, err := dns.TsigGenerate(q, secret, "", false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, true)
		f.Add(wire, false)
	}
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		wire := s.newResponder().reply(packet, client{tcp: tcp})
		m := new(dns.Msg)
		if wire != nil && m.Unpack(wire) != nil {
			t.Fatalf("%x\nis answered %x", packet, wire)
		}
	})
}
