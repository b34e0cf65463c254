package text

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
)

// stages tells of the changes that are made in stages: what each leads to, and
// when.
func (w *writer) stages(p *plan.Plan) {
	if len(p.Staged) == 0 {
		return
	}
	if p.Begins() && p.Summary() == (plan.Summary{}) {
		w.linef("Nothing is to be changed yet, but the wait for the next stage begins when this plan is applied.")
	}
	w.blank()
	w.linef("%s", w.bold("In stages,")+" because resolvers keep what they have asked for:")
	for i := range p.Staged {
		w.blank()
		w.staged(&p.Staged[i])
	}
}

// staged writes one change that is made in stages, as Plan does.
func (w *writer) staged(m *plan.Staged) {
	w.linef("  # %s", w.bold(m.Address))
	for _, v := range m.From {
		sym := "-"
		if slices.Contains(m.To, v) {
			sym = " "
		}
		w.linef("    %s %s", w.symbol(sym), printable(v))
	}
	for _, v := range m.To {
		if !slices.Contains(m.From, v) {
			w.linef("    %s %s", w.symbol("+"), printable(v))
		}
	}
	if len(m.Was) > 0 {
		w.linef("    (it was on its way to %s before)", printable(strings.Join(m.Was, ", ")))
	}
	for i := range m.Steps {
		s := &m.Steps[i]
		w.linef("    %d. %s: %s", i+1, When(s, m.Begins && i == 0), Does(m, i))
	}
	if len(m.Kept) > 0 {
		w.linef("    until the last stage stays: %s", printable(Kept(m)))
	}
}

// When says when a stage is made.
func When(s *plan.Step, begins bool) string {
	switch {
	case s.Due:
		return "with this plan"
	case begins:
		return "not before " + Time(s.NotBefore) + ", as the wait begins with the next apply"
	}
	return "not before " + Time(s.NotBefore)
}

// Does says what a stage does.
func Does(m *plan.Staged, i int) string {
	s, before := &m.Steps[i], m.TTL
	if i > 0 {
		before = m.Steps[i-1].TTL
	}
	ttl := "the time to live is " + plan.Duration(s.TTL) + " again"
	switch {
	case s.Name == state.StepLower:
		return "the time to live is lowered to " + plan.Duration(s.TTL)
	case s.Name == state.StepSwitch:
		return "the new values take the place of the old ones"
	case before == s.TTL:
		return "what stays until then is taken away"
	case len(m.Kept) > 0:
		return "what stays until then is taken away, and " + ttl
	}
	return ttl
}

// keptShown is how many of the things that stay are named.
const keptShown = 10

// Kept names what stays until the last stage.
func Kept(m *plan.Staged) string {
	if n := len(m.Kept) - keptShown; n > 0 {
		return strings.Join(m.Kept[:keptShown], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(m.Kept, ", ")
}

// Time writes a time for a sentence.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339) }
