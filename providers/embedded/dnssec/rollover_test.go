package dnssec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// A life runs a zone by an injected clock.
type life struct {
	t      *testing.T
	policy Policy
	keys   []*Key
	zone   *Zone
	now    time.Time
	roll   map[Role]bool
	parent Parent
	names  map[uint16]string // ksk1, zsk1, ... in the order in which they are made
	count  map[Role]int
	log    []string
	text   string
}

func newLife(t *testing.T, p Policy) *life {
	l := &life{t: t, policy: p, now: start, names: map[uint16]string{}, count: map[Role]int{}, text: exampleCom}
	l.step()
	return l
}

func (l *life) step() time.Time {
	l.t.Helper()
	w := World{MaxTTL: 3600, Parent: l.parent, Roll: l.roll}
	if l.zone != nil {
		w.Used, w.MaxTTL = l.zone.Used, l.zone.MaxTTL
	}
	step, err := Advance("example.com.", l.keys, l.policy, w, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	l.keys, l.roll = step.Keys, nil
	for _, k := range l.keys {
		if l.names[k.Tag] == "" {
			l.count[k.Role]++
			l.names[k.Tag] = fmt.Sprintf("%s%d", k.Role, l.count[k.Role])
		}
	}
	in := Input{Name: "example.com.", Sets: parse(l.t, l.text), Keys: l.keys, Policy: l.policy, Now: l.now}
	if l.zone != nil {
		in.Kept = kept(l.zone)
	}
	l.zone = signed(l.t, in)
	l.note()
	next := l.zone.Due
	if !step.Next.IsZero() && step.Next.Before(next) {
		next = step.Next
	}
	return next
}

// note adds a line where something has changed.
func (l *life) note() {
	var parts []string
	for _, k := range l.keys {
		idle := ""
		if !k.Idle.IsZero() {
			idle = " idle"
		}
		parts = append(parts, fmt.Sprintf("%s %s%s", l.names[k.Tag], k.State, idle))
	}
	slices.Sort(parts)
	var ds []string
	for _, d := range DS(l.keys, l.policy) {
		ds = append(ds, l.names[d.KeyTag])
	}
	var cds []string
	if set := l.zone.find(SetKey{"example.com.", dns.TypeCDS}); set != nil {
		for _, rr := range set.RRs {
			cds = append(cds, cmpOr(l.names[rr.(*dns.CDS).KeyTag], "delete"))
		}
	}
	line := strings.Join(parts, ", ") + "; DS " + strings.Join(ds, " ") + "; CDS " + strings.Join(cds, " ")
	if n := len(l.log); n == 0 || l.log[n-1][strings.Index(l.log[n-1], ": ")+2:] != line {
		l.log = append(l.log, fmt.Sprintf("%s: %s", l.now.Sub(start), line))
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// run goes on for a time, with a look whenever something is due, and at least once
// a day.
func (l *life) run(d time.Duration) {
	l.t.Helper()
	end := l.now.Add(d)
	for {
		next := l.step()
		if day := l.now.Add(24 * time.Hour); day.Before(next) {
			next = day
		}
		if !next.After(l.now) {
			l.t.Fatalf("at %s, the next look is at %s", l.now, next)
		}
		if next.After(end) {
			l.now = end
			l.step()
			return
		}
		l.now = next
	}
}

func (l *life) parentHas(names ...string) {
	l.parent = Parent{Seen: true, TTL: 86400}
	for _, k := range l.keys {
		if slices.Contains(names, l.names[k.Tag]) {
			l.parent.DS = append(l.parent.DS, k.DS(86400))
		}
	}
}

func (l *life) want(lines ...string) {
	l.t.Helper()
	if diff := cmp.Diff(lines, l.log); diff != "" {
		l.t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheFirstKSKWaitsForTheParent(t *testing.T) {
	l := newLife(t, DefaultPolicy())
	l.run(48 * time.Hour)
	l.parentHas("ksk1")
	l.run(24 * time.Hour)
	l.want(
		"0s: ksk1 published, zsk1 active; DS ksk1; CDS ",
		"2h0m0s: ksk1 ready, zsk1 active; DS ksk1; CDS ksk1", // TTL and propagation
		"48h0m0s: ksk1 active, zsk1 active; DS ksk1; CDS ksk1",
	)
}

func TestAZSKIsRolledByItself(t *testing.T) {
	p := DefaultPolicy()
	p.ZSKLifetime = 30 * 24 * time.Hour
	l := newLife(t, p)
	l.parentHas("ksk1")
	l.run(43 * 24 * time.Hour)
	l.want(
		"0s: ksk1 published, zsk1 active; DS ksk1; CDS ",
		"2h0m0s: ksk1 active, zsk1 active; DS ksk1; CDS ksk1",
		"718h0m0s: ksk1 active, zsk1 active, zsk2 published; DS ksk1; CDS ksk1", // 30 days without two hours
		"720h0m0s: ksk1 active, zsk1 retired, zsk2 active; DS ksk1; CDS ksk1",
		l.log[4], // when the last signature was due
		l.log[5],
	)
	idle, gone := l.log[4], l.log[5]
	if !strings.Contains(idle, "zsk1 retired idle, zsk2 active") || !strings.HasSuffix(gone, ": ksk1 active, zsk2 active; DS ksk1; CDS ksk1") {
		t.Errorf("%s\n%s", idle, gone)
	}
	from, _ := time.ParseDuration(idle[:strings.Index(idle, ":")])
	to, _ := time.ParseDuration(gone[:strings.Index(gone, ":")])
	if to-from != 2*time.Hour || from < 726*time.Hour {
		t.Errorf("its signatures are gone after %s, it after %s", from, to)
	}
}

func TestAKSKIsRolledWithTheParent(t *testing.T) {
	l := newLife(t, DefaultPolicy())
	l.parentHas("ksk1")
	l.run(3 * time.Hour)
	l.log = l.log[:0]
	l.roll = map[Role]bool{KSK: true}
	l.run(45 * time.Hour) // the parent lets us wait
	l.parentHas("ksk1", "ksk2")
	l.run(24 * time.Hour) // has both
	l.parentHas("ksk2")
	l.run(72 * time.Hour)
	l.want(
		"3h0m0s: ksk1 active, ksk2 published, zsk1 active; DS ksk1; CDS ksk1",
		"5h0m0s: ksk1 active, ksk2 ready, zsk1 active; DS ksk2; CDS ksk2",
		"48h0m0s: ksk1 retired, ksk2 active, zsk1 active; DS ksk2; CDS ksk2",
		"72h0m0s: ksk1 retired idle, ksk2 active, zsk1 active; DS ksk2; CDS ksk2",
		"97h0m0s: ksk2 active, zsk1 active; DS ksk2; CDS ksk2", // a day and propagation
	)
}

func TestAKSKIsConfirmedByHand(t *testing.T) {
	l := newLife(t, DefaultPolicy())
	l.run(3 * time.Hour)
	l.parentHas("ksk1")
	l.step()
	l.parent = Parent{}
	l.roll = map[Role]bool{KSK: true}
	l.run(3 * time.Hour)
	l.log = l.log[:0]
	l.parentHas("ksk2")
	l.step()
	l.parent = Parent{} // nobody is asked
	l.run(72 * time.Hour)
	l.want(
		"6h0m0s: ksk1 retired idle, ksk2 active, zsk1 active; DS ksk2; CDS ksk2",
		"55h0m0s: ksk2 active, zsk1 active; DS ksk2; CDS ksk2", // two days and propagation
	)
}

func TestARollIsNotBegunTwice(t *testing.T) {
	l := newLife(t, DefaultPolicy())
	l.parentHas("ksk1")
	l.run(3 * time.Hour)
	for range 3 {
		l.roll = map[Role]bool{KSK: true, ZSK: true}
		l.step()
	}
	if len(l.keys) != 4 {
		t.Errorf("there are %d keys: %v", len(l.keys), l.keys)
	}
}

func TestAKSKWithALifetime(t *testing.T) {
	p := DefaultPolicy()
	p.KSKLifetime = 10 * 24 * time.Hour
	l := newLife(t, p)
	l.parentHas("ksk1")
	l.run(12 * 24 * time.Hour)
	l.want(
		"0s: ksk1 published, zsk1 active; DS ksk1; CDS ",
		"2h0m0s: ksk1 active, zsk1 active; DS ksk1; CDS ksk1",
		"240h0m0s: ksk1 active, ksk2 published, zsk1 active; DS ksk1; CDS ksk1",
		"242h0m0s: ksk1 active, ksk2 ready, zsk1 active; DS ksk2; CDS ksk2",
	)
}

func TestAZoneThatIsToBecomeUnsigned(t *testing.T) {
	l := newLife(t, DefaultPolicy())
	l.parentHas("ksk1")
	l.run(3 * time.Hour)
	l.policy.Withdraw = true
	l.run(time.Hour)
	if got := l.log[len(l.log)-1]; got != "3h0m0s: ksk1 active, zsk1 active; DS ; CDS delete" {
		t.Error(got)
	}
}

// TestEveryMomentOfARolloverValidates asks, at each step, whether a validator that
// has some DNSKEY set and some signature in its cache would be content: any version
// of the zone that it may still have goes with any other that it may have.
func TestEveryMomentOfARolloverValidates(t *testing.T) {
	p := DefaultPolicy()
	p.ZSKLifetime = 20 * 24 * time.Hour
	l := newLife(t, p)
	l.parentHas("ksk1")
	type version struct {
		at   time.Time
		keys map[uint16]bool
		used map[uint16]bool // by what other sets are signed
	}
	var versions []version
	for range 2000 {
		next := l.step()
		if later := l.now.Add(6 * time.Hour); next.After(later) {
			next = later
		}
		v := version{l.now, map[uint16]bool{}, map[uint16]bool{}}
		for _, k := range l.keys {
			v.keys[k.Tag] = true
		}
		for _, s := range l.zone.Sets {
			for _, sig := range s.Sigs {
				if !byKSK(s.Type) {
					v.used[sig.KeyTag] = true
				}
			}
		}
		// What a cache can have beside it: whatever was served within the longest TTL.
		for i := len(versions) - 1; i >= 0 && v.at.Sub(versions[i].at) <= time.Hour; i-- {
			for _, pair := range [][2]version{{v, versions[i]}, {versions[i], v}} {
				for tag := range pair[1].used {
					if !pair[0].keys[tag] {
						t.Fatalf("at %s: the key set of %s has not the key %s that signs at %s",
							v.at, pair[0].at, l.names[tag], pair[1].at)
					}
				}
			}
		}
		versions = append(versions, v)
		l.now = next
	}
	if l.count[ZSK] < 5 {
		t.Errorf("only %d ZSKs were made", l.count[ZSK])
	}
}
