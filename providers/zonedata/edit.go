package zonedata

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A Part is what a batch of changes has for one zone.
type Part struct {
	Zone rdata.Name
	// Changes are indexes into the batch, rising.
	Changes []int
}

// Group divides a batch among zones, in the order in which they come up. A change
// of what no name server keeps is in none: errs says so of it, by index.
func Group(batch []providers.Change) (parts []Part, errs map[int]error) {
	at := map[rdata.Name]int{}
	errs = map[int]error{}
	for i := range batch {
		r := &batch[i].Resource
		zone, err := ZoneName(r.Kind, r.Key)
		if err != nil {
			errs[i] = fmt.Errorf("%s %s: %w", r.Kind, r.Key, err)
			continue
		}
		n, ok := at[zone]
		if !ok {
			n = len(parts)
			at[zone] = n
			parts = append(parts, Part{Zone: zone})
		}
		parts[n].Changes = append(parts[n].Changes, i)
	}
	return parts, errs
}

// An Edit is what becomes of one record set: nil before for a new one, nil after
// for one that goes.
type Edit struct {
	Key
	Before, After *Set
}

// Edits are what is left to do in a zone after its changes have been held to
// what is there.
type Edits struct {
	// Create is set where the zone itself is to be made, Delete where it is to go
	// with all that is in it.
	Create, Delete bool
	// SOA is the new one; nil: it stays.
	SOA *SOA
	// Sets are the record sets that become others, in the order in which changes
	// speak of them, each once.
	Sets []Edit
	// Left are the record sets, where the zone is to go, that no change takes away:
	// those of others. The NS records at its apex, which no zone can be without,
	// are not counted.
	Left []Key

	there bool
	soa   SOA
	after map[Key]*Set // all that changes speak of
}

// Met reports whether a zone, nil for none, holds what the changes want of the
// thing of a kind: the zone itself, or the record set with that key.
func (e *Edits) Met(z *Zone, kind string, k Key) bool {
	if kind == schema.KindZone {
		return e.there == (z != nil) && (z == nil || e.soa == readSOA(z.SOA))
	}
	var have *Set
	if z != nil {
		have = z.sets[k]
	}
	return have.Same(e.after[k])
}

// Observed is what the zone holds of what a change wants, which it has met: nothing
// else than that.
func (e *Edits) Observed(z *Zone, r *schema.Resource, k Key) providers.Observed {
	s := e.after[k]
	if r.Kind != schema.KindRRset || s == nil || !s.bare {
		have, _ := z.Find(r.Kind, r.Key)
		return have
	}
	return providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: r.Attrs, Revision: s.Revision()}
}

// bare reports whether the attributes of a record set are those alone, and without
// marks.
func bare(attrs cty.Value) bool {
	if attrs.IsMarked() || !attrs.Type().Equals(rrsetKind.Type()) {
		return false
	}
	for i := range rrsetKind.Attributes {
		if attrs.GetAttr(rrsetKind.Attributes[i].Name).ContainsMarked() {
			return false
		}
	}
	return true
}

// Empty reports whether there is nothing to do.
func (e *Edits) Empty() bool { return !e.Create && !e.Delete && e.SOA == nil && len(e.Sets) == 0 }

// Prepare holds changes of one zone to what the zone holds. z is nil where the
// zone is not there. errs has the error of each change, by its place; it is an
// ErrConflict where the change's prior state is not what the zone holds, and nil
// for all if and only if they may be made.
//
// What has been done already, because the answer to the same batch was lost,
// is no conflict, and nothing to do.
func Prepare(z *Zone, changes []providers.Change) (edits *Edits, errs []error) {
	p := preparation{zone: z, next: map[Key]*Set{}, edits: &Edits{}, there: z != nil}
	if z != nil {
		p.soa = readSOA(z.SOA)
	}
	errs = make([]error, len(changes))
	p.wanted = readAll(changes)
	for i := range changes {
		c := &changes[i]
		if err := p.change(i, c); err != nil {
			errs[i] = fmt.Errorf("%s %s: %w", noun(c.Resource.Kind), c.Resource.Key, err)
		}
	}
	for _, k := range p.order {
		var before *Set
		if z != nil {
			before = z.sets[k]
		}
		if after := p.next[k]; !before.Same(after) {
			p.edits.Sets = append(p.edits.Sets, Edit{Key: k, Before: before, After: after})
		}
	}
	p.edits.there, p.edits.soa, p.edits.after = p.there, p.soa, p.next
	p.edits.Create = p.there && z == nil
	if p.edits.Delete = !p.there && z != nil; p.edits.Delete {
		for _, s := range z.Sets() {
			after, spoken := p.next[s.Key]
			if (!spoken || after != nil) && s.Key != (Key{z.Name, "NS"}) {
				p.edits.Left = append(p.edits.Left, s.Key)
			}
		}
	}
	if p.there && (z == nil || p.soa != readSOA(z.SOA)) {
		p.edits.SOA = &p.soa
	}
	return p.edits, errs
}

func noun(kind string) string {
	if kind == schema.KindRRset {
		return "record set"
	}
	return kind
}

// A preparation goes through the changes of a zone.
type preparation struct {
	zone  *Zone
	there bool // the zone, after the changes so far
	soa   SOA
	next  map[Key]*Set // after the changes so far; only those that were spoken of
	// wanted are the record sets that changes want, by their places.
	wanted []wanted
	order  []Key
	edits  *Edits
}

// A wanted is what SetOf makes of what a change wants.
type wanted struct {
	zone rdata.Name
	set  *Set
	err  error
}

// readAll reads what changes want of record sets, on as many processors as there
// are.
func readAll(changes []providers.Change) []wanted {
	out := make([]wanted, len(changes))
	parallel.Each(len(changes), func(i int) {
		if c := &changes[i]; c.Action != providers.Delete && c.Resource.Kind == schema.KindRRset {
			w := &out[i]
			if w.zone, w.set, w.err = SetOf(c.Resource.Attrs); w.err == nil {
				w.set.bare = bare(c.Resource.Attrs)
			}
		}
	})
	return out
}

func (p *preparation) current(k Key) *Set {
	if s, ok := p.next[k]; ok {
		return s
	}
	p.order = append(p.order, k)
	var s *Set
	if p.zone != nil {
		s = p.zone.sets[k]
	}
	p.next[k] = s
	return s
}

func (p *preparation) change(i int, c *providers.Change) error {
	switch c.Action {
	case providers.Create, providers.Update, providers.Delete:
	default:
		return fmt.Errorf("%q is no action", c.Action)
	}
	if c.Resource.Kind == schema.KindZone {
		return p.changeZone(c)
	}
	return p.changeSet(i, c)
}

func (p *preparation) changeZone(c *providers.Change) error {
	have := "none"
	if p.there {
		have = p.soa.String()
	}
	seen := seenOf(c)
	if c.Action == providers.Delete {
		if p.there && (seen == nil || seen.Revision != p.soa.Revision()) {
			return conflict(have, describe(seen))
		}
		p.there = false
		return nil
	}
	name, want, err := SOAOf(c.Resource.Attrs)
	switch {
	case err != nil:
		return err
	case name.Host() != c.Resource.Key:
		return fmt.Errorf("name: %s is not the zone %s", name, c.Resource.Key)
	case p.there && p.soa == want:
		return nil
	case p.there != (seen != nil) || p.there && seen.Revision != p.soa.Revision():
		return conflict(have, describe(seen))
	}
	p.there, p.soa = true, want
	return nil
}

func (p *preparation) changeSet(i int, c *providers.Change) error {
	_, k, err := ParseSetKey(c.Resource.Key)
	if err != nil {
		return err
	}
	have, seen := p.current(k), seenOf(c)
	if c.Action == providers.Delete {
		if have != nil && (seen == nil || seen.Revision != have.Revision()) {
			return conflict(have.String(), describe(seen))
		}
		p.next[k] = nil
		return nil
	}
	zone, want := p.wanted[i].zone, p.wanted[i].set
	switch err := p.wanted[i].err; {
	case err != nil:
		return err
	case SetKey(zone, want.Key) != c.Resource.Key:
		return fmt.Errorf("name: %s in %s is not what the key says", want.Key, zone)
	case !p.there:
		return fmt.Errorf("there is no zone %s", zone.Host())
	case have.Same(want):
		return nil
	case (have != nil) != (seen != nil) || have != nil && seen.Revision != have.Revision():
		return conflict(have.String(), describe(seen))
	}
	p.next[k] = want
	return nil
}

// seenOf is what the plan saw; nil: nothing.
func seenOf(c *providers.Change) *providers.Observed {
	if c.Prior == nil || c.Prior.Retained {
		return nil
	}
	return c.Prior
}

// describe says what the plan saw, for an error text.
func describe(seen *providers.Observed) string {
	if seen == nil {
		return "none"
	}
	if seen.Kind == schema.KindZone {
		if _, soa, err := SOAOf(seen.Attrs); err == nil {
			return soa.String()
		}
	} else if _, s, err := setOf(seen.Attrs); err == nil {
		return s.String()
	}
	return "another"
}

// conflict is the error of a change whose prior state is no longer true.
func conflict(have, saw string) error {
	return fmt.Errorf("%w: it is %s, and was %s", providers.ErrConflict, have, saw)
}

// ErrHeldUp is the error of changes that are right and were not made, because
// another change of their zone was refused.
var ErrHeldUp = errors.New("another change of the zone was refused, so that none was made")

// Refused completes the errors of a zone's changes where any of them is wrong: the
// others were not made. It reports whether any is.
func Refused(errs []error) bool {
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return false
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = ErrHeldUp
		}
	}
	return true
}
