package transfer

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// A Version is a zone at one serial. It is never changed.
type Version struct {
	Zone string // canonical
	// order is that in which the sets are handed out: any, but the same each time.
	order   []*dnssec.Set
	soa     *dns.SOA
	records int
}

// NewVersion makes a version of the record sets of a zone, its SOA among them, with
// their signatures. It is nil for a zone without SOA.
func NewVersion(zone string, sets []*dnssec.Set) *Version {
	v := &Version{Zone: zone, order: sets}
	for _, s := range sets {
		v.records += len(s.RRs) + len(s.Sigs)
		if s.SetKey == (dnssec.SetKey{Name: zone, Type: dns.TypeSOA}) && len(s.RRs) == 1 {
			v.soa, _ = s.RRs[0].(*dns.SOA)
		}
	}
	if v.soa == nil {
		return nil
	}
	return v
}

// byKey are the sets of the version by their names and types.
func (v *Version) byKey() map[dnssec.SetKey]*dnssec.Set {
	out := make(map[dnssec.SetKey]*dnssec.Set, len(v.order))
	for _, s := range v.order {
		out[s.SetKey] = s
	}
	return out
}

// all calls add for each record but the SOA.
func (v *Version) all(add func(dns.RR)) {
	for _, s := range v.order {
		each(s, func(rr dns.RR) {
			if rr != dns.RR(v.soa) {
				add(rr)
			}
		})
	}
}

func each(s *dnssec.Set, add func(dns.RR)) {
	for _, rr := range s.RRs {
		add(rr)
	}
	for _, sig := range s.Sigs {
		add(sig)
	}
}

// A difference leads from one version to the next. The SOA records are not among
// what is removed and added.
type difference struct {
	from, to       *dns.SOA
	removed, added []dns.RR
}

func (d *difference) size() int { return len(d.removed) + len(d.added) + 2 }

// diff compares two versions of a zone.
func diff(before, after *Version) *difference {
	d := &difference{from: before.soa, to: after.soa}
	was, is := before.byKey(), after.byKey()
	for _, s := range after.order {
		switch old := was[s.SetKey]; {
		case old == nil:
			d.add(s)
		case !same(old, s):
			d.change(old, s)
		}
	}
	for _, s := range before.order {
		if is[s.SetKey] == nil {
			each(s, func(rr dns.RR) { d.removed = append(d.removed, rr) })
		}
	}
	notSOA := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }
	d.removed, d.added = slices.DeleteFunc(d.removed, notSOA), slices.DeleteFunc(d.added, notSOA)
	return d
}

func (d *difference) add(s *dnssec.Set) { each(s, func(rr dns.RR) { d.added = append(d.added, rr) }) }

// change compares the records of a set one by one.
func (d *difference) change(old, s *dnssec.Set) {
	left := map[string]dns.RR{}
	each(old, func(rr dns.RR) { left[rr.String()] = rr })
	var kept []string
	each(s, func(rr dns.RR) {
		text := rr.String()
		if _, there := left[text]; there {
			kept = append(kept, text)
		} else {
			d.added = append(d.added, rr)
		}
	})
	for _, text := range kept {
		delete(left, text)
	}
	each(old, func(rr dns.RR) {
		if _, gone := left[rr.String()]; gone {
			d.removed = append(d.removed, rr)
		}
	})
}

// same reports whether two sets are alike, the quick way first.
func same(a, b *dnssec.Set) bool {
	if a == b {
		return true
	}
	if len(a.RRs) != len(b.RRs) || !slices.Equal(a.Sigs, b.Sigs) {
		return false
	}
	if len(a.Sigs) > 0 {
		return a.Digest == b.Digest
	}
	for i, rr := range a.RRs {
		if rr.Header().Ttl != b.RRs[i].Header().Ttl || !dns.IsDuplicate(rr, b.RRs[i]) {
			return false
		}
	}
	return true
}

// older reports whether a serial comes before another one (RFC 1982 §3.2).
func older(a, b uint32) bool { return a != b && int32(b-a) > 0 }

// How much is kept of what has changed: no more versions than these, and, beyond
// these records, no more than the zone has: longer, it is of no use.
const (
	maxDifferences = 100
	fewRecords     = 1000
)

// A history is the present version of a zone and how it came to be.
type history struct {
	now *Version
	// journal leads without a gap to now, the oldest difference first.
	journal []*difference
}

// publish makes a version the present one. Where nobody copies the zone, nobody
// needs to know what has changed.
func (h *history) publish(v *Version, copied bool) {
	if copied && h.now != nil && older(h.now.soa.Serial, v.soa.Serial) {
		h.journal = append(h.journal, diff(h.now, v))
	} else {
		h.journal = nil // there is no way from the one to the other
	}
	h.now = v
	size := 0
	for i, d := range slices.Backward(h.journal) {
		if size += d.size(); size > max(v.records, fewRecords) || len(h.journal)-i > maxDifferences {
			h.journal = slices.Clone(h.journal[i+1:])
			return
		}
	}
}

// since are the differences from a serial on; false: the way is not known.
func (h *history) since(serial uint32) ([]*difference, bool) {
	for i, d := range h.journal {
		if d.from.Serial == serial {
			return h.journal[i:], true
		}
	}
	return nil, false
}
