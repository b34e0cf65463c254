package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/stage"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// A Staged is a record set that goes to what is declared in stages.
type Staged struct {
	Address string
	ID      schema.ID
	// TTL is the time to live that is there, in seconds.
	TTL int64
	// From are the values that are there, To those declared; equal where only the
	// last stage is to come.
	From, To []string
	// Was are values that it was on its way to when it was last applied, where those
	// are others.
	Was []string
	// Steps are the stages to come. Only the first can be due.
	Steps []Step
	// Kept are the addresses of what stays until the last stage, sorted.
	Kept []string
	// Begins is set where nothing is due, and the time that is waited begins to run
	// with the next apply.
	Begins bool
}

// A Step is one stage of a move.
type Step struct {
	// Name is state.StepLower, StepSwitch or StepRetire.
	Name string
	// Due is set where the plan makes the step. Otherwise it is not made before
	// NotBefore, and the stage before it.
	Due       bool
	NotBefore time.Time
	// TTL, in seconds, and Values are what the set is from then on.
	TTL    int64
	Values []string
}

// Next is the first step that is not due; nil: there is none.
func (m *Staged) Next() *Step {
	for i := range m.Steps {
		if !m.Steps[i].Due {
			return &m.Steps[i]
		}
	}
	return nil
}

// Begins reports whether the wait for some stage begins only when the plan is
// applied.
func (p *Plan) Begins() bool {
	return slices.ContainsFunc(p.Staged, func(m Staged) bool { return m.Begins })
}

// NextStage is when the first stage of all moves becomes due that is not; zero:
// there is none.
func (p *Plan) NextStage() time.Time {
	var t time.Time
	for i := range p.Staged {
		if n := p.Staged[i].Next(); n != nil && (t.IsZero() || n.NotBefore.Before(t)) {
			t = n.NotBefore
		}
	}
	return t
}

// stages finds out what of the desired is due, and puts that in its place.
func (m *maker) stages() {
	if m.plan.Mode == Destroy {
		return // whoever destroys does not wait
	}
	m.staged = stage.Settle(stage.Input{
		Desired:  m.desired,
		Declared: func(id schema.ID) *schema.Resource { return m.things.at(id).desired },
		Observed: func(id schema.ID) *providers.Observed { return m.things.at(id).observed },
		There: func(yield func(schema.ID, *providers.Observed) bool) {
			for t := range m.things.all() {
				if t.observed != nil && !yield(t.id, t.observed) {
					return
				}
			}
		},
		Prior: m.prior, Now: m.in.Now, AtOnce: m.plan.Mode == Rollback,
	})
	if m.plan.Mode == RefreshOnly {
		return // nothing is made, so that nothing comes next
	}
	if len(m.staged.Attrs)+len(m.staged.Also) > 0 {
		for i, r := range m.desired {
			if attrs, ok := m.staged.Attrs[r.ID()]; ok {
				r = withAttrs(r, attrs)
				m.desired[i], m.things.at(r.ID()).desired = r, r
			}
		}
		for _, r := range m.staged.Also {
			m.desired = append(m.desired, r)
			m.things.at(r.ID()).desired = r
		}
		slices.SortStableFunc(m.desired, func(a, b *schema.Resource) int { return strings.Compare(a.Address, b.Address) })
	}
	for _, v := range m.staged.Moves {
		if !m.selected.wants(v.Address) {
			continue
		}
		out := Staged{Address: v.Address, ID: v.ID, TTL: v.TTL, From: v.From, To: v.To, Was: v.Was, Begins: v.Begins}
		for _, s := range v.Steps {
			out.Steps = append(out.Steps, Step{Name: s.Step, Due: s.Due, NotBefore: s.NotBefore, TTL: s.TTL, Values: s.Values})
		}
		for _, id := range v.Kept {
			out.Kept = append(out.Kept, m.addressOf(id))
		}
		slices.Sort(out.Kept)
		out.Kept = slices.Compact(out.Kept)
		m.plan.Staged = append(m.plan.Staged, out)
	}
}

// addressOf is how something that is ours is called.
func (m *maker) addressOf(id schema.ID) string {
	switch t := m.things.at(id); {
	case t.desired != nil:
		return t.desired.Address
	case t.prior != nil:
		return t.prior.Address
	default:
		return t.observed.Owner
	}
}
