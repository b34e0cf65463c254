package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A world is what there is, as far as it is known.
type world struct {
	observed map[string][]providers.Observed // by target
	// unread says of targets that did not tell what they have why.
	unread map[string]string
}

// read asks all targets what they have, side by side. If none of them tells, that
// is an error.
func (s *Session) read(ctx context.Context, d *described) (*world, hcl.Diagnostics) {
	scopes := map[string]*providers.Scope{}
	scope := func(target string) *providers.Scope {
		if scopes[target] == nil {
			scopes[target] = &providers.Scope{Part: s.opts.Config.Narrow != nil}
		}
		return scopes[target]
	}
	for target, list := range byTarget(d.expand.Resources, func(r *schema.Resource) string { return r.Target }) {
		scope(target).Wanted = list
	}
	for target, list := range byTarget(s.prior.IDs(), func(id *schema.ID) string { return id.Target }) {
		scope(target).Prior = list
	}
	for _, target := range s.also(d.cfg, len(scopes) == 0) {
		scope(target)
	}
	var diags hcl.Diagnostics
	names := slices.Sorted(maps.Keys(scopes))
	for _, target := range names {
		diags = append(diags, s.configure(ctx, target, d.cfg)...)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	var (
		wg sync.WaitGroup
		mu sync.Mutex
		w  = &world{observed: map[string][]providers.Observed{}, unread: map[string]string{}}
	)
	limit := s.opts.Parallelism
	if limit <= 0 {
		limit = max(1, len(names))
	}
	slots := make(chan struct{}, limit)
	for _, target := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			list, err := s.targets[target].Read(ctx, *scopes[target])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				w.unread[target] = err.Error()
				return
			}
			w.observed[target] = list
		})
	}
	wg.Wait()
	if len(w.unread) > 0 && (len(w.unread) == len(names) || ctx.Err() != nil) {
		diags = append(diags, w.errors()...)
	}
	return w, diags
}

// errors are those of the targets that did not tell what they have.
func (w *world) errors() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, target := range slices.Sorted(maps.Keys(w.unread)) {
		diags = append(diags, cannotRead(target, w.unread[target]))
	}
	return diags
}

// cannotRead is the error of a target that does not tell what it has.
func cannotRead(target, why string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Cannot read what is there",
		Detail:   fmt.Sprintf("The provider %s could not tell what it has: %s.", target, why),
	}
}

// byTarget divides a list among targets. Where there is only one, it gets the
// list itself: nobody changes it, and a copy of all that a large organisation
// has is large.
func byTarget[T any](list []T, target func(*T) string) map[string][]T {
	counts := map[string]int{}
	for i := range list {
		counts[target(&list[i])]++
	}
	out := make(map[string][]T, len(counts))
	for name, n := range counts {
		if n == len(list) {
			return map[string][]T{name: slices.Clip(list)}
		}
		out[name] = make([]T, 0, n)
	}
	for i := range list {
		name := target(&list[i])
		out[name] = append(out[name], list[i])
	}
	return out
}

// configure makes the provider of a target, from its block or without one.
func (s *Session) configure(ctx context.Context, target string, cfg *config.Config) hcl.Diagnostics {
	if s.targets[target] != nil {
		return nil
	}
	return s.configureAs(ctx, target, nil, cfg)
}

// configureAs configures p, or a new provider where p is nil, for a target.
func (s *Session) configureAs(ctx context.Context, target string, p providers.Provider, cfg *config.Config) hcl.Diagnostics {
	s.cfg = cfg
	pc := providers.Config{Value: cty.NullVal(cty.DynamicPseudoType), Dir: s.ws.Dir, Lineage: s.prior.Lineage, Workspace: config.Workspace(s.ws.Dir, s.opts.Config.Environ)}
	for i := range cfg.Providers {
		if cfg.Providers[i].Target() == target {
			pc.Value = cfg.Providers[i].Value
		}
	}
	// The block of a target that only the state knows may be gone from the files.
	name, _, _ := strings.Cut(target, ".")
	if p == nil {
		p = s.ws.NewProvider(name)
	}
	if p == nil {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Unknown provider",
			Detail:   fmt.Sprintf("The state knows resources of the provider %q, which this version of mailform does not have.", name),
		}}
	}
	diags := p.Configure(ctx, pc)
	if !diags.HasErrors() {
		s.targets[target] = p
	}
	return diags
}
