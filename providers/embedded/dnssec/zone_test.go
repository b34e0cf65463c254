package dnssec

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// start is when the tests begin.
var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// exampleCom has one of each thing that matters to a signer.
const exampleCom = `$ORIGIN example.com.
$TTL 3600
@ 300 SOA ns1 hostmaster 7 7200 900 1209600 300
@ NS ns1
@ NS ns2.example.net.
@ MX 10 MAIL
ns1 A 192.0.2.53
mail A 192.0.2.1
mail A 192.0.2.2
mail AAAA 2001:db8::1
*.wild TXT "any" "and more"
here.wild A 192.0.2.9
a.deep.wild A 192.0.2.8
*star A 192.0.2.7
sub NS ns.sub
sub NS ns1
sub DS 12345 13 2 abababababababababababababababababababababababababababababababab
ns.sub A 192.0.2.54
insecure NS ns.example.org.
insecure A 192.0.2.66
old DNAME example.net.
below.old TXT "hidden"
_imaps._tcp SRV 0 1 993 Mail
web CNAME mail
odd TYPE65280 \# 3 abcdef
dot\.in A 192.0.2.77
long TXT "` + "0123456789" + `"
`

func parse(t testing.TB, text string) []Set {
	t.Helper()
	var sets []Set
	at := map[SetKey]int{}
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		h := rr.Header()
		h.Name = dns.CanonicalName(h.Name)
		key := SetKey{h.Name, h.Rrtype}
		i, there := at[key]
		if !there {
			i = len(sets)
			at[key] = i
			sets = append(sets, Set{SetKey: key})
		}
		sets[i].RRs = append(sets[i].RRs, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return sets
}

// keys are those that a zone begins with.
func keys(t testing.TB, zone string, p Policy) []*Key {
	t.Helper()
	step, err := Advance(zone, nil, p, World{}, start)
	if err != nil {
		t.Fatal(err)
	}
	return step.Keys
}

func signed(t testing.TB, in Input) *Zone {
	t.Helper()
	if in.Name == "" {
		in.Name = "example.com."
	}
	if in.Policy == (Policy{}) {
		in.Policy = DefaultPolicy()
	}
	if in.Now.IsZero() {
		in.Now = start
	}
	if in.Sets == nil {
		in.Sets = parse(t, exampleCom)
	}
	if in.Keys == nil {
		in.Keys = keys(t, in.Name, in.Policy)
	}
	z, err := Sign(in)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// file is the zone as a zone file, the SOA first.
func file(z *Zone) string {
	var b strings.Builder
	for _, set := range z.Sets {
		for _, rr := range set.RRs {
			fmt.Fprintln(&b, rr)
		}
		for _, sig := range set.Sigs {
			fmt.Fprintln(&b, sig)
		}
	}
	return b.String()
}

// kept is what the next signing knows of a zone.
func kept(z *Zone) map[SetKey]Kept {
	out := map[SetKey]Kept{}
	for _, s := range z.Sets {
		if len(s.Sigs) > 0 {
			out[s.SetKey] = Kept{s.Digest, s.Sigs}
		}
	}
	return out
}
