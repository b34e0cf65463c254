package plan

import (
	"slices"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// takeAway plans what is ours and no longer wanted.
func (m *maker) takeAway() {
	for _, t := range m.ours() {
		id, st, obs := t.id, t.prior, t.observed
		if t.replaced || (m.plan.Mode != Destroy && t.desired != nil) || (m.back != nil && !m.undoes(id)) {
			continue
		}
		c := Change{Action: Delete, ID: id, PrevID: id, Observed: obs}
		if st != nil {
			c.Address, c.DependsOn, c.PreventDestroy = st.Address, st.DependsOn, st.PreventDestroy
		} else {
			c.Address = obs.Owner
		}
		if !m.selected.takes(c.Address) {
			continue
		}
		if m.staged.Keep[id] { // it goes later; what must not go is told now
			if !m.stays(c.Address) && !m.leaves(st) {
				m.guard(t.desired, id, c.Address)
			}
			continue
		}
		k := schema.KindByName(id.Kind)
		if obs == nil {
			c.Action = Forget
			c.Before = st.Attrs
			c.Notes = []string{"it is gone already"}
		} else if k != nil && (m.stays(c.Address) || m.leaves(st) || m.lasting(id, obs)) {
			c.Action = Forget
			c.Before = show(k, conform(k, obs.Attrs))
			c.Notes = []string{"it stays as it is, and is no longer managed"}
			switch {
			case m.leaves(st):
				c.Notes = []string{"it was there before mailform took it over, so it stays as it is, and is no longer managed"}
			case m.lasting(id, obs):
				c.Notes = []string{"the server keeps it: mailform does not remove zones at " + id.Target + ". It is no longer managed"}
			}
		} else if k == nil {
			c.Before = obs.Attrs
		} else if m.release(&c) {
			if c.Release {
				m.guard(t.desired, id, c.Address)
			}
			m.plan.Changes = append(m.plan.Changes, c)
			continue
		} else {
			c.Before = showAll(k, conform(k, obs.Attrs))
			m.guard(t.desired, id, c.Address)
			c.Notes = m.deleteNotes(id, obs)
		}
		c.After = cty.NullVal(c.Before.Type())
		m.plan.Changes = append(m.plan.Changes, c)
	}
}

// ours lists what the state knows, and what bears our mark without being in
// the state: what a killed run has done and not written down.
func (m *maker) ours() []*thing {
	list := slices.Clip(m.remembered)
	for t := range m.things.all() {
		if t.observed != nil && t.observed.Owner != "" && t.prior == nil {
			list = append(list, t)
		}
	}
	if len(list) > len(m.remembered) {
		slices.SortFunc(list, byIdentity)
	}
	return list
}

// guard refuses the deletion of what is protected, be it in the files or, where
// the block is gone, as it was last applied. r may be nil.
func (m *maker) guard(r *schema.Resource, id schema.ID, address string) {
	st := m.things.at(id).prior
	switch {
	case m.back != nil && (r != nil && r.PreventDestroy || st != nil && st.PreventDestroy):
		m.errorf(nil, "Protected from deletion",
			"The rollback would delete the %s %s (%s), which has lifecycle.prevent_destroy set%s. "+
				"Apply it once without prevent_destroy first if it is really to go.", id.Kind, id.Key, address, declaredAt(st))
	case r != nil && r.PreventDestroy:
		m.errorf(r, "Protected from deletion",
			"The plan would delete the %s %s (%s), but its block has lifecycle.prevent_destroy set. "+
				"Take prevent_destroy out of the block first if it is really to go.", id.Kind, id.Key, address)
	case st != nil && st.PreventDestroy && r == nil:
		m.errorf(nil, "Protected from deletion",
			"The plan would delete the %s %s (%s): its block is gone from the files, but had lifecycle.prevent_destroy set "+
				"when it was last applied%s. Put the block back; if it is really to go, apply it once without prevent_destroy first.",
			id.Kind, id.Key, address, declaredAt(st))
	}
}

// declaredAt says where a block stood when it was last applied, as the end of a
// sentence.
func declaredAt(st *state.Resource) string {
	if st == nil || st.Declared == "" {
		return ""
	}
	return ", at " + st.Declared
}
