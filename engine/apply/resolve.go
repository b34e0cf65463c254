package apply

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// unknowns reports whether anything that is to be done is known only later. It
// notes which changes those are.
func (r *run) unknowns() bool {
	lacks := make([]bool, len(r.Plan.Changes))
	parallel.Each(len(lacks), func(i int) {
		c := &r.Plan.Changes[i]
		lacks[i] = c.Reaches() && lacking(c)
	})
	for i, l := range lacks {
		if l {
			r.lacking[i] = true
		}
	}
	if len(r.lacking) > 0 {
		return true
	}
	for _, o := range r.Plan.Outputs {
		if o.After != cty.NilVal && !o.After.IsWhollyKnown() {
			return true
		}
	}
	return false
}

// lacking reports whether attributes are not known that have to be before the
// provider gets the change. What the target decides itself is none of them.
func lacking(c *plan.Change) bool {
	if c.Wanted == nil {
		return false
	}
	attrs := schema.KindByName(c.ID.Kind).Attributes
	for i := range attrs {
		if a := &attrs[i]; !a.Computed && !c.Wanted.Attrs.GetAttr(a.Name).IsWhollyKnown() {
			return true
		}
	}
	return false
}

// unresolved is why a change is skipped whose values could not be found.
const unresolved = "its values are not known, because something before it was not done"

// resolve finds the values that the changes of a phase miss, from what the
// phases before have brought into being. A change whose values cannot be found
// is not tried.
func (r *run) resolve(ph *plan.Phase) {
	type open struct {
		batch *plan.Batch
		index int
	}
	var opens []open
	for b := range ph.Batches {
		for _, i := range ph.Batches[b].Changes {
			if !ph.Batches[b].Deletes && r.lacking[i] && r.obstacle(&ph.Batches[b], i) == "" {
				opens = append(opens, open{&ph.Batches[b], i})
			}
		}
	}
	if len(opens) == 0 {
		return
	}
	if r.Resolve == nil {
		r.errorf(nil, "Values are missing", "The plan has values that are known only after apply, and nothing to find them with. This is a bug in mailform.")
	}
	var found map[string]schema.Resource
	if r.Resolve != nil {
		all, diags := r.Resolve(r.known)
		r.diags = append(r.diags, diags...)
		found = all
	}
	if r.resolved == nil {
		r.resolved = map[int]*schema.Resource{}
	}
	for _, o := range opens {
		c := &r.Plan.Changes[o.index]
		res, ok := found[c.Address]
		if !ok {
			r.undone[o.index] = unresolved
			continue
		}
		full, why := fulfil(c, &res)
		switch {
		case why == "":
			r.resolved[o.index] = full
		case len(r.failed) > 0:
			// The source of the value was not made: that has been told.
			r.undone[o.index] = unresolved
		default:
			r.undone[o.index] = unresolved
			r.errorf(c.Wanted.Range.Ptr(), "The plan does not hold",
				"%s: %s. It was not applied. This is a bug in mailform.", c.Address, why)
		}
	}
}

// fulfil is the planned resource with the values that were missing. It says why
// not, where the resource is another one now than it was planned to be.
func fulfil(c *plan.Change, now *schema.Resource) (*schema.Resource, string) {
	if now.ID() != c.ID {
		return nil, fmt.Sprintf("it was to be the %s %s at %s, and is the %s %s at %s now",
			c.ID.Kind, c.ID.Key, c.ID.Target, now.Kind, now.Key, now.Target)
	}
	k := schema.KindByName(c.ID.Kind)
	attrs, _ := now.Attrs.UnmarkDeep()
	attrs, err := convert.Convert(attrs, k.Type())
	if err != nil {
		return nil, fmt.Sprintf("its attributes do not fit a %s any more: %s", c.ID.Kind, err)
	}
	vals := c.Wanted.Attrs.AsValueMap()
	var odd []string
	for _, a := range k.Attributes {
		planned, is := vals[a.Name], attrs.GetAttr(a.Name)
		switch {
		case a.Computed || planned.IsWhollyKnown() && slices.Contains(c.Wanted.IgnoreChanges, a.Name):
		case planned.IsWhollyKnown():
			if !planned.RawEquals(is) {
				odd = append(odd, a.Name+" is another than was planned")
			}
		case !is.IsWhollyKnown():
			odd = append(odd, a.Name+" is still not known")
		default:
			vals[a.Name] = is
		}
	}
	if len(odd) > 0 {
		return nil, strings.Join(odd, ", ")
	}
	full := *c.Wanted
	full.Attrs = cty.ObjectVal(vals)
	return &full, ""
}
