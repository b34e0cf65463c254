package dnssec

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestProofs(t *testing.T) {
	byHash := signed(t, Input{Policy: withDenial(NSEC3)})
	byName := signed(t, Input{Policy: withDenial(NSEC)})
	for name, tt := range map[string]struct {
		proof func(*Zone) []int
		// what the NSEC3 records have to match and to cover.
		matches, covers []string
		nsec            []string // owners of the NSEC records
	}{
		"a name that is not there": {
			func(z *Zone) []int { return z.NoName(WireName("nosuch.example.com."), WireName("example.com.")) },
			[]string{"example.com."}, []string{"nosuch.example.com.", "*.example.com."},
			[]string{"example.com.", "mail.example.com."},
		},
		"a name far below one that is there": {
			func(z *Zone) []int {
				return z.NoName(WireName("a.b.c.mail.example.com."), WireName("mail.example.com."))
			},
			[]string{"mail.example.com."}, []string{"c.mail.example.com.", "*.mail.example.com."},
			[]string{"mail.example.com."},
		},
		"a name after the last": {
			func(z *Zone) []int { return z.NoName(WireName("zzz.example.com."), WireName("example.com.")) },
			[]string{"example.com."}, []string{"zzz.example.com.", "*.example.com."},
			[]string{"*.wild.example.com.", "example.com.", "here.wild.example.com."}[1:],
		},
		"a type that is not there": {
			func(z *Zone) []int { return z.NoType(WireName("mail.example.com.")) },
			[]string{"mail.example.com."}, nil, []string{"mail.example.com."},
		},
		"an empty non-terminal": {
			func(z *Zone) []int { return z.NoType(WireName("deep.wild.example.com.")) },
			[]string{"deep.wild.example.com."}, nil, []string{"*.wild.example.com."},
		},
		"DS of an insecure delegation": {
			func(z *Zone) []int { return z.NoType(WireName("insecure.example.com.")) },
			[]string{"insecure.example.com."}, nil, []string{"insecure.example.com."},
		},
		"a wildcard": {
			func(z *Zone) []int {
				return z.Expanded(WireName("x.y.wild.example.com."), WireName("wild.example.com."))
			},
			nil, []string{"y.wild.example.com."}, []string{"here.wild.example.com."},
		},
		"a wildcard without the type": {
			func(z *Zone) []int {
				return z.ExpandedNoType(WireName("x.wild.example.com."), WireName("wild.example.com."))
			},
			[]string{"wild.example.com.", "*.wild.example.com."}, []string{"x.wild.example.com."},
			[]string{"here.wild.example.com.", "*.wild.example.com."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sets := at(byHash, tt.proof(byHash))
			has := func(test func(*dns.NSEC3) bool) bool {
				return slices.ContainsFunc(sets, func(s *Set) bool { return test(s.RRs[0].(*dns.NSEC3)) })
			}
			for _, n := range tt.matches {
				if !has(func(rr *dns.NSEC3) bool { return rr.Match(n) }) {
					t.Errorf("no NSEC3 matches %s", n)
				}
			}
			for _, n := range tt.covers {
				if !has(func(rr *dns.NSEC3) bool { return rr.Cover(n) }) {
					t.Errorf("no NSEC3 covers %s", n)
				}
			}
			if len(sets) > len(tt.matches)+len(tt.covers) {
				t.Errorf("%d NSEC3 records", len(sets))
			}
			var owners []string
			for _, s := range at(byName, tt.proof(byName)) {
				owners = append(owners, s.Name)
			}
			slices.Sort(owners)
			slices.Sort(tt.nsec)
			if diff := cmp.Diff(tt.nsec, owners); diff != "" {
				t.Errorf("NSEC (-want +got)\n%s", diff)
			}
		})
	}
}

func at(z *Zone, places []int) []*Set {
	var out []*Set
	for _, i := range places {
		out = append(out, z.Chain[i])
	}
	return out
}

// linkOf finds the NSEC3 of a name; nil: there is none.
func linkOf(z *Zone, name string) *Set {
	for _, s := range z.Chain {
		if s.RRs[0].(*dns.NSEC3).Match(name) {
			return s
		}
	}
	return nil
}

func TestTypesInTheDenial(t *testing.T) {
	z := signed(t, Input{Policy: withDenial(NSEC3)})
	for name, want := range map[string]string{
		"example.com.":           "NS SOA MX RRSIG DNSKEY NSEC3PARAM",
		"mail.example.com.":      "A AAAA RRSIG",
		"sub.example.com.":       "NS DS RRSIG",
		"insecure.example.com.":  "NS",
		"deep.wild.example.com.": "",
		"old.example.com.":       "DNAME RRSIG",
		"odd.example.com.":       "RRSIG TYPE65280",
	} {
		var got []string
		for _, rrtype := range linkOf(z, name).RRs[0].(*dns.NSEC3).TypeBitMap {
			got = append(got, dns.Type(rrtype).String())
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	for _, not := range []string{"ns.sub.example.com.", "below.old.example.com."} {
		if linkOf(z, not) != nil {
			t.Errorf("%s is in the chain", not)
		}
	}
}
