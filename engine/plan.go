package engine

import (
	"context"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// PlanOptions say what is planned.
type PlanOptions struct {
	Mode plan.Mode // empty: plan.Normal
	// Targets, Excludes and Replaces are -target, -exclude and -replace arguments.
	Targets, Excludes, Replaces []string
	// Unseen plans by the state, without a look at what is there.
	Unseen bool
	// Confirm are -confirm arguments: IDs of brakes, or plan.ConfirmAll.
	Confirm []string
	// Time that the plan is made for, to stand in it, and what plantimestamp is;
	// zero: none.
	Time time.Time
}

// Plan computes what there is to do.
//
// With -target, users and aliases that are not meant are not even evaluated,
// nor the instances of theirs that nothing else names.
// That tells for certain what is made and changed. What is taken away, taken
// over or moved may be another thing in the light of all files, so that a plan
// with any of these, or without anything, is made anew from everything.
func (s *Session) Plan(ctx context.Context, o PlanOptions) (*plan.Plan, hcl.Diagnostics) {
	s.opts.Config.PlanTime = o.Time
	if len(o.Targets) > 0 && len(o.Excludes)+len(o.Replaces) == 0 && (o.Mode == "" || o.Mode == plan.Normal) {
		s.opts.Config.Narrow = plan.Reaches(o.Targets)
		if p, diags := s.plan(ctx, o); !diags.HasErrors() && grows(p) {
			return p, diags
		}
		s.opts.Config.Narrow = nil
	}
	return s.plan(ctx, o)
}

// grows reports whether a plan only makes and changes things.
func grows(p *plan.Plan) bool {
	for i := range p.Changes {
		switch p.Changes[i].Action {
		case plan.Create, plan.Update, plan.NoOp:
		default:
			return false
		}
	}
	return len(p.Changes) > 0
}

func (s *Session) plan(ctx context.Context, o PlanOptions) (*plan.Plan, hcl.Diagnostics) {
	d, w, diags := s.look(ctx, o)
	if diags.HasErrors() {
		return nil, diags
	}
	stays := d.expand.Resources
	if o.Mode == plan.Destroy {
		stays = nil
	}
	diags = append(diags, s.count(ctx, w, stays)...)
	if diags = append(diags, s.countQueued(ctx, w, stays)...); diags.HasErrors() {
		return nil, diags
	}
	s.planned, s.options = d, o
	in := plan.Input{
		Desired:  d.expand.Resources,
		Observed: w.observed,
		Prior:    s.prior,
		Mode:     o.Mode,
		Targets:  o.Targets,
		Excludes: o.Excludes,
		Replaces: o.Replaces,
		Confirm:  o.Confirm,
		Outputs:  d.outputs,
		Records:  d.expand.Records,
		Zones:    d.expand.Zones,
		Config:   d.cfg,
		Time:     o.Time,
		Now:      s.opts.Now(),
		Unseen:   o.Unseen,
		Unread:   w.unread,
		Queued:   w.queued,
	}
	if o.Mode == plan.Rollback {
		in.Undo, in.Unfinished = s.prior.Back()
	}
	p, more := plan.Make(in)
	return p, append(diags, more...)
}

// look finds out what the files come to and what is there. The replaced ones
// (-replace arguments) are taken as not born yet.
func (s *Session) look(ctx context.Context, o PlanOptions) (*described, *world, hcl.Diagnostics) {
	known := map[schema.ID]cty.Value{}
	for id, r := range s.prior.Resources {
		if hasComputed(id.Kind) {
			known[id] = r.Attrs
		}
	}
	d, diags := s.describe(knownFrom(known))
	if diags.HasErrors() {
		return nil, nil, diags
	}
	w, more := s.observe(ctx, d, o)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	changed := refreshKnown(known, w.observed)
	for i := range d.expand.Resources {
		// What is made anew is born anew: the old one's values are no help.
		r := &d.expand.Resources[i]
		if have, ok := known[r.ID()]; ok && (plan.Reborn(r, have) || plan.Asked(o.Replaces, r)) {
			delete(known, r.ID())
			changed = true
		}
	}
	if changed {
		d, more = s.describe(knownFrom(known))
		if diags = more; diags.HasErrors() {
			return nil, nil, diags
		}
	}
	return d, w, diags
}

// refreshKnown takes over what the live systems say of computed values, and
// reports whether that is something else than was remembered.
func refreshKnown(known map[schema.ID]cty.Value, observed map[string][]providers.Observed) bool {
	changed := false
	seen := map[schema.ID]bool{}
	for target, list := range observed {
		for _, o := range list {
			if !hasComputed(o.Kind) || o.Retained {
				continue
			}
			id := schema.ID{Target: target, Kind: o.Kind, Key: o.Key}
			seen[id] = true
			if was, ok := known[id]; !ok || !was.RawEquals(o.Attrs) {
				known[id] = o.Attrs
				changed = true
			}
		}
	}
	for id := range known {
		if !seen[id] {
			delete(known, id)
			changed = true
		}
	}
	return changed
}

// hasComputed reports whether a kind has values that are born in apply and that
// other resources are made of.
func hasComputed(kind string) bool {
	k := schema.KindByName(kind)
	if k == nil {
		return false
	}
	for _, a := range k.Attributes {
		if a.Computed && !a.Info {
			return true
		}
	}
	return false
}
