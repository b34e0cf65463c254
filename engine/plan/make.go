package plan

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/zclconf/go-cty/cty"
)

// Input is what a plan is made from. Make changes nothing of it.
type Input struct {
	// Desired is what the configuration expands to, in any order.
	Desired []schema.Resource
	// Observed is what is there, by target, in any order.
	Observed map[string][]providers.Observed
	// Prior is what was last applied; nil is an empty state.
	Prior *state.State
	Mode  Mode // empty: Normal
	// Targets, Excludes and Replaces are -target, -exclude and -replace
	// arguments: addresses of resources or of blocks, with * and ? as wildcards.
	Targets, Excludes, Replaces []string
	// Unseen says that Observed was taken from the state; Unread of which targets,
	// and why they could not be read.
	Unseen bool
	Unread map[string]string
	// Queued counts the messages in the queues of services that nothing wants any
	// more, by target, where they have one.
	Queued map[string]int64
	// Undo is the apply that a Rollback undoes. Desired then only serves to find
	// the values of secrets.
	Undo *state.Applied
	// Unfinished is set where it did not come to its end.
	Unfinished bool
	// Confirm are -confirm arguments: IDs of brakes, or ConfirmAll.
	Confirm []string
	Outputs []config.Output
	// Zones say what in zones is somebody else's, and which are exclusive.
	Zones []*ignore.Zone
	// Records, Time and Config are handed through to the plan.
	Records map[string][]string
	Time    time.Time
	Config  *config.Config
	// Now decides which stages are due.
	Now time.Time
}

// Make compares and plans. The plan is nil if and only if the diagnostics have
// errors. Equal inputs make equal plans, whatever their order.
//
// Things are compared by their identity, not by their address: the same mailbox
// under another address is moved, another mailbox under the same address is a
// replacement.
func Make(in Input) (*Plan, hcl.Diagnostics) {
	var back *rollback
	var before hcl.Diagnostics
	if in.Mode == Rollback {
		if in, back, before = formerly(in); before.HasErrors() {
			return nil, before
		}
	}
	m := newMaker(in)
	m.back, m.diags = back, append(before, m.diags...)
	if m.diags.HasErrors() {
		return nil, m.diags
	}
	m.hand()
	m.stages()
	switch m.plan.Mode {
	case Normal, Rollback:
		m.plan.Changes = make([]Change, 0, len(m.desired))
		compared := m.compareAll()
		for i, r := range m.desired {
			if m.selected.wants(r.Address) {
				m.want(r, &compared[i])
			}
		}
		m.imports()
		m.takeAway()
		if m.plan.Mode == Normal {
			m.exclusive()
		}
	case Destroy:
		m.takeAway()
	case RefreshOnly:
	default:
		m.errorf(nil, "Unknown mode of planning", "There is no mode %q.", m.plan.Mode)
	}
	m.drift()
	m.foreign()
	m.replacements()
	m.outputs()
	sortChanges(m.plan.Changes)
	if m.diags.HasErrors() {
		return nil, m.diags
	}
	m.brakes()
	m.phases()
	if m.diags.HasErrors() {
		return nil, m.diags
	}
	return m.plan, m.diags
}

// want plans one declared resource, which was compared with what is there.
func (m *maker) want(r *schema.Resource, is *comparison) {
	id := r.ID()
	t := m.things.at(id)
	obs, st := t.observed, t.prior
	c := Change{
		Address: r.Address, ID: id, PrevID: id,
		Observed: obs, DependsOn: r.DependsOn, PreventDestroy: r.PreventDestroy, Stage: m.staged.Notes[id],
	}
	if m.back != nil {
		c.Notes = append(c.Notes, m.back.notes[id]...)
	}
	if obs == nil {
		m.create(r, c)
		return
	}
	k := schema.KindByName(r.Kind)
	have, want, changed := is.have, is.want, is.changed
	t.asWas = is.as
	c.Before, c.After = is.before, is.before
	if len(changed) > 0 {
		c.After = show(k, want)
	}
	if changed == nil && !computes(k) && len(r.IgnoreChanges) == 0 {
		c.Wanted = r // it is as it is to be: one copy of that does for all
	} else {
		c.Wanted = withAttrs(r, want)
	}
	var immutable []string
	for _, name := range changed {
		if k.Attribute(name).Immutable {
			immutable = append(immutable, name)
		}
	}
	ours := st != nil || obs.Owner != ""
	if st != nil && st.Address != r.Address {
		c.PrevAddress = st.Address
	}
	switch {
	case !ours && len(immutable) > 0:
		m.errorf(r, "Cannot take over what is there",
			"The %s %s is there already, but was not made by mailform, and differs in %s from what %s declares. "+
				"That cannot be changed without deleting it first. Declare it as it is, or delete it by hand.",
			r.Kind, r.Key, list(immutable), r.Address)
		return
	case !ours:
		c.Action = Adopt
		c.Notes = append(c.Notes, ttlOnly(r.Kind, changed)...)
	case len(immutable) > 0 || m.asked(r):
		c.Action = Replace
		want = born(k, r.Attrs)
		c.After, c.Wanted = show(k, want), withAttrs(r, want)
		m.guard(r, id, c.Address)
	case len(changed) > 0:
		c.Action = Update
		c.Notes = append(c.Notes, ttlOnly(r.Kind, changed)...)
	case c.PrevAddress != "":
		c.Action = Move
	default:
		c.Action = NoOp
		c.AsRemembered = is.as
	}
	if r.Kind == schema.KindProcess && c.Action != NoOp && isFalse(have.GetAttr("running")) {
		c.Notes = append(c.Notes, "the daemon is not running; apply starts it")
	}
	m.room(r, &c, changed)
	m.plan.Changes = append(m.plan.Changes, c)
}

// create plans a declared resource that is not there: it is made, and where its
// address stood for another thing, takes that one's place.
func (m *maker) create(r *schema.Resource, c Change) {
	k := schema.KindByName(r.Kind)
	want := born(k, r.Attrs)
	c.Action, c.Before, c.After = Create, cty.NullVal(k.Type()), show(k, want)
	c.Wanted = withAttrs(r, want)
	if kept := m.things.at(c.ID).retained; kept != nil {
		c.Observed = kept
		if n := comesBack(kept.Attrs); n != "" {
			c.Notes = append(c.Notes, n)
		}
	}
	if was := m.predecessor(r); was != nil {
		old, obs := was.id, was.observed
		if from := was.prior.Address; from != r.Address {
			c.PrevAddress = from
			if r.Kind == schema.KindMailbox {
				m.refuseMove(r, old, from)
				return
			}
		}
		was.replaced = true
		m.guard(r, old, c.Address)
		c.Action, c.PrevID, c.Observed = Replace, old, obs
		c.Before = show(k, conform(k, obs.Attrs))
		if old.Target != r.Target {
			c.Notes = append(c.Notes, fmt.Sprintf("from %s to %s", old.Target, r.Target))
		}
		c.Notes = append(c.Notes, m.deleteNotes(old, obs)...)
	}
	m.plan.Changes = append(m.plan.Changes, c)
}

// predecessor finds what the address of a resource that is to be created stood
// for until now, if that is there and nobody else wants it; nil for none.
func (m *maker) predecessor(r *schema.Resource) *thing {
	if m.former == nil {
		m.former = make(map[string][]*thing, len(m.remembered))
		for _, t := range m.remembered {
			a := m.movedTo(t.prior.Address)
			m.former[a] = append(m.former[a], t)
		}
	}
	for _, old := range m.former[r.Address] {
		if old.id.Kind == r.Kind && old.id != r.ID() && old.desired == nil && old.observed != nil && !m.staged.Keep[old.id] && !m.lasting(old.id, old.observed) && !m.holdsIgnored(old) {
			return old
		}
	}
	return nil
}
