package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/stage"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/zclconf/go-cty/cty/convert"
)

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
	plain := make([]bool, len(m.in.Desired)) // is as a plan has it
	parallel.Each(len(plain), func(i int) {
		r := &m.in.Desired[i]
		k := schema.KindByName(r.Kind)
		plain[i] = k != nil && !r.Attrs.ContainsMarked() && r.Attrs.IsWhollyKnown() && r.Attrs.Type().Equals(k.Type())
	})
	for i := range m.in.Desired {
		r := &m.in.Desired[i]
		k := schema.KindByName(r.Kind)
		if k == nil {
			m.errorf(r, "Unknown kind of resource", "%s is a %q, which is no kind of resource. This is a bug in mailform.", r.Address, r.Kind)
			continue
		}
		if !plain[i] {
			attrs, _ := r.Attrs.UnmarkDeep()
			if !attrs.IsWhollyKnown() {
				attrs, _ = state.Plain(attrs) // as a saved plan has it
			}
			attrs, err := convert.Convert(attrs, k.Type())
			if err != nil {
				m.errorf(r, "Unsuitable attributes", "The attributes of %s do not fit a %s: %s. This is a bug in mailform.", r.Address, r.Kind, err)
				continue
			}
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
