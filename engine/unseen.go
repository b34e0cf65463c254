package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
)

// observe says what is there: as the targets tell, or as the state does where
// nobody is to ask them. A target that cannot be read does not hold up the
// others: of it, too, the state has to do.
func (s *Session) observe(ctx context.Context, d *described, o PlanOptions) (*world, hcl.Diagnostics) {
	if o.Unseen {
		return &world{observed: remembered(s.prior, nil)}, nil
	}
	w, diags := s.read(ctx, d)
	if diags.HasErrors() {
		return nil, diags
	}
	if len(w.unread) > 0 && o.Mode == plan.RefreshOnly { // to know a part of it is of no use
		return nil, append(diags, w.errors()...)
	}
	if len(w.unread) > 0 {
		maps.Copy(w.observed, remembered(s.prior, w.unread))
	}
	return w, diags
}

// lookAll is look for those who need all of what is there.
func (s *Session) lookAll(ctx context.Context) (*described, map[string][]providers.Observed, hcl.Diagnostics) {
	d, w, diags := s.look(ctx, PlanOptions{})
	if diags.HasErrors() {
		return nil, nil, diags
	}
	return d, w.observed, append(diags, w.errors()...)
}

// remembered is what the targets have according to the state, in some of them or
// (only is nil) in all. Secrets are fingerprints, and there are no revisions: it
// cannot be applied.
func remembered(st *state.State, only map[string]string) map[string][]providers.Observed {
	observed := map[string][]providers.Observed{}
	for _, id := range st.IDs() {
		if _, ok := only[id.Target]; only != nil && !ok {
			continue
		}
		r := st.Resources[id]
		observed[id.Target] = append(observed[id.Target], providers.Observed{Kind: id.Kind, Key: id.Key, Attrs: r.Attrs, Owner: r.Address})
	}
	return observed
}

// verify holds a plan that was made by the state against what is there: the targets
// of its changes are read, and what is to be changed has to be as the plan says.
// It changes nothing.
func (s *Session) verify(ctx context.Context, p *plan.Plan) hcl.Diagnostics {
	o := s.options
	o.Unseen = false
	fresh, diags := s.Plan(ctx, o)
	if diags.HasErrors() {
		return diags
	}
	if targets := fresh.UnreadTargets(); len(targets) > 0 {
		var diags hcl.Diagnostics
		for _, target := range targets {
			diags = append(diags, cannotRead(target, fresh.Unread[target]))
		}
		return diags
	}
	if more := fresh.Unconfirmed(); len(more) > 0 {
		known := brakeIDs(p.Brakes)
		more = slices.DeleteFunc(more, func(id string) bool { return known[id] })
		if len(more) > 0 {
			return hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "Confirmation needed",
				Detail: fmt.Sprintf("The plan was made by the state alone (-refresh=false). By what is there it has brakes that it does not show: %s. "+
					"Nothing has been changed. Plan without -refresh=false.", strings.Join(more, ", ")),
			}}
		}
	}
	if why, ok := p.See(fresh); !ok {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "The state is not what is there",
			Detail: fmt.Sprintf("The plan was made by the state alone (-refresh=false), and what it would change is not as the state says:\n%s\n"+
				"Nothing has been changed. Plan without -refresh=false.", why),
		}}
	}
	return nil
}

func brakeIDs(brakes []plan.Brake) map[string]bool {
	ids := make(map[string]bool, len(brakes))
	for _, b := range brakes {
		ids[b.ID] = true
	}
	return ids
}
