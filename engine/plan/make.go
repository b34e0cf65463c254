package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/stage"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
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
		for _, r := range m.desired {
			if m.selected.wants(r.Address) {
				m.want(r)
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

// A maker holds what one call of Make works with.
type maker struct {
	in     Input
	prior  *state.State
	things things
	// remembered are those that the state knows, in the order of their identities.
	remembered []*thing
	plan       *Plan
	diags      hcl.Diagnostics

	desired []*schema.Resource // by address; attributes conform to the kind
	// former finds by address what the state knows; see formerly.
	former   map[string][]*thing
	moves    map[string][]renaming
	selected selection
	// back is set for a rollback.
	back *rollback
	// hands say what in zones is not ours; beside is what of declared record sets
	// is ignored, and removed what goes although it is foreign.
	hands   hands
	beside  map[schema.ID]Foreign
	removed map[schema.ID]bool
	// staged says what of the desired is due.
	staged stage.Result
}

func newMaker(in Input) *maker {
	m := &maker{
		in:    in,
		prior: in.Prior,
		plan: &Plan{Mode: in.Mode, Targets: in.Targets, Excludes: in.Excludes, Replaces: in.Replaces, Records: in.Records, Config: in.Config,
			Time: in.Time, Variables: in.Config.Variables(), Checks: in.Config.Checks()},
	}
	if m.plan.Mode == "" {
		m.plan.Mode = Normal
	}
	if m.prior == nil {
		m.prior = &state.State{}
	}
	m.plan.Unseen, m.plan.Unread = in.Unseen, in.Unread
	m.plan.Latest = latest(m.prior)
	if in.Undo != nil {
		m.plan.Back = &Back{Operation: in.Undo.Operation, Who: in.Undo.Who, At: in.Undo.At, Unfinished: in.Unfinished}
	}
	m.plan.Lineage, m.plan.Serial = m.prior.Lineage, m.prior.Serial
	m.things = newThings(max(len(in.Desired), len(m.prior.Resources)))
	m.indexDesired()
	for target, list := range in.Observed {
		for i := range list {
			o := &list[i]
			t := m.things.add(schema.ID{Target: target, Kind: o.Kind, Key: o.Key})
			if o.Retained {
				t.retained = o
			} else {
				t.observed = o
			}
		}
	}
	m.remembered = make([]*thing, 0, len(m.prior.Resources))
	for id, st := range m.prior.Resources {
		t := m.things.add(id)
		t.prior = st
		m.remembered = append(m.remembered, t)
	}
	slices.SortFunc(m.remembered, byIdentity)
	m.moves = renamings(in.Config)
	m.selectTargets()
	return m
}

// indexDesired takes in what is declared. A resource is copied only where it has
// to be another one here: there are many, and nobody changes them.
func (m *maker) indexDesired() {
	m.desired = make([]*schema.Resource, 0, len(m.in.Desired))
	for i := range m.in.Desired {
		r := &m.in.Desired[i]
		k := schema.KindByName(r.Kind)
		if k == nil {
			m.errorf(r, "Unknown kind of resource", "%s is a %q, which is no kind of resource. This is a bug in mailform.", r.Address, r.Kind)
			continue
		}
		attrs, same := r.Attrs, !r.Attrs.ContainsMarked()
		if !same {
			attrs, _ = attrs.UnmarkDeep()
		}
		if !attrs.IsWhollyKnown() {
			attrs, _ = state.Plain(attrs) // as a saved plan has it
			same = false
		}
		if !attrs.Type().Equals(k.Type()) {
			conv, err := convert.Convert(attrs, k.Type())
			if err != nil {
				m.errorf(r, "Unsuitable attributes", "The attributes of %s do not fit a %s: %s. This is a bug in mailform.", r.Address, r.Kind, err)
				continue
			}
			attrs, same = conv, false
		}
		if !same {
			r = withAttrs(r, attrs)
		}
		t := m.things.add(r.ID())
		if other := t.desired; other != nil {
			m.errorf(r, "Declared twice", "%s and %s (at %s) are the same %s %s. Declare it once.",
				r.Address, other.Address, other.Range, r.Kind, r.Key)
			continue
		}
		t.desired = r
		m.desired = append(m.desired, r)
	}
	slices.SortStableFunc(m.desired, func(a, b *schema.Resource) int { return strings.Compare(a.Address, b.Address) })
	for i := 1; i < len(m.desired); i++ {
		if r, other := m.desired[i], m.desired[i-1]; r.Address == other.Address {
			m.errorf(r, "Declared twice", "%s stands for the %s %s and for the %s %s. This is a bug in mailform.",
				r.Address, other.Kind, other.Key, r.Kind, r.Key)
		}
	}
}

// declaredAs finds a declared resource by its address; nil for none.
func (m *maker) declaredAs(address string) *schema.Resource {
	i, ok := slices.BinarySearchFunc(m.desired, address, func(r *schema.Resource, a string) int { return strings.Compare(r.Address, a) })
	if !ok {
		return nil
	}
	return m.desired[i]
}

func (m *maker) errorf(r *schema.Resource, summary, format string, args ...any) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	if r != nil && r.Range.Filename != "" {
		d.Subject = r.Range.Ptr()
	}
	m.diags = append(m.diags, d)
}

// want plans one declared resource.
func (m *maker) want(r *schema.Resource) {
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
	have := conform(k, obs.Attrs)
	want, changed := settle(k, declared(r, have), have, m.sourceChanges(r))
	var as bool
	if c.Before, as = showKnown(k, st, have); as {
		t.asWas = true
	}
	c.After = c.Before
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
		c.AsRemembered = as
	}
	if r.Kind == schema.KindProcess && c.Action != NoOp && isFalse(have.GetAttr("running")) {
		c.Notes = append(c.Notes, "the daemon is not running; apply starts it")
	}
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

// drift lists what is no longer as it was last applied. Unless the plan only
// refreshes, what is on its way out has no drift that matters, and neither has
// what agrees with the files by now.
func (m *maker) drift() {
	for _, t := range m.remembered {
		id, st, obs, r := t.id, t.prior, t.observed, t.desired
		k := schema.KindByName(id.Kind)
		if k == nil || !m.selected.either(st.Address) {
			continue
		}
		if m.plan.Mode == Destroy || m.plan.Mode != RefreshOnly && r == nil || t.asWas {
			continue
		}
		d := Drift{Address: st.Address, ID: id, Action: Delete, Before: m.without(id, conform(k, st.Attrs)), After: cty.NullVal(k.Type())}
		if obs != nil {
			have := conform(k, obs.Attrs)
			now := m.without(id, have)
			if !drifted(k, d.Before, now) {
				continue
			}
			d.Action, d.After = Update, show(k, now)
			if m.plan.Mode != RefreshOnly {
				if _, changed := settle(k, declared(r, have), have, false); len(changed) == 0 {
					continue
				}
			}
		}
		d.Stage = m.staged.Notes[id]
		m.plan.Drift = append(m.plan.Drift, d)
	}
	sort.SliceStable(m.plan.Drift, func(i, j int) bool { return m.plan.Drift[i].Address < m.plan.Drift[j].Address })
}

// foreign lists what is not ours and stays as it is.
func (m *maker) foreign() {
	if m.selected.some || m.back != nil || m.plan.Unseen {
		return // whoever looks at a part does not want the whole
	}
	for t := range m.things.all() {
		declared := t.desired != nil && m.plan.Mode != Destroy
		if t.observed != nil && !declared && t.observed.Owner == "" && t.prior == nil && !m.removed[t.id] {
			m.plan.Foreign = append(m.plan.Foreign, Foreign{ID: t.id, Ignored: m.ignoredBy(t)})
		}
	}
	if m.plan.Mode != Destroy {
		for _, f := range m.beside {
			m.plan.Foreign = append(m.plan.Foreign, f)
		}
	}
	sort.Slice(m.plan.Foreign, func(i, j int) bool { return m.plan.Foreign[i].ID.Less(m.plan.Foreign[j].ID) })
}
