package dnssec

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func withDenial(d Denial) Policy {
	p := DefaultPolicy()
	p.Denial = d
	return p
}

// TestTheLibraryVerifies lets other code than ours judge each signature.
func TestTheLibraryVerifies(t *testing.T) {
	for _, denial := range []Denial{NSEC3, NSEC} {
		t.Run(string(denial), func(t *testing.T) {
			z := signed(t, Input{Policy: withDenial(denial)})
			byTag := map[uint16]*dns.DNSKEY{}
			for _, rr := range z.find(SetKey{"example.com.", dns.TypeDNSKEY}).RRs {
				byTag[rr.(*dns.DNSKEY).KeyTag()] = rr.(*dns.DNSKEY)
			}
			n := 0
			for _, set := range z.Sets {
				for _, sig := range set.Sigs {
					n++
					// The library takes "*star" for a wildcard.
					if set.Name == "*star.example.com." {
						continue
					}
					if err := sig.Verify(byTag[sig.KeyTag], set.RRs); err != nil {
						t.Errorf("%s %s: %v", set.Name, dns.TypeToString[set.Type], err)
					}
					if !sig.ValidityPeriod(start) || !sig.ValidityPeriod(start.Add(10*24*time.Hour)) || sig.ValidityPeriod(start.Add(15*24*time.Hour)) {
						t.Errorf("%s is good from %d to %d", set.Name, sig.Inception, sig.Expiration)
					}
				}
			}
			if n < 30 {
				t.Errorf("%d signatures", n)
			}
		})
	}
}

func TestWhatIsSigned(t *testing.T) {
	z := signed(t, Input{Policy: withDenial(NSEC)})
	got := map[string]bool{}
	for _, s := range z.Sets {
		got[strings.TrimSuffix(s.Name, "example.com.")+" "+dns.TypeToString[s.Type]] = len(s.Sigs) > 0
	}
	for set, want := range map[string]bool{
		" SOA": true, " NS": true, " DNSKEY": true, "mail. A": true, "*.wild. TXT": true,
		"sub. NS": false, "sub. DS": true, "sub. NSEC": true, "ns.sub. A": false,
		"insecure. NS": false, "insecure. A": false, "insecure. NSEC": true,
		"old. DNAME": true, "below.old. TXT": false,
	} {
		if is, there := got[set]; !there || is != want {
			t.Errorf("%q: signed %v, there %v; want it signed: %v", set, is, there, want)
		}
	}
	for _, not := range []string{"below.old. NSEC", "ns.sub. NSEC", "deep.wild. NSEC", " CDS", " NSEC3PARAM"} {
		if _, there := got[not]; there {
			t.Errorf("%q is there", not)
		}
	}
}

func TestSameInputSameZone(t *testing.T) {
	k := keys(t, "example.com.", DefaultPolicy())
	a, b := signed(t, Input{Keys: k}), signed(t, Input{Keys: k})
	if diff := cmp.Diff(file(a), file(b)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsSignedAnew(t *testing.T) {
	day := 24 * time.Hour
	k := keys(t, "example.com.", DefaultPolicy())
	first := signed(t, Input{Keys: k})
	tests := map[string]struct {
		after time.Duration
		from  string // replaced in the zone
		to    string
		want  []string
		gone  int
	}{
		"nothing after an hour":         {after: time.Hour},
		"nothing when nearly due":       {after: 6 * day},
		"the SOA does not count":        {after: time.Hour, from: "hostmaster 7", to: "hostmaster 8"},
		"a record whose value changes":  {after: time.Hour, from: "192.0.2.2", to: "192.0.2.3", want: []string{"mail A"}},
		"the order of records is none":  {after: time.Hour, from: "mail A 192.0.2.1\nmail A 192.0.2.2", to: "mail A 192.0.2.2\nmail A 192.0.2.1"},
		"nor is letter case in a name":  {after: time.Hour, from: "MX 10 MAIL", to: "MX 10 mail"},
		"a record whose TTL changes":    {after: time.Hour, from: "web CNAME", to: "web 60 CNAME", want: []string{"web CNAME"}},
		"a type that comes to a name":   {after: time.Hour, from: "web CNAME mail", to: "web CNAME mail\nns1 AAAA 2001:db8::2", want: []string{"hash NSEC3", "ns1 AAAA"}},
		"a name that goes":              {after: time.Hour, from: "web CNAME mail\n", to: "", want: []string{"hash NSEC3"}, gone: 2},
		"a name that comes":             {after: time.Hour, from: "web CNAME mail", to: "web CNAME mail\nnew A 192.0.2.4", want: []string{"hash NSEC3", "hash NSEC3", "new A"}},
		"glue is not signed":            {after: time.Hour, from: "192.0.2.54", to: "192.0.2.55"},
		"a delegation becomes insecure": {after: time.Hour, from: "sub DS 12345", to: "; ", want: []string{"hash NSEC3"}, gone: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(exampleCom, tt.from, tt.to, 1)
			z := signed(t, Input{Keys: k, Sets: parse(t, text), Kept: kept(first), Now: start.Add(tt.after)})
			var got []string
			for _, s := range z.Made {
				label, _, _ := strings.Cut(s.Name, ".")
				if s.Type == dns.TypeNSEC3 {
					label = "hash"
				}
				got = append(got, label+" "+dns.TypeToString[s.Type])
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if z.Gone != tt.gone {
				t.Errorf("%d are gone, want %d", z.Gone, tt.gone)
			}
		})
	}
}

// TestSignaturesAreRenewedInTime runs a zone for a hundred days, with a look
// whenever something is due.
func TestSignaturesAreRenewedInTime(t *testing.T) {
	k := keys(t, "example.com.", DefaultPolicy())
	z := signed(t, Input{Keys: k})
	total := len(kept(z))
	rounds, made := 0, 0
	for now := z.Due; now.Before(start.Add(100 * 24 * time.Hour)); now = z.Due {
		for _, s := range z.Sets {
			for _, sig := range s.Sigs {
				if !sig.ValidityPeriod(now.Add(3 * 24 * time.Hour)) {
					t.Fatalf("%s: the signature of %s is good for less than three days", now, s.Name)
				}
			}
		}
		next := signed(t, Input{Keys: k, Kept: kept(z), Now: now})
		if len(next.Made) == 0 {
			t.Fatalf("%s: nothing is made anew, but something was due", now)
		}
		if !next.Due.After(now) {
			t.Fatalf("%s: the next is due at %s", now, next.Due)
		}
		rounds, made, z = rounds+1, made+len(next.Made), next
	}
	if made < 8*total || made > 16*total {
		t.Errorf("%d signatures were made in %d rounds, for %d sets", made, rounds, total)
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	k := keys(t, "example.com.", DefaultPolicy())
	for name, tt := range map[string]struct {
		in   Input
		want string
	}{
		"a zone without a SOA": {Input{Sets: []Set{}}, "no SOA"},
		"no keys":              {Input{Keys: []*Key{}}, "no KSK or no active ZSK"},
		"a KSK alone":          {Input{Keys: k[:1]}, "no KSK or no active ZSK"},
		"a DNSKEY of its own":  {Input{Sets: parse(t, exampleCom+"@ DNSKEY 256 3 13 AAAA\n")}, "it has DNSKEY records of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			in := tt.in
			in.Name, in.Policy, in.Now = "example.com.", DefaultPolicy(), start
			if in.Keys == nil {
				in.Keys = k
			}
			if in.Sets == nil {
				in.Sets = parse(t, exampleCom)
			}
			if _, err := Sign(in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestWithSerial(t *testing.T) {
	z := signed(t, Input{})
	next, err := z.WithSerial(8)
	if err != nil {
		t.Fatal(err)
	}
	if z.Serial() != 7 || next.Serial() != 8 {
		t.Errorf("serials %d and %d", z.Serial(), next.Serial())
	}
	soa := next.find(SetKey{"example.com.", dns.TypeSOA})
	for _, rr := range next.find(SetKey{"example.com.", dns.TypeDNSKEY}).RRs {
		if k := rr.(*dns.DNSKEY); k.KeyTag() == soa.Sigs[0].KeyTag {
			if err := soa.Sigs[0].Verify(k, soa.RRs); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("the SOA is signed by no key")
}

func TestKeysAreKept(t *testing.T) {
	for _, k := range keys(t, "example.com.", DefaultPolicy()) {
		private, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseKey(Key{Zone: k.Zone, Role: k.Role, State: k.State}, private)
		if err != nil {
			t.Fatal(err)
		}
		if again.Tag != k.Tag || again.DNSKEY(5).String() != k.DNSKEY(5).String() {
			t.Errorf("%s became %s", k, again)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %s", k, k, k), "PRIVATE") {
			t.Error("it shows its private half")
		}
	}
	if _, err := ParseKey(Key{Zone: "example.com."}, []byte("what")); err == nil {
		t.Error("nonsense is a key")
	}
}

// TestPeersVerify lets NSD's and BIND's verifiers judge whole zones.
func TestPeersVerify(t *testing.T) {
	for _, denial := range []Denial{NSEC3, NSEC} {
		for what, text := range map[string]string{
			"one of each":   exampleCom,
			"the apex only": "$ORIGIN example.com.\n@ 300 SOA ns hostmaster 7 7200 900 1209600 300\n@ 300 NS ns.example.net.\n",
		} {
			t.Run(string(denial)+", "+what, func(t *testing.T) {
				z := signed(t, Input{Policy: withDenial(denial), Sets: parse(t, text), Now: time.Now()})
				path := filepath.Join(t.TempDir(), "zone")
				if err := os.WriteFile(path, []byte(file(z)), 0o600); err != nil {
					t.Fatal(err)
				}
				run(t, "ldns-verify-zone", path)
				run(t, "dnssec-verify", "-q", "-o", "example.com", path)
			})
		}
	}
}

// run runs a peer, which has to be content.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", program)
		}
		t.Logf("SKIPPED: %s is not installed; .ci/peers installs it", program)
		return
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
}

func TestOrderIsCanonical(t *testing.T) {
	// RFC 4034 §6.1, and what is above the escapes.
	want := []string{
		"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.", "z.example.",
		`\000.z.example.`, `\000\000.z.example.`, `\001.z.example.`, `\002.z.example.`, "*.z.example.", `\200.z.example.`,
	}
	for i := range want[1:] {
		if order(WireName(want[i])) >= order(WireName(want[i+1])) {
			t.Errorf("%s does not come before %s", want[i], want[i+1])
		}
	}
}

func TestCanonicalSetHoldsEachRecordOnce(t *testing.T) {
	rr, _ := dns.NewRR("x.example. 60 IN MX 10 A.example.")
	other, _ := dns.NewRR("X.example. 60 IN MX 10 a.EXAMPLE.")
	one, err := canonicalSet([]dns.RR{rr})
	if err != nil {
		t.Fatal(err)
	}
	two, err := canonicalSet([]dns.RR{other, rr})
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(one) != sha256.Sum256(two) {
		t.Errorf("%x and %x", one, two)
	}
}

func BenchmarkSign(b *testing.B) {
	var text strings.Builder
	text.WriteString("$ORIGIN example.com.\n$TTL 3600\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns.example.net.\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "h%d A 192.0.2.%d\n", i, i%256)
	}
	sets := parse(b, text.String())
	k := keys(b, "example.com.", DefaultPolicy())
	first := signed(b, Input{Sets: sets, Keys: k})
	for name, before := range map[string]map[SetKey]Kept{"anew": nil, "kept": kept(first)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				signed(b, Input{Sets: sets, Keys: k, Kept: before})
			}
		})
	}
}
