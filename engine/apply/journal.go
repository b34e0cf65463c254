package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/zclconf/go-cty/cty"
)

// resource is what the state remembers of a change that was done.
func (r *run) resource(c *plan.Change, attrs cty.Value) *state.Resource {
	res := &state.Resource{
		ID: c.ID, Address: c.Address, Attrs: state.Keep(c.ID.Kind, attrs),
		DependsOn: c.DependsOn, PreventDestroy: c.PreventDestroy,
		Adopted: c.Action == plan.Adopt,
	}
	was := r.Prior.Resources[c.ID]
	if was != nil && c.Stage.Known(was.Staging) {
		res.Staging = was.Staging
	} else {
		res.Staging = c.Stage.Stays()
	}
	if was != nil && c.Action != plan.Replace {
		res.Adopted = res.Adopted || was.Adopted
	}
	if c.PreventDestroy && c.Wanted != nil && c.Wanted.Range.Filename != "" {
		res.Declared = fmt.Sprintf("%s:%d", c.Wanted.Range.Filename, c.Wanted.Range.Start.Line)
	}
	return res
}

// journal makes entries durable. If that fails nothing more is done: what a
// run does and cannot write down, the next one has to find out.
//
// What comes first tells of the apply that it belongs to.
func (r *run) journal(ctx context.Context, entries []state.Entry) bool {
	count := len(entries)
	if r.Record != nil && !r.begun && r.Plan.Mode != plan.RefreshOnly && !r.Plan.Empty() {
		r.begun = true
		entries = append([]state.Entry{{Begin: r.Record}}, entries...)
	}
	if len(entries) == 0 {
		return true
	}
	if err := r.Backend.Append(ctx, entries); err != nil {
		r.broken = true
		r.errorf(nil, "Cannot write the state",
			"%d changes were made that the state does not know of: %s. Nothing more was done. The next plan finds them by what is there.", count, err)
		return false
	}
	return true
}

// record writes down what concerns the state alone: what was moved, adopted as
// it is or has gone, and for what stays as it is whatever the state has
// otherwise or not at all. Before the first change the state knows that an apply
// has begun: whoever finds it killed knows that there may be more than it says.
// It reports whether the run can go on.
func (r *run) record(ctx context.Context) bool {
	var entries []state.Entry
	var sum Summary
	if r.Plan.Mode == plan.RefreshOnly {
		entries, sum.Forgotten = r.refresh()
	}
	for i := range r.Plan.Changes {
		c := &r.Plan.Changes[i]
		switch {
		case c.Action == plan.Forget && !c.Reaches():
			id := c.ID
			entries = append(entries, state.Entry{Delete: &id})
			sum.Forgotten++
		case c.Reaches():
		default:
			if was := r.Prior.Resources[c.ID]; was == nil || !remembered(was, c) {
				entries = append(entries, state.Entry{Put: r.resource(c, c.After)})
			}
			if c.Action == plan.Adopt {
				sum.Imported++
			}
		}
	}
	if !r.journal(ctx, entries) {
		return false
	}
	r.sum.Forgotten, r.sum.Imported = sum.Forgotten, sum.Imported
	return true
}

// refresh takes over what has drifted, and counts what has gone.
func (r *run) refresh() (entries []state.Entry, gone int) {
	for i := range r.Plan.Drift {
		d := &r.Plan.Drift[i]
		was := r.Prior.Resources[d.ID]
		if was == nil {
			continue
		}
		if d.Action == plan.Delete {
			entries = append(entries, state.Entry{Delete: &d.ID})
			gone++
			continue
		}
		now := *was
		now.Attrs = state.Keep(d.ID.Kind, d.After)
		if d.Stage != nil && d.Stage.Gained {
			now.Staging = d.Stage.Stays()
		}
		entries = append(entries, state.Entry{Put: &now})
	}
	return entries, gone
}

// remembered reports whether the state has what it would be told of a change.
func remembered(was *state.Resource, c *plan.Change) bool {
	return was.Address == c.Address && was.PreventDestroy == c.PreventDestroy &&
		slices.Equal(was.DependsOn, c.DependsOn) && (c.AsRemembered || state.Keeps(c.ID.Kind, was.Attrs, c.After)) &&
		c.Stage.Known(was.Staging)
}

// finish writes down what is known only now that all has been done: the outputs,
// and that it has. A run that finds nothing to do ends one that was killed after
// its last change.
func (r *run) finish(ctx context.Context) {
	entries := r.outputs()
	if r.diags.HasErrors() {
		return
	}
	p := r.Plan
	whole := len(p.Targets)+len(p.Excludes) == 0
	begun := r.begun || len(entries) > 0 || whole && r.Prior.Open != nil
	if r.Record != nil && begun && p.Mode != plan.RefreshOnly {
		entries = append(entries, state.Entry{End: true})
	}
	if len(entries) == 0 {
		return
	}
	r.journal(ctx, entries)
	if out := entries[0].Outputs; out != nil && !r.broken && r.Written != nil {
		r.Written(out)
	}
}

// outputs are the outputs to be written, if they change. Those that were unknown
// in the plan are known by now.
func (r *run) outputs() []state.Entry {
	changed, unknown := false, false
	for _, o := range r.Plan.Outputs {
		changed = changed || o.Action != plan.NoOp
		unknown = unknown || (o.Action != plan.Delete && !o.After.IsWhollyKnown())
	}
	if !changed {
		return nil
	}
	var found map[string]config.Output
	if unknown && r.Outputs != nil {
		list, diags := r.Outputs(r.known)
		r.diags = append(r.diags, diags...)
		if diags.HasErrors() {
			return nil
		}
		found = make(map[string]config.Output, len(list))
		for _, o := range list {
			found[o.Name] = o
		}
	}
	out := map[string]state.Output{}
	for _, o := range r.Plan.Outputs {
		if o.Action == plan.Delete {
			continue
		}
		value := o.After
		if !value.IsWhollyKnown() {
			value = found[o.Name].Value
			if value == cty.NilVal {
				value = cty.DynamicVal
			}
		}
		enc, err := state.NewOutput(value, o.Sensitive)
		if err != nil {
			r.errorf(nil, "Cannot write an output", "The output %q was not written: %s. This is a bug in mailform.", o.Name, err)
			continue
		}
		out[o.Name] = enc
	}
	return []state.Entry{{Outputs: out}}
}
