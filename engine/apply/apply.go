package apply

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

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
	// Plan comes from plan.Make; one that was read from a file has no secrets
	// and cannot be carried out.
	Plan *plan.Plan
	// Prior is the state that the plan was made from; nil: it is loaded.
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
	// Written is told the outputs when other ones than before are in the state;
	// it may be nil.
	Written func(map[string]state.Output)
	// Observer may be nil.
	Observer Observer
	// Parallelism is how many targets are worked at side by side; 0: all.
	Parallelism int
	// Record says whose apply it is; nil: the state does not tell applies apart.
	Record *state.Applied
	// Now is the clock by which resolvers forget what they have; nil: time.Now.
	Now func() time.Time
	// Saved is set where the plan was reviewed in a file; it words conflicts.
	Saved bool
}

// An Observer is told of the progress. It is called by one goroutine at a time.
// Of a replaced resource it hears twice, with the actions Create and Delete.
type Observer interface {
	// Started comes before a change is handed to its provider.
	Started(c *plan.Change, a providers.Action)
	// Completed and Failed end what Started began.
	Completed(c *plan.Change, a providers.Action)
	Failed(c *plan.Change, a providers.Action, err error)
	// Skipped comes for what was not tried, and says why.
	Skipped(c *plan.Change, a providers.Action, why string)
}

// Summary counts what was done. A replaced resource counts as added and as
// destroyed.
type Summary struct {
	Imported, Added, Changed, Destroyed, Forgotten int
	// Failed and Skipped count changes that were not done.
	Failed, Skipped int
	// Unread counts targets that could not be read, so that nothing was tried there.
	Unread int
	// NextStage is when the next stage of what was left in one is due; zero: all is
	// as it is to be.
	NextStage time.Time
	// Cancelled is set when the plan did not come to its end for another reason
	// than its changes: the context ended, the state could not be written.
	Cancelled bool
}

// Complete reports whether all of the plan was done.
func (s Summary) Complete() bool {
	return s.Failed == 0 && s.Skipped == 0 && s.Unread == 0 && !s.Cancelled
}

// Run carries out a plan. The summary tells what was done, whatever happened;
// the diagnostics why the rest was not.
//
// When the context ends, the batches under way are finished and written down,
// and no others begin. An empty plan writes what the state did not know yet, if
// there is anything, and nothing else.
func Run(ctx context.Context, o Options) (Summary, hcl.Diagnostics) {
	r := &run{Options: o, failed: map[string]bool{}, undone: map[int]string{}, stillNeeded: map[string]bool{}, closed: map[string]string{}, lacking: map[int]bool{}, next: map[schema.ID]time.Time{}}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Observer == nil {
		r.Observer = nobody{}
	}
	if !r.ready(ctx) {
		r.sum.Cancelled = true
		return r.sum, r.diags
	}
	// What was begun is finished: providers and the journal are not interrupted.
	work := context.WithoutCancel(ctx)
	if !r.record(work) {
		r.sum.Cancelled = true
		return r.sum, r.diags
	}
	for i := range r.Plan.Phases {
		ph := &r.Plan.Phases[i]
		if ctx.Err() != nil || r.broken {
			r.skipPhase(ph)
			continue
		}
		r.holding = r.held
		r.resolve(ph)
		r.phase(work, ph)
	}
	if ctx.Err() != nil && r.sum.Skipped > 0 {
		r.sum.Cancelled = true
		r.errorf(nil, "Interrupted", "%d changes were not tried. The next plan and apply go on from here.", r.sum.Skipped)
	}
	r.nextStage()
	r.unread()
	if r.sum.Complete() && !r.diags.HasErrors() {
		r.finish(work)
	}
	if r.broken && r.sum.Complete() {
		r.sum.Cancelled = true
	}
	return r.sum, r.diags
}

// A run is the state of one Run.
type run struct {
	Options

	// mu guards what follows: targets are worked at side by side.
	mu    sync.Mutex
	sum   Summary
	diags hcl.Diagnostics
	// known holds what is there by now; nil where nobody will ask.
	known map[schema.ID]cty.Value
	// undone says of changes why they are not to be tried: some part of them
	// failed or was skipped, or their values are not known.
	undone map[int]string
	// failed holds the addresses of what was to be made and was not.
	failed map[string]bool
	// stillNeeded holds the addresses of what was depended on by something that
	// was to be deleted and was not.
	stillNeeded map[string]bool
	// closed says of a target why nothing more goes there, by its name; a name
	// with deletesOf before it, why no more deletes do.
	closed map[string]string
	// held says why nothing more is pointed to or taken away; see guards. It
	// counts from the next phase on, as holding: what runs side by side in one
	// phase does not depend on who is first.
	held, holding string
	// begun is set once the state knows of this apply.
	begun bool
	// broken is set when the journal cannot be written: then nothing more is done.
	broken bool
	// lacking holds the indexes of the changes of which something is known only
	// when others have been made.
	lacking map[int]bool
	// resolved holds the values found by resolve, by index of the change.
	resolved map[int]*schema.Resource
	// next is when the next stage is due of what was changed.
	next map[schema.ID]time.Time
}

// ready checks what must be so before anything is done.
func (r *run) ready(ctx context.Context) bool {
	if r.Prior == nil {
		st, err := r.Backend.Load(ctx)
		if err != nil {
			r.errorf(nil, "Cannot read the state", "Nothing has been changed: %s.", err)
			return false
		}
		r.Prior = st
	}
	p := r.Plan
	if p.Unseen && !p.Empty() {
		r.errorf(nil, "Plan without a look", "The plan was made by the state, and was not held against what is there. Nothing has been changed. This is a bug in mailform.")
		return false
	}
	for target := range p.Unread {
		r.closed[target] = target + " could not be read"
	}
	begun := p.Lineage == "" && p.Serial == 0 // before the first write
	if p.Serial != r.Prior.Serial || (p.Lineage != r.Prior.Lineage && !begun) {
		r.errorf(nil, "Saved plan is stale",
			"The plan was made from serial %d of the state, which is at serial %d by now. Nothing has been changed. Make a new plan.", p.Serial, r.Prior.Serial)
		return false
	}
	missing := map[string]bool{}
	for _, ph := range p.Phases {
		for _, b := range ph.Batches {
			if r.Providers[b.Target] == nil {
				missing[b.Target] = true
			}
			for _, i := range b.Changes {
				if c := &p.Changes[i]; !b.Deletes && c.Wanted == nil && c.Action != plan.Forget {
					r.errorf(nil, "Plan without values", "The plan for %s has no values to apply: it was read from a file. This is a bug in mailform.", c.Address)
					return false
				}
			}
		}
	}
	names := make([]string, 0, len(missing))
	for t := range missing {
		names = append(names, t)
	}
	sort.Strings(names)
	for _, t := range names {
		r.errorf(nil, "Provider missing", "The plan has changes for %s, but no such provider was set up. Nothing has been changed. This is a bug in mailform.", t)
	}
	if r.unknowns() {
		r.known = map[schema.ID]cty.Value{}
		for i := range p.Changes {
			if c := &p.Changes[i]; c.Observed != nil && !c.Observed.Retained && c.Action != plan.Delete && c.Action != plan.Replace {
				r.known[c.ID] = c.Observed.Attrs
			}
		}
	}
	return len(names) == 0
}

// nextStage finds out when there is more to do: of what was changed by when that
// was, of the rest by the plan.
func (r *run) nextStage() {
	for i := range r.Plan.Staged {
		m := &r.Plan.Staged[i]
		at, changed := r.next[m.ID]
		if n := m.Next(); !changed && n != nil {
			at = n.NotBefore
		}
		if !at.IsZero() && (r.sum.NextStage.IsZero() || at.Before(r.sum.NextStage)) {
			r.sum.NextStage = at
		}
	}
}

// unread tells of the targets at which nothing was tried.
func (r *run) unread() {
	for _, target := range r.Plan.UnreadTargets() {
		r.sum.Unread++
		r.errorf(nil, "Cannot read what is there",
			"The provider %s could not tell what it has: %s. Nothing was tried there; the next plan and apply go on from here.", target, r.Plan.Unread[target])
	}
}

func (r *run) errorf(at *hcl.Range, summary, format string, args ...any) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	if at != nil && at.Filename != "" {
		d.Subject = at
	}
	r.diags = append(r.diags, d)
}

// phase runs the batches of a phase, those of a target as one, targets side by
// side.
func (r *run) phase(ctx context.Context, ph *plan.Phase) {
	var targets []string
	batches := map[string][]*plan.Batch{}
	for i := range ph.Batches {
		b := &ph.Batches[i]
		if batches[b.Target] == nil {
			targets = append(targets, b.Target)
		}
		batches[b.Target] = append(batches[b.Target], b)
	}
	limit := r.Parallelism
	if limit <= 0 {
		limit = len(targets)
	}
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for _, t := range targets {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.batch(ctx, batches[t])
		})
	}
	wg.Wait()
}

// nobody is the Observer of a run that nobody looks at.
type nobody struct{}

func (nobody) Started(*plan.Change, providers.Action)         {}
func (nobody) Completed(*plan.Change, providers.Action)       {}
func (nobody) Failed(*plan.Change, providers.Action, error)   {}
func (nobody) Skipped(*plan.Change, providers.Action, string) {}
