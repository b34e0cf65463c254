package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
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
		d.addf("the state is at serial %d, the plan was made from serial %d%s", b.Serial, a.Serial, b.lastApply())
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
	if a.Unseen != b.Unseen {
		d.addf("the one plan was made by the state alone, the other not")
	}
	d.stages(a.Staged, b.Staged)
	d.variables(a.Variables, b.Variables)
	d.changes(a.Changes, b.Changes)
	d.outputs(a.Outputs, b.Outputs)
	if a.Mode == RefreshOnly {
		d.drift(a.Drift, b.Drift)
	}
	return d.String(), len(d) == 0
}

// lastApply says who applied last, as the end of a sentence.
func (p *Plan) lastApply() string {
	if p.Latest == nil || p.Latest.Who == "" {
		return ""
	}
	what := "apply"
	if p.Latest.Operation == state.OperationRollback {
		what = "rollback"
	}
	return fmt.Sprintf("; the last %s was by %s, at %s", what, p.Latest.Who, p.Latest.At.UTC().Format(time.RFC3339))
}

type differences []string

func (d *differences) addf(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d differences) String() string {
	if len(d) > differencesShown {
		d = append(d[:differencesShown:differencesShown], fmt.Sprintf("and %d more", len(d)-differencesShown))
	}
	return strings.Join(d, "\n")
}

// stages names those that have become due since the plan was saved. What is to be
// done then differs as well.
func (d *differences) stages(saved, now []Staged) {
	due := map[string]bool{}
	for i := range saved {
		due[saved[i].Address] = saved[i].Steps[0].Due
	}
	for i := range now {
		was, ok := due[now[i].Address]
		if s := &now[i].Steps[0]; ok && !was && s.Due {
			d.addf("%s: its next stage (%s) has become due since the plan was made", now[i].Address, s.Name)
		}
	}
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
		default:
			before := len(*d)
			d.values(a, "is there", a.Before, b.Before)
			if len(*d) == before && revision(a) != revision(b) {
				d.addf("%s: somebody has written the %s %s at %s since the plan was made", a.Address, a.ID.Kind, a.ID.Key, a.ID.Target)
			}
			d.values(a, "is wanted", a.After, b.After)
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
func (d *differences) values(c *Change, what string, a, b cty.Value) {
	kind := c.ID.Kind
	a, b = state.Keep(kind, a), state.Keep(kind, b)
	if a.RawEquals(b) {
		return
	}
	var parts []string
	if k := schema.KindByName(kind); k != nil && !a.IsNull() && !b.IsNull() {
		a, b = conform(k, a), conform(k, b)
		for _, attr := range k.Attributes {
			was, is := a.GetAttr(attr.Name), b.GetAttr(attr.Name)
			switch {
			case was.RawEquals(is):
			case attr.Sensitive || !was.IsWhollyKnown() || !is.IsWhollyKnown():
				parts = append(parts, fmt.Sprintf("another %s %s", attr.Name, what))
			default:
				parts = append(parts, fmt.Sprintf("%s = %s %s, and was %s", attr.Name, inline(is), what, inline(was)))
			}
		}
	}
	if len(parts) == 0 {
		d.addf("%s: what %s is another", c.Address, what)
		return
	}
	d.addf("%s (%s %s at %s): %s", c.Address, kind, c.ID.Key, c.ID.Target, strings.Join(parts, "; "))
}

// inlineShown is how much of a value a sentence has, in bytes.
const inlineShown = 60

// inline writes a known value for a sentence.
func inline(v cty.Value) string {
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil || v.IsNull() {
		return "none"
	}
	if len(raw) > inlineShown {
		return strings.ToValidUTF8(string(raw[:inlineShown]), "") + "…"
	}
	return string(raw)
}

// variables compares what the files were evaluated with.
func (d *differences) variables(saved, now []config.VariableValue) {
	was := make(map[string]config.VariableValue, len(saved))
	for _, v := range saved {
		was[v.Name] = v
	}
	for _, v := range now {
		w, ok := was[v.Name]
		delete(was, v.Name)
		switch {
		case !ok:
			d.addf("var.%s: the files did not have this variable when the plan was made", v.Name)
		case v.Sensitive || w.Sensitive:
		case !sameValue(w.Value, v.Value):
			d.addf("var.%s is %s, and was %s when the plan was made", v.Name, inline(v.Value), inline(w.Value))
		}
	}
	for _, v := range saved {
		if _, gone := was[v.Name]; gone {
			d.addf("var.%s: the files no longer have this variable", v.Name)
		}
	}
}

// sameValue compares values of which one went through a file.
func sameValue(a, b cty.Value) bool {
	if a == cty.NilVal || b == cty.NilVal {
		return a == b
	}
	return a.RawEquals(b) || inlineWhole(a) == inlineWhole(b)
}

func inlineWhole(v cty.Value) string {
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return "?"
	}
	return string(raw)
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
