// Package apply carries out a plan.
package apply

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Options are what a run needs.
type Options struct {
	// Plan comes from plan.Make, not from a file.
	Plan *plan.Plan
	// Prior is the state that the plan was made from.
	Prior *state.State
	// Backend is locked by the caller.
	Backend state.Backend
	// Providers by target, configured.
	Providers map[string]providers.Provider
	// Resolve gives the desired resources, by address, once values that were
	// unknown in the plan are known: known holds the attributes of what is
	// there by now. Needed only where the plan has unknown values.
	Resolve func(known map[schema.ID]cty.Value) (map[string]schema.Resource, hcl.Diagnostics)
	// Outputs is the same for outputs.
	Outputs func(known map[schema.ID]cty.Value) ([]config.Output, hcl.Diagnostics)
	// Observer may be nil.
	Observer Observer
	// Parallelism is how many targets are worked at side by side; 0: all.
	Parallelism int
	// Saved is set where the plan was reviewed in a file; it words conflicts.
	Saved bool
}

// An Observer is told of the progress. It is called by one goroutine at a time.
type Observer interface {
	Started(c *plan.Change, a providers.Action)
	Completed(c *plan.Change, a providers.Action)
	Failed(c *plan.Change, a providers.Action, err error)
	Skipped(c *plan.Change, a providers.Action, why string)
}

// Summary counts what was done.
type Summary struct {
	Imported, Added, Changed, Destroyed, Forgotten int
	// Failed and Skipped count changes that were not done.
	Failed, Skipped int
	// Cancelled is set when the context ended before the plan.
	Cancelled bool
}

// Run carries out a plan.
func Run(ctx context.Context, o Options) (Summary, hcl.Diagnostics) { return Summary{}, nil }

// Complete reports whether all of the plan was done.
func (s Summary) Complete() bool { return s.Failed == 0 && s.Skipped == 0 && !s.Cancelled }
