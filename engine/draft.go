package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Draft makes the blocks that import blocks name and the files do not have. What
// cannot be described is an error.
func (s *Session) Draft(ctx context.Context) (*draft.Draft, hcl.Diagnostics) {
	s.wide = true
	d, observed, diags := s.lookAll(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	var wanted []draft.Wanted
	at := map[string]hcl.Range{}
	for _, imp := range d.cfg.Imports {
		if !imp.Undeclared {
			continue
		}
		if other, twice := at[imp.To.String()]; twice {
			diags = append(diags, failureAt(imp.Range, "Cannot import", "%s is imported at %s already.", imp.To, other))
			continue
		}
		at[imp.To.String()] = imp.Range
		wanted = append(wanted, draft.Wanted{To: imp.To, ID: imp.ID})
	}
	if len(wanted) == 0 || diags.HasErrors() {
		return &draft.Draft{}, diags
	}
	made, more := s.draft(d, observed, "", wanted)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	found := map[string]int{}
	for i := range made.Blocks {
		found[made.Blocks[i].Ref.String()]++
	}
	for _, w := range wanted {
		to := w.To.String()
		switch n := found[to]; {
		case n > 1:
			diags = append(diags, failureAt(at[to], "Cannot import", "%q is there at several providers, so that it cannot be told which one %s means. Write the block yourself.", w.ID, to))
		case n == 0:
			why := "there is no such thing"
			for _, l := range made.Left {
				if l.Wanted == to && (l.Why != why || l.ID.Kind != "") {
					why = l.Why
				}
			}
			diags = append(diags, failureAt(at[to], "Cannot import", "No block can be written for %s, %q: %s.", to, w.ID, strings.TrimSuffix(why, ".")))
		}
	}
	return made, diags
}

func failureAt(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := failure(summary, format, args...)[0]
	d.Subject = &at
	return d
}

// draft makes blocks for what is there and nobody declares: at one target or at
// all, all of it or only what is wanted.
func (s *Session) draft(d *described, observed map[string][]providers.Observed, target string, wanted []draft.Wanted) (*draft.Draft, hcl.Diagnostics) {
	known := map[schema.ID]cty.Value{}
	for t, list := range observed {
		for _, o := range list {
			if hasComputed(o.Kind) && !o.Retained {
				known[schema.ID{Target: t, Kind: o.Kind, Key: o.Key}] = o.Attrs
			}
		}
	}
	in := draft.Input{Config: d.cfg, Declared: d.expand.Resources, NameServers: d.expand.NameServers, MailDomains: d.expand.MailDomains, Expand: s.ws.expandOptions(knownFrom(known)), Variables: s.module.VariableNames(), Wanted: wanted}
	out := &draft.Draft{}
	for _, t := range slices.Sorted(maps.Keys(observed)) {
		if target != "" && t != target {
			continue
		}
		in.Target, in.Things = t, observed[t]
		one, err := draft.Make(in)
		if err != nil {
			return nil, failure("Cannot write the configuration", "%s.", err)
		}
		out.Add(one)
		for _, b := range one.Blocks {
			if b.Secret != "" {
				in.Variables = append(in.Variables, b.Secret)
			}
		}
		if in.Config, in.Declared, err = with(in.Config, in.Declared, one, in.Expand); err != nil {
			return nil, failure("Cannot write the configuration", "%s.", err)
		}
	}
	return out, nil
}

// with is a configuration with the blocks of a draft, and what it expands to.
func with(cfg *config.Config, declared []schema.Resource, d *draft.Draft, opts expand.Options) (*config.Config, []schema.Resource, error) {
	if len(d.Blocks) == 0 {
		return cfg, declared, nil
	}
	more := *cfg
	more.Instances = slices.Clone(cfg.Instances)
	for i := range d.Blocks {
		more.Instances = append(more.Instances, d.Blocks[i].Instance)
	}
	res, diags := expand.Expand(&more, opts)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	return &more, res.Resources, nil
}
