package transfer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// version is a zone of records.
func version(t testing.TB, serial uint32, records ...string) *Version {
	t.Helper()
	var sets []*dnssec.Set
	at := map[dnssec.SetKey]*dnssec.Set{}
	for _, text := range append([]string{fmt.Sprintf("example. 300 IN SOA ns. h. %d 1 1 1 1", serial)}, records...) {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		key := dnssec.SetKey{Name: rr.Header().Name, Type: rr.Header().Rrtype}
		if at[key] == nil {
			at[key] = &dnssec.Set{SetKey: key}
			sets = append(sets, at[key])
		}
		at[key].RRs = append(at[key].RRs, rr)
	}
	return NewVersion("example.", sets)
}

func TestDifferences(t *testing.T) {
	before := []string{"a.example. 60 IN A 192.0.2.1", "a.example. 60 IN A 192.0.2.2", "b.example. 60 IN TXT x", "c.example. 60 IN MX 10 mail.example."}
	for name, tt := range map[string]struct {
		after          []string
		removed, added []string
	}{
		"nothing":           {before, nil, nil},
		"another order":     {[]string{before[1], before[0], before[2], before[3]}, nil, nil},
		"one record less":   {before[1:], before[:1], nil},
		"one record more":   {append(slices.Clone(before), "a.example. 60 IN A 192.0.2.3"), nil, []string{"a.example. 60 IN A 192.0.2.3"}},
		"another TTL":       {[]string{before[0], before[1], before[2], "c.example. 61 IN MX 10 mail.example."}, before[3:], []string{"c.example. 61 IN MX 10 mail.example."}},
		"another set":       {append([]string{"d.example. 60 IN A 192.0.2.1"}, before[:3]...), before[3:], []string{"d.example. 60 IN A 192.0.2.1"}},
		"everything":        {nil, before, nil},
		"another type only": {[]string{before[0], before[1], before[2], "c.example. 60 IN A 192.0.2.9"}, before[3:], []string{"c.example. 60 IN A 192.0.2.9"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := diff(version(t, 1, before...), version(t, 2, tt.after...))
			texts := func(rrs []dns.RR) (out []string) {
				for _, rr := range rrs {
					out = append(out, strings.Join(strings.Fields(rr.String()), " "))
				}
				slices.Sort(out)
				return out
			}
			plain := func(list []string) (out []string) {
				for _, text := range list {
					rr, err := dns.NewRR(text)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, texts([]dns.RR{rr})...)
				}
				slices.Sort(out)
				return out
			}
			if diff := cmp.Diff(plain(tt.removed), texts(d.removed)); diff != "" {
				t.Errorf("removed (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(plain(tt.added), texts(d.added)); diff != "" {
				t.Errorf("added (-want +got)\n%s", diff)
			}
			if d.from.Serial != 1 || d.to.Serial != 2 {
				t.Errorf("from %d to %d", d.from.Serial, d.to.Serial)
			}
		})
	}
}

func TestSerialsAreCompared(t *testing.T) {
	// RFC 1982 §3.2, for 32 bits.
	for name, tt := range map[string]struct {
		a, b uint32
		want bool
	}{
		"the same":           {5, 5, false},
		"one more":           {5, 6, true},
		"one less":           {6, 5, false},
		"around the end":     {1<<32 - 1, 1, true},
		"back around it":     {1, 1<<32 - 1, false},
		"as far as it goes":  {0, 1<<31 - 1, true},
		"farther than that":  {0, 1<<31 + 1, false},
		"exactly half of it": {0, 1 << 31, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := older(tt.a, tt.b); got != tt.want {
				t.Errorf("older(%d, %d) = %v", tt.a, tt.b, got)
			}
		})
	}
}

func TestTheJournalIsBounded(t *testing.T) {
	h := &history{}
	for i := range uint32(300) {
		h.publish(version(t, i+1, fmt.Sprintf("a.example. %d IN A 192.0.2.1", i)), true)
	}
	if _, ok := h.since(300 - maxDifferences); !ok || len(h.journal) != maxDifferences {
		t.Errorf("%d differences are kept", len(h.journal))
	}
	if _, ok := h.since(100); ok {
		t.Error("an old version is kept")
	}
	// Larger than everything, a change has no use for the journal.
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf("h%d.example. 60 IN A 192.0.2.1", i))
	}
	h.publish(version(t, 301, many...), true)
	h.publish(version(t, 302, "a.example. 60 IN A 192.0.2.1"), true)
	if len(h.journal) != 0 {
		t.Errorf("%d differences are kept, longer than the zone", len(h.journal))
	}
	// Nobody copies the zone.
	h.publish(version(t, 303), true)
	h.publish(version(t, 304, "a.example. 60 IN A 192.0.2.1"), false)
	if len(h.journal) != 0 || h.now.soa.Serial != 304 {
		t.Errorf("%d differences are kept for nobody, serial %d", len(h.journal), h.now.soa.Serial)
	}
	// A serial that does not follow on.
	h.publish(version(t, 305), true)
	h.publish(version(t, 7), true)
	if len(h.journal) != 0 || h.now.soa.Serial != 7 {
		t.Errorf("%d differences, serial %d", len(h.journal), h.now.soa.Serial)
	}
}
