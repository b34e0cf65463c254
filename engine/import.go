package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/adopt"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// ImportOptions say what is taken over into the state.
type ImportOptions struct {
	// Address and ID name one thing; where they are empty, all is meant that is
	// declared and there.
	Address, ID string
	// Target restricts that to one provider instance; empty: all of them.
	Target string
	// DryRun writes nothing.
	DryRun bool
	// Draft asks for blocks that describe what nobody declares.
	Draft bool
}

// Imported is what an import did.
type Imported struct {
	adopt.Result
	// Draft is nil unless it was asked for.
	Draft *draft.Draft
}

// Import takes over into the state what is there already, and changes nothing
// where it is.
func (s *Session) Import(ctx context.Context, o ImportOptions) (*Imported, hcl.Diagnostics) {
	if s.opts.NoLock {
		return nil, failure("No lock", "The state was opened without its lock. This is a bug in mailform.")
	}
	if diags := s.widen(o); diags.HasErrors() {
		return nil, diags
	}
	d, observed, diags := s.lookAll(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	if strings.Contains(o.Target, ".") && !slices.ContainsFunc(d.cfg.Providers, func(p config.Provider) bool { return p.Target() == o.Target }) {
		return nil, append(diags, failure("No such provider", "No block declares the provider %s.", o.Target)...)
	}
	if len(d.expand.Zones) > 0 {
		plan.KeepIgnored(d.expand.Resources, d.expand.Zones, finder(observed))
	}
	in := adopt.Input{Desired: d.expand.Resources, Observed: observed, Prior: s.prior}
	var res *adopt.Result
	if o.Address == "" {
		res = adopt.All(in, o.Target)
	} else {
		var err error
		var refused *adopt.Error
		switch res, err = adopt.One(in, o.Address, o.ID); {
		case errors.As(err, &refused):
			return nil, append(diags, failure(refused.Summary, "%s", refused.Detail)...)
		case err != nil:
			return nil, append(diags, failure("Cannot import", "%s.", err)...)
		}
	}
	entries := res.Entries
	if o.Address == "" && o.Target == "" {
		outputs, more := s.outputs(d, entries)
		diags = append(diags, more...)
		entries = append(entries, outputs...)
	}
	out := &Imported{Result: *res}
	if o.Draft {
		made, more := s.draft(d, observed, o.Target, nil)
		if diags = append(diags, more...); more.HasErrors() {
			return nil, diags
		}
		out.Draft = made
	}
	if o.DryRun || len(entries) == 0 {
		return out, diags
	}
	if err := s.backend.Append(ctx, entries); err != nil {
		return nil, append(diags, failure("Cannot write the state", "Nothing has been imported: %s.", err)...)
	}
	return out, diags
}

// widen has all targets looked at where all is to be imported: things can be
// there that no block speaks of yet.
func (s *Session) widen(o ImportOptions) hcl.Diagnostics {
	if o.Address != "" {
		return nil
	}
	s.wide, s.alone = true, o.Target
	name, _, _ := strings.Cut(o.Target, ".")
	if o.Target == "" || slices.Contains(schema.Providers(), name) {
		return nil
	}
	hint := ""
	if near := schema.Suggest(name, schema.Providers()); near != "" {
		hint = fmt.Sprintf(" Did you mean %q?", near)
	}
	return failure("No such provider", "There is no provider %q.%s", name, hint)
}

// also are the targets to be read beside those that blocks use: the declared
// ones, or the default one where there is nothing else.
func (s *Session) also(cfg *config.Config, none bool) []string {
	if !s.wide {
		return nil
	}
	if s.alone != "" {
		return []string{s.alone}
	}
	var targets []string
	for i := range cfg.Providers {
		targets = append(targets, cfg.Providers[i].Target())
	}
	if len(targets) == 0 && none {
		targets = append(targets, schema.DefaultProvider)
	}
	return targets
}

// outputs makes the entry for the outputs, where the state lacks some that are
// known by now.
func (s *Session) outputs(d *described, taken []state.Entry) ([]state.Entry, hcl.Diagnostics) {
	if len(taken) == 0 {
		return nil, nil
	}
	out := map[string]state.Output{}
	for _, o := range d.outputs {
		v := o.Value
		if !v.IsWhollyKnown() {
			return nil, nil // the next apply writes them
		}
		enc, err := state.NewOutput(v, o.Sensitive)
		if err != nil {
			return nil, failure("Cannot write an output", "The output %q was not written: %s. This is a bug in mailform.", o.Name, err)
		}
		out[o.Name] = enc
	}
	return []state.Entry{{Outputs: out}}, nil
}

// finder finds what targets have.
func finder(observed map[string][]providers.Observed) func(schema.ID) *providers.Observed {
	all := map[schema.ID]*providers.Observed{}
	for target, list := range observed {
		for i := range list {
			if o := &list[i]; !o.Retained {
				all[schema.ID{Target: target, Kind: o.Kind, Key: o.Key}] = o
			}
		}
	}
	return func(id schema.ID) *providers.Observed { return all[id] }
}

func failure(summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}
