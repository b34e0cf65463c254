package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// ApplyOptions say what to apply.
type ApplyOptions struct {
	// Plan is one that this session has made.
	Plan *plan.Plan
	// Saved is set where the plan was reviewed in a file.
	Saved bool
	// Observer is told of the progress; it may be nil.
	Observer apply.Observer
}

// Apply carries out a plan that this session has made. It refuses one that has
// brakes which nobody has confirmed.
func (s *Session) Apply(ctx context.Context, o ApplyOptions) (apply.Summary, hcl.Diagnostics) {
	if s.opts.NoLock {
		return apply.Summary{}, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "No lock",
			Detail:   "Nothing has been changed: the state was opened without its lock. This is a bug in mailform.",
		}}
	}
	if ids := o.Plan.Unconfirmed(); len(ids) > 0 {
		return apply.Summary{}, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Confirmation needed",
			Detail: fmt.Sprintf("Nothing has been changed: the plan has brakes that nobody has confirmed. "+
				"If all of it is meant, give -confirm=%s.", strings.Join(ids, " -confirm=")),
		}}
	}
	if o.Plan.Unseen && !o.Plan.Empty() {
		if diags := s.verify(ctx, o.Plan); diags.HasErrors() {
			return apply.Summary{Cancelled: true}, diags
		}
	}
	if diags := s.begin(ctx, o.Plan); diags.HasErrors() {
		return apply.Summary{Cancelled: true}, diags
	}
	return apply.Run(ctx, apply.Options{
		Plan:        o.Plan,
		Prior:       s.prior,
		Backend:     s.backend,
		Providers:   s.targets,
		Observer:    o.Observer,
		Saved:       o.Saved,
		Record:      state.NewApplied(operation(o.Plan), who(), time.Now()),
		Now:         s.opts.Now,
		Parallelism: s.opts.Parallelism,
		Resolve: func(known map[schema.ID]cty.Value) (map[string]schema.Resource, hcl.Diagnostics) {
			d, diags := s.describe(knownFrom(known))
			if diags.HasErrors() {
				return nil, diags
			}
			diags = nil // warnings are told once, at the end
			plan.KeepIgnored(d.expand.Resources, d.expand.Zones, o.Plan.Finds())
			byAddress := make(map[string]schema.Resource, len(d.expand.Resources))
			for _, r := range d.expand.Resources {
				byAddress[r.Address] = r
			}
			return byAddress, diags
		},
		Written: func(outputs map[string]state.Output) { s.written = outputs },
		Outputs: func(known map[schema.ID]cty.Value) ([]config.Output, hcl.Diagnostics) {
			d, diags := s.describe(knownFrom(known))
			if diags.HasErrors() {
				return nil, diags
			}
			return d.outputs, diags
		},
	})
}

// operation is what the state calls the carrying out of a plan.
func operation(p *plan.Plan) string {
	if p.Mode == plan.Rollback {
		return state.OperationRollback
	}
	return state.OperationApply
}

// begin makes the state's lineage before the first change, so that what the
// providers make is marked as ours even if this process is killed at once. A state
// that is there is encrypted as the files say by now, also where nothing changes.
func (s *Session) begin(ctx context.Context, p *plan.Plan) hcl.Diagnostics {
	first := s.prior.Lineage == ""
	if first && p.Empty() {
		return nil
	}
	err := s.backend.Append(ctx, nil)
	var st *state.State
	if err == nil && first {
		st, err = s.backend.Load(ctx)
	}
	if err != nil && !first {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot write the state",
			Detail:   fmt.Sprintf("Nothing has been changed, because the state cannot be written: %s.", err),
		}}
	}
	if err != nil {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot write the state",
			Detail:   fmt.Sprintf("Nothing has been changed, because the state could not be begun: %s.", err),
		}}
	}
	if !first {
		return nil
	}
	s.prior.Lineage = st.Lineage
	var diags hcl.Diagnostics
	for _, target := range slices.Sorted(maps.Keys(s.targets)) {
		diags = append(diags, s.configureAs(ctx, target, s.targets[target], s.cfg)...)
	}
	return diags
}
