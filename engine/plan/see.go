package plan

import (
	"maps"
	"slices"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// UnreadTargets lists the targets that could not be read, sorted.
func (p *Plan) UnreadTargets() []string { return slices.Sorted(maps.Keys(p.Unread)) }

// See takes over into a plan that was made by the state (Unseen) what one that
// was made by a look at what is there has seen of the same changes. If they are
// not the same there, diff says in a few lines where they differ, and nothing is
// taken over. What the plan does not change may be as it likes.
func (p *Plan) See(fresh *Plan) (diff string, ok bool) {
	there := make(map[planned]*Change, len(fresh.Changes))
	for i := range fresh.Changes {
		c := &fresh.Changes[i]
		there[planned{c.Address, c.ID}] = c
	}
	var d differences
	for i := range p.Changes {
		a := &p.Changes[i]
		if a.Action == NoOp {
			continue
		}
		switch b := there[planned{a.Address, a.ID}]; {
		case b == nil:
			d.addf("%s: no longer to %s", a.Address, a.Action)
		case a.Action != b.Action || a.PrevID != b.PrevID || a.PrevAddress != b.PrevAddress:
			d.addf("%s: to %s by what is there, to %s by the state", a.Address, b.Action, a.Action)
		default:
			d.values(a, "is there", a.Before, b.Before)
			d.values(a, "is wanted", a.After, b.After)
		}
	}
	if len(d) > 0 {
		return d.String(), false
	}
	for i := range p.Changes {
		a := &p.Changes[i]
		if a.Action == NoOp {
			continue
		}
		b := there[planned{a.Address, a.ID}]
		a.Observed, a.Wanted, a.Notes, a.Release, a.Stage = b.Observed, b.Wanted, b.Notes, b.Release, b.Stage
		a.Before, a.After = b.Before, b.After
	}
	p.Unseen, p.Staged = false, fresh.Staged
	return "", true
}

// Finds is a function that finds what the plan has seen of what it changes.
func (p *Plan) Finds() func(schema.ID) *providers.Observed {
	seen := make(map[schema.ID]*providers.Observed, len(p.Changes))
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Observed != nil && !c.Observed.Retained {
			seen[c.PrevID] = c.Observed
		}
	}
	return func(id schema.ID) *providers.Observed { return seen[id] }
}
