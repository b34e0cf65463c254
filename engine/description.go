package engine

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Description is what the files come to, to be looked at: by the console, by
// graphs and by tests.
type Description struct {
	Config *config.Config
	// Resources sorted by address; nil where the files have errors.
	Resources []schema.Resource
	Outputs   []config.Output

	module   *config.Module
	computed config.Computed
	expanded *expand.Result // nil where the files have errors
}

// Scope is what expressions about the description see.
func (d *Description) Scope(x config.Extras) *config.Scope {
	return d.module.Scope(d.Config, d.computed, x)
}

// Describe evaluates and expands the files with what the state knows. The
// description is never nil: where there are errors it holds what can be told.
// Under config.Options.AllowUnset, what hangs on variables that are not set is
// unknown.
func (s *Session) Describe() (*Description, hcl.Diagnostics) {
	known := map[schema.ID]cty.Value{}
	for id, r := range s.prior.Resources {
		if hasComputed(id.Kind) {
			known[id] = r.Attrs
		}
	}
	d := &Description{module: s.module}
	opts := expand.Options{Version: s.ws.Version, Known: knownFrom(known), Partial: s.opts.Config.AllowUnset}
	var diags hcl.Diagnostics
	for {
		d.Config, diags = s.module.Evaluate(s.opts.Config, d.computed)
		if diags.HasErrors() {
			return d, diags
		}
		res, more := expand.Expand(d.Config, opts)
		diags = append(diags, more...)
		if diags.HasErrors() {
			return d, diags
		}
		again := d.computed == nil && s.module.UsesComputed() && len(res.Computed) > 0
		d.computed, d.Resources, d.expanded = res.Computed, res.Resources, res
		if !again {
			break
		}
	}
	outs, more := s.module.Outputs(d.Config, d.computed)
	d.Outputs = outs
	return d, append(diags, more...)
}

// Planned is what the last plan of this session was made from.
func (s *Session) Planned() *Description {
	d := s.planned
	if d == nil {
		return nil
	}
	return &Description{Config: d.cfg, Resources: d.expand.Resources, Outputs: d.outputs, module: s.module, computed: d.expand.Computed, expanded: d.expand}
}
