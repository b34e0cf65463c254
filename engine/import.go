package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/adopt"
	"github.com/mailform/mailform/engine/state"
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
}

// Import takes over into the state what is there already, and changes nothing
// where it is.
func (s *Session) Import(ctx context.Context, o ImportOptions) (*adopt.Result, hcl.Diagnostics) {
	if s.opts.NoLock {
		return nil, failure("No lock", "The state was opened without its lock. This is a bug in mailform.")
	}
	d, observed, diags := s.look(ctx, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	in := adopt.Input{Desired: d.expand.Resources, Observed: observed, Prior: s.prior}
	var res *adopt.Result
	if o.Address == "" {
		if o.Target != "" && s.targets[o.Target] == nil {
			return nil, append(diags, failure("No such target", "The files use no provider %q. They use %s.", o.Target, schema.Or(slices.Sorted(maps.Keys(s.targets))))...)
		}
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
	if o.DryRun || len(entries) == 0 {
		return res, diags
	}
	if err := s.backend.Append(ctx, entries); err != nil {
		return nil, append(diags, failure("Cannot write the state", "Nothing has been imported: %s.", err)...)
	}
	return res, diags
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

func failure(summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}
