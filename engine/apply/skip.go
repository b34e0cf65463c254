package apply

import (
	"fmt"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// deletesOf comes before the name of a target at which nothing more is deleted.
const deletesOf = "deletes of "

// guards reports whether mail could go astray if a change was not made and what
// comes after it was: records would point to where nobody listens, or what
// records still point to would be taken away. After such a failure no record
// that points somewhere is written any more, and nothing is deleted. A mailbox
// that failed holds up only what depends on it.
func guards(kind string) bool {
	switch kind {
	case schema.KindProcess, schema.KindMailDomain, schema.KindListener, schema.KindZone, schema.KindRRset:
		return true
	}
	return false
}

// obstacle says why a change must not be tried; empty if it may.
func (r *run) obstacle(b *plan.Batch, i int) string {
	c := &r.Plan.Changes[i]
	if r.broken {
		return "the state cannot be written"
	}
	if why := r.undone[i]; why != "" {
		return why
	}
	if why := r.closed[b.Target]; why != "" {
		return why
	}
	if b.Deletes {
		if why := r.closed[deletesOf+b.Target]; why != "" {
			return why
		}
		if r.stillNeeded[c.Address] {
			return "something that depends on it was not destroyed"
		}
		return r.holding
	}
	for _, d := range c.DependsOn {
		if r.failed[d] {
			return d + " was not done"
		}
	}
	if c.ID.Kind == schema.KindRRset && schema.RankOf(c.ID.Kind, rrtype(c)) == schema.RankPointer {
		return r.holding
	}
	return ""
}

// rrtype is the type of a record set that is to be made.
func rrtype(c *plan.Change) string {
	if c.After.IsNull() {
		return "" // it is only forgotten
	}
	v := c.After.GetAttr("type")
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

// skip notes that a change is not tried.
func (r *run) skip(b *plan.Batch, i int, a providers.Action, why string) {
	r.sum.Skipped++
	r.lost(b, i)
	r.Observer.Skipped(&r.Plan.Changes[i], a, why)
}

// lost notes what follows from a change that was not done.
func (r *run) lost(b *plan.Batch, i int) {
	c := &r.Plan.Changes[i]
	if r.undone[i] == "" {
		r.undone[i] = "another part of it was not done"
	}
	if r.held == "" && guards(c.ID.Kind) {
		r.held = fmt.Sprintf("%s was not done, and mail could go astray", c.Address)
	}
	if !b.Deletes {
		r.failed[c.Address] = true
		return
	}
	for _, d := range c.DependsOn {
		r.stillNeeded[d] = true
	}
}

// skipPhase skips all of a phase.
func (r *run) skipPhase(ph *plan.Phase) {
	why := "the run was interrupted"
	if r.broken {
		why = "the state cannot be written"
	}
	for i := range ph.Batches {
		b := &ph.Batches[i]
		for _, n := range b.Changes {
			action := providers.Delete
			switch c := &r.Plan.Changes[n]; {
			case b.Deletes:
			case c.Action == plan.Create || c.Action == plan.Replace:
				action = providers.Create
			default:
				action = providers.Update
			}
			r.skip(b, n, action, why)
		}
	}
}
