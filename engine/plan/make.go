package plan

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
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
	// Records, Time and Config are handed through to the plan.
	Records map[string][]string
	Time    time.Time
	Config  *config.Config
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
	switch m.plan.Mode {
	case Normal, Rollback:
		for _, r := range m.desired {
			if m.selected.wants(r.Address) {
				m.want(r)
			}
		}
		m.imports()
		m.takeAway()
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
	sort.SliceStable(m.plan.Changes, func(i, j int) bool {
		a, b := &m.plan.Changes[i], &m.plan.Changes[j]
		if a.Address != b.Address {
			return a.Address < b.Address
		}
		return a.ID.Less(b.ID)
	})
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
	in    Input
	prior *state.State
	// remembered are the identities in prior, sorted.
	remembered []schema.ID
	plan       *Plan
	diags      hcl.Diagnostics

	desired   []*schema.Resource // by address; attributes conform to the kind
	byID      map[schema.ID]*schema.Resource
	byAddress map[string]*schema.Resource
	// observed is what is there; retained what was deleted and can come back.
	observed, retained map[schema.ID]*providers.Observed
	// former finds by address what the state knows.
	former   map[string][]schema.ID
	moves    map[string][]renaming
	selected selection
	// asWas are those that were found to be what the state remembers.
	asWas map[schema.ID]bool
	// replaced are the old identities that some Replace takes away.
	replaced map[schema.ID]bool
	// back is set for a rollback.
	back *rollback
}

func newMaker(in Input) *maker {
	m := &maker{
		in:    in,
		prior: in.Prior,
		plan: &Plan{Mode: in.Mode, Targets: in.Targets, Excludes: in.Excludes, Replaces: in.Replaces, Records: in.Records, Config: in.Config,
			Time: in.Time, Variables: in.Config.Variables(), Checks: in.Config.Checks()},
		byID:      make(map[schema.ID]*schema.Resource, len(in.Desired)),
		byAddress: make(map[string]*schema.Resource, len(in.Desired)),
		observed:  map[schema.ID]*providers.Observed{},
		retained:  map[schema.ID]*providers.Observed{},
		former:    map[string][]schema.ID{},
		replaced:  map[schema.ID]bool{},
	}
	if m.plan.Mode == "" {
		m.plan.Mode = Normal
	}
	if m.prior == nil {
		m.prior = &state.State{}
	}
	m.asWas = make(map[schema.ID]bool, len(m.prior.Resources))
	m.plan.Unseen, m.plan.Unread = in.Unseen, in.Unread
	m.plan.Latest = latest(m.prior)
	if in.Undo != nil {
		m.plan.Back = &Back{Operation: in.Undo.Operation, Who: in.Undo.Who, At: in.Undo.At, Unfinished: in.Unfinished}
	}
	m.plan.Lineage, m.plan.Serial = m.prior.Lineage, m.prior.Serial
	m.indexDesired()
	for target, list := range in.Observed {
		for i := range list {
			o := &list[i]
			id := schema.ID{Target: target, Kind: o.Kind, Key: o.Key}
			if o.Retained {
				m.retained[id] = o
			} else {
				m.observed[id] = o
			}
		}
	}
	m.remembered = m.prior.IDs()
	m.moves = renamings(in.Config)
	for _, id := range m.remembered {
		a := m.movedTo(m.prior.Resources[id].Address)
		m.former[a] = append(m.former[a], id)
	}
	m.selectTargets()
	return m
}

func (m *maker) indexDesired() {
	for i := range m.in.Desired {
		r := m.in.Desired[i]
		k := schema.KindByName(r.Kind)
		if k == nil {
			m.errorf(&r, "Unknown kind of resource", "%s is a %q, which is no kind of resource. This is a bug in mailform.", r.Address, r.Kind)
			continue
		}
		attrs, _ := r.Attrs.UnmarkDeep()
		if !attrs.IsWhollyKnown() {
			attrs, _ = state.Plain(attrs) // as a saved plan has it
		}
		if !attrs.Type().Equals(k.Type()) {
			conv, err := convert.Convert(attrs, k.Type())
			if err != nil {
				m.errorf(&r, "Unsuitable attributes", "The attributes of %s do not fit a %s: %s. This is a bug in mailform.", r.Address, r.Kind, err)
				continue
			}
			attrs = conv
		}
		r.Attrs = attrs
		if other := m.byID[r.ID()]; other != nil {
			m.errorf(&r, "Declared twice", "%s and %s (at %s) are the same %s %s. Declare it once.",
				r.Address, other.Address, other.Range, r.Kind, r.Key)
			continue
		}
		if other := m.byAddress[r.Address]; other != nil {
			m.errorf(&r, "Declared twice", "%s stands for the %s %s and for the %s %s. This is a bug in mailform.",
				r.Address, other.Kind, other.Key, r.Kind, r.Key)
			continue
		}
		m.byID[r.ID()], m.byAddress[r.Address] = &r, &r
		m.desired = append(m.desired, &r)
	}
	sort.Slice(m.desired, func(i, j int) bool { return m.desired[i].Address < m.desired[j].Address })
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
	obs, st := m.observed[id], m.prior.Resources[id]
	c := Change{
		Address: r.Address, ID: id, PrevID: id,
		Observed: obs, DependsOn: r.DependsOn, PreventDestroy: r.PreventDestroy,
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
		m.asWas[id] = true
	}
	c.After = c.Before
	if len(changed) > 0 {
		c.After = show(k, want)
	}
	c.Wanted = withAttrs(r, want)
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
	case len(immutable) > 0 || m.asked(r):
		c.Action = Replace
		want = born(k, r.Attrs)
		c.After, c.Wanted = show(k, want), withAttrs(r, want)
		m.guard(r, id, c.Address)
	case len(changed) > 0:
		c.Action = Update
	case c.PrevAddress != "":
		c.Action = Move
	default:
		c.Action = NoOp
		// It is as it is to be: one copy of that does for all.
		r.Attrs = want
		c.Wanted = r
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
	if kept := m.retained[c.ID]; kept != nil {
		c.Observed = kept
		if n := comesBack(kept.Attrs); n != "" {
			c.Notes = append(c.Notes, n)
		}
	}
	if old, ok := m.predecessor(r); ok {
		obs := m.observed[old]
		if from := m.prior.Resources[old].Address; from != r.Address {
			c.PrevAddress = from
			if r.Kind == schema.KindMailbox {
				m.refuseMove(r, old, from)
				return
			}
		}
		m.replaced[old] = true
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
// for until now, if that is there and nobody else wants it.
func (m *maker) predecessor(r *schema.Resource) (schema.ID, bool) {
	for _, old := range m.former[r.Address] {
		if old.Kind == r.Kind && old != r.ID() && m.byID[old] == nil && m.observed[old] != nil {
			return old, true
		}
	}
	return schema.ID{}, false
}

// takeAway plans what is ours and no longer wanted.
func (m *maker) takeAway() {
	for _, id := range m.ours() {
		if m.replaced[id] || (m.plan.Mode != Destroy && m.byID[id] != nil) || (m.back != nil && !m.undoes(id)) {
			continue
		}
		st, obs := m.prior.Resources[id], m.observed[id]
		c := Change{Action: Delete, ID: id, PrevID: id, Observed: obs}
		if st != nil {
			c.Address, c.DependsOn, c.PreventDestroy = st.Address, st.DependsOn, st.PreventDestroy
		} else {
			c.Address = obs.Owner
		}
		if !m.selected.takes(c.Address) {
			continue
		}
		k := schema.KindByName(id.Kind)
		if obs == nil {
			c.Action = Forget
			c.Before = st.Attrs
			c.Notes = []string{"it is gone already"}
		} else if k != nil && (m.stays(c.Address) || m.leaves(st)) {
			c.Action = Forget
			c.Before = show(k, conform(k, obs.Attrs))
			c.Notes = []string{"it stays as it is, and is no longer managed"}
			if m.leaves(st) {
				c.Notes = []string{"it was there before mailform took it over, so it stays as it is, and is no longer managed"}
			}
		} else if k == nil {
			c.Before = obs.Attrs
		} else {
			c.Before = showAll(k, conform(k, obs.Attrs))
			m.guard(m.byID[id], id, c.Address)
			c.Notes = m.deleteNotes(id, obs)
		}
		c.After = cty.NullVal(c.Before.Type())
		m.plan.Changes = append(m.plan.Changes, c)
	}
}

// ours lists what the state knows, and what bears our mark without being in
// the state: what a killed run has done and not written down.
func (m *maker) ours() []schema.ID {
	ids := slices.Clone(m.remembered)
	for id, o := range m.observed {
		if o.Owner != "" && m.prior.Resources[id] == nil {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i].Less(ids[j]) })
	return ids
}

// guard refuses the deletion of what is protected, be it in the files or, where
// the block is gone, as it was last applied. r may be nil.
func (m *maker) guard(r *schema.Resource, id schema.ID, address string) {
	st := m.prior.Resources[id]
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
	for _, id := range m.remembered {
		st, obs, r := m.prior.Resources[id], m.observed[id], m.byID[id]
		k := schema.KindByName(id.Kind)
		if k == nil || !m.selected.either(st.Address) {
			continue
		}
		if m.plan.Mode == Destroy || m.plan.Mode != RefreshOnly && r == nil || m.asWas[id] {
			continue
		}
		d := Drift{Address: st.Address, ID: id, Action: Delete, Before: conform(k, st.Attrs), After: cty.NullVal(k.Type())}
		if obs != nil {
			have := conform(k, obs.Attrs)
			if !drifted(k, d.Before, have) {
				continue
			}
			d.Action, d.After = Update, show(k, have)
			if m.plan.Mode != RefreshOnly {
				if _, changed := settle(k, declared(r, have), have, false); len(changed) == 0 {
					continue
				}
			}
		}
		m.plan.Drift = append(m.plan.Drift, d)
	}
	sort.SliceStable(m.plan.Drift, func(i, j int) bool { return m.plan.Drift[i].Address < m.plan.Drift[j].Address })
}

// foreign lists what is not ours and stays as it is.
func (m *maker) foreign() {
	if m.selected.some || m.back != nil || m.plan.Unseen {
		return // whoever looks at a part does not want the whole
	}
	for id, o := range m.observed {
		declared := m.byID[id] != nil && m.plan.Mode != Destroy
		if !declared && o.Owner == "" && m.prior.Resources[id] == nil {
			m.plan.Foreign = append(m.plan.Foreign, Foreign{ID: id})
		}
	}
	sort.Slice(m.plan.Foreign, func(i, j int) bool { return m.plan.Foreign[i].ID.Less(m.plan.Foreign[j].ID) })
}
