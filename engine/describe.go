package engine

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func (w *Workspace) expandOptions(known expand.Known) expand.Options {
	return expand.Options{Version: w.Version, Known: known}
}

// A described is what the files come to, given what is known of the world.
type described struct {
	cfg     *config.Config
	expand  *expand.Result
	outputs []config.Output
}

// describe evaluates and expands the files. Blocks may use what others compute
// (a DKIM key's text), which expansion tells: then there is a second round.
func (s *Session) describe(known expand.Known) (*described, hcl.Diagnostics) {
	cfg, diags := s.module.Evaluate(s.opts.Config, nil)
	if diags.HasErrors() {
		_, more := expand.Expand(cfg, expand.Options{Version: s.ws.Version, Known: known, Partial: true})
		return nil, merge(diags, more)
	}
	res, more := expand.Expand(cfg, s.ws.expandOptions(known))
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, diags
	}
	if s.module.UsesComputed() && len(res.Computed) > 0 {
		cfg, diags = s.module.Evaluate(s.opts.Config, res.Computed)
		if diags.HasErrors() {
			return nil, diags
		}
		res, more = expand.Expand(cfg, s.ws.expandOptions(known))
		diags = append(diags, more...)
		if diags.HasErrors() {
			return nil, diags
		}
	}
	outs, more := s.module.Outputs(cfg, res.Computed)
	diags = append(diags, more...)
	return &described{cfg: cfg, expand: res, outputs: outs}, diags
}

// knownFrom answers with the attributes of a set of resources.
func knownFrom(attrs map[schema.ID]cty.Value) expand.Known {
	return func(id schema.ID) (cty.Value, bool) {
		v, ok := attrs[id]
		return v, ok
	}
}
