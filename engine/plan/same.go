package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// differencesShown is how many differences Same lists.
const differencesShown = 5

// Same reports whether two plans would do the same to the same world; if not,
// diff says in a few lines where they differ first. a is the plan that was
// saved, b the one that was made now.
//
// Notes and message counts do not matter: mail that arrives makes no plan
// stale. Neither does it matter that a plan from before the first write has no
// lineage yet.
func Same(a, b *Plan) (diff string, ok bool) {
	var d differences
	if a.Serial != b.Serial {
		d.addf("the state is at serial %d, the plan was made from serial %d", b.Serial, a.Serial)
	}
	unwritten := a.Serial == 0 && b.Serial == 0 && (a.Lineage == "" || b.Lineage == "")
	if a.Lineage != b.Lineage && !unwritten {
		d.addf("the plan was made for another state")
	}
	if a.Mode != b.Mode {
		d.addf("the plan was made in mode %s, not %s", a.Mode, b.Mode)
	}
	if !slices.Equal(a.Targets, b.Targets) {
		d.addf("the plan was made for targets %q, not %q", a.Targets, b.Targets)
	}
	if !slices.Equal(a.Excludes, b.Excludes) || !slices.Equal(a.Replaces, b.Replaces) {
		d.addf("the plan was made with other -exclude or -replace arguments")
	}
	d.changes(a.Changes, b.Changes)
	d.outputs(a.Outputs, b.Outputs)
	if a.Mode == RefreshOnly {
		d.drift(a.Drift, b.Drift)
	}
	return d.String(), len(d) == 0
}

type differences []string

func (d *differences) addf(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d differences) String() string {
	if len(d) > differencesShown {
		d = append(d[:differencesShown:differencesShown], fmt.Sprintf("and %d more", len(d)-differencesShown))
	}
	return strings.Join(d, "\n")
}

// A planned is what names a change in a plan.
type planned struct {
	address string
	id      schema.ID
}

func (d *differences) changes(saved, now []Change) {
	rest := map[planned]*Change{}
	for i := range now {
		if c := &now[i]; c.Action != NoOp {
			rest[planned{c.Address, c.ID}] = c
		}
	}
	for i := range saved {
		a := &saved[i]
		if a.Action == NoOp {
			continue
		}
		key := planned{a.Address, a.ID}
		b := rest[key]
		delete(rest, key)
		switch {
		case b == nil:
			d.addf("%s: no longer to %s", a.Address, a.Action)
		case a.Action != b.Action:
			d.addf("%s: to %s now, to %s when the plan was made", a.Address, b.Action, a.Action)
		case a.PrevID != b.PrevID || a.PrevAddress != b.PrevAddress:
			d.addf("%s: takes the place of something else now", a.Address)
		case revision(a) != revision(b):
			d.addf("%s: changed since the plan was made", a.Address)
		default:
			d.values(a.Address, "is there", a.ID.Kind, a.Before, b.Before)
			d.values(a.Address, "is wanted", a.ID.Kind, a.After, b.After)
		}
	}
	for i := range now { // in order, not as the map has it
		c := &now[i]
		if rest[planned{c.Address, c.ID}] == c {
			d.addf("%s: to %s now, nothing when the plan was made", c.Address, c.Action)
		}
	}
}

// values compares what a change has before or after it.
func (d *differences) values(address, what, kind string, a, b cty.Value) {
	a, b = state.Keep(kind, a), state.Keep(kind, b)
	if a.RawEquals(b) {
		return
	}
	var names []string
	if k := schema.KindByName(kind); k != nil && !a.IsNull() && !b.IsNull() {
		a, b = conform(k, a), conform(k, b)
		for _, attr := range k.Attributes {
			if !a.GetAttr(attr.Name).RawEquals(b.GetAttr(attr.Name)) {
				names = append(names, attr.Name)
			}
		}
	}
	if len(names) == 0 {
		d.addf("%s: what %s is another", address, what)
		return
	}
	d.addf("%s: another %s %s", address, list(names), what)
}

func revision(c *Change) string {
	if c.Observed == nil {
		return ""
	}
	return c.Observed.Revision
}

func (d *differences) outputs(saved, now []OutputChange) {
	if !slices.EqualFunc(saved, now, func(a, b OutputChange) bool {
		return a.Name == b.Name && a.Action == b.Action && a.Sensitive == b.Sensitive &&
			a.Before.RawEquals(b.Before) && a.After.RawEquals(b.After)
	}) {
		d.addf("the outputs are others")
	}
}

func (d *differences) drift(saved, now []Drift) {
	if !slices.EqualFunc(saved, now, func(a, b Drift) bool {
		return a.Address == b.Address && a.ID == b.ID && a.Action == b.Action &&
			a.Before.RawEquals(b.Before) && a.After.RawEquals(b.After)
	}) {
		d.addf("what has changed outside of mailform is something else by now")
	}
}
