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
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A world is what there is, as far as it is known.
type world struct {
	observed map[string][]providers.Observed // by target
	// unread says of targets that did not tell what they have why.
	unread map[string]string
	// queued counts what waits in the queues of services that are to go.
	queued map[string]int64
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
			refused, err := validate(ctx, s.targets[target], scopes[target].Wanted, d.cfg)
			var list []providers.Observed
			if err == nil && len(refused) == 0 {
				list, err = s.targets[target].Read(ctx, *scopes[target])
			}
			mu.Lock()
			defer mu.Unlock()
			diags = append(diags, refused...)
			if err != nil {
				w.unread[target] = err.Error()
				return
			}
			w.observed[target] = list
		})
	}
	wg.Wait()
	expand.Sort(diags)
	if len(w.unread) > 0 && (len(w.unread) == len(names) || ctx.Err() != nil) {
		diags = append(diags, w.errors()...)
	}
	return w, diags
}

// validate has a provider judge what is wanted of it, where it can.
func validate(ctx context.Context, p providers.Provider, wanted []schema.Resource, cfg *config.Config) (hcl.Diagnostics, error) {
	v, ok := p.(providers.Validator)
	if !ok || len(wanted) == 0 {
		return nil, nil
	}
	problems, err := v.Validate(ctx, wanted)
	if err != nil || len(problems) == 0 {
		return nil, err
	}
	byAddress := make(map[string]*schema.Resource, len(wanted))
	for i := range wanted {
		byAddress[wanted[i].Address] = &wanted[i]
	}
	diags := make(hcl.Diagnostics, 0, len(problems))
	for _, problem := range problems {
		path, rng := "", hcl.Range{}
		if r := byAddress[problem.Address]; r != nil {
			path, rng = expand.Source(cfg, r, problem.Attribute)
		}
		diags = append(diags, expand.Refusal(problem.Address, path, rng, problem.Detail))
	}
	return diags, nil
}

// count asks how much mail there is in the mailboxes that nothing wants any
// more, where a provider does not tell by itself.
func (s *Session) count(ctx context.Context, w *world, wanted []schema.Resource) hcl.Diagnostics {
	if s.opts.Config.Narrow != nil {
		return nil // what was not looked at goes nowhere
	}
	var counters []string
	for target := range w.observed {
		if _, ok := s.targets[target].(providers.Counter); ok {
			counters = append(counters, target)
		}
	}
	if len(counters) == 0 {
		return nil
	}
	stays := map[schema.ID]bool{}
	for i := range wanted {
		if wanted[i].Kind == schema.KindMailbox {
			stays[wanted[i].ID()] = true
		}
	}
	slices.Sort(counters)
	var diags hcl.Diagnostics
	for _, target := range counters {
		diags = append(diags, s.countAt(ctx, target, w.observed[target], stays)...)
	}
	return diags
}

func (s *Session) countAt(ctx context.Context, target string, observed []providers.Observed, stays map[schema.ID]bool) hcl.Diagnostics {
	goes := map[string]*providers.Observed{}
	for i := range observed {
		o := &observed[i]
		id := schema.ID{Target: target, Kind: o.Kind, Key: o.Key}
		_, known := s.prior.Resources[id]
		if o.Kind == schema.KindMailbox && !o.Retained && !stays[id] && (known || o.Owner != "") {
			goes[o.Key] = o
		}
	}
	if len(goes) == 0 {
		return nil
	}
	held, err := s.targets[target].(providers.Counter).Count(ctx, slices.Sorted(maps.Keys(goes)))
	if err != nil {
		return hcl.Diagnostics{cannotRead(target, "count the mail of what is to be removed: "+err.Error())}
	}
	for key, h := range held {
		o := goes[key]
		if o == nil {
			continue
		}
		attrs := o.Attrs.AsValueMap()
		attrs["messages"], attrs["bytes"] = cty.NumberIntVal(h.Messages), cty.NumberIntVal(h.Bytes)
		o.Attrs = schema.KindByName(o.Kind).Object(attrs)
	}
	return nil
}

// countQueued asks how many messages wait in the queues of services that nothing
// wants any more.
func (s *Session) countQueued(ctx context.Context, w *world, wanted []schema.Resource) hcl.Diagnostics {
	if s.opts.Config.Narrow != nil {
		return nil
	}
	var goes []string
	for target, observed := range w.observed {
		if _, ok := s.targets[target].(providers.Queuer); !ok {
			continue
		}
		for i := range observed {
			o := &observed[i]
			_, known := s.prior.Resources[schema.ID{Target: target, Kind: o.Kind, Key: o.Key}]
			if (o.Kind == schema.KindService || o.Kind == schema.KindProcess) && (known || o.Owner != "") && !slices.ContainsFunc(wanted, func(r schema.Resource) bool {
				return r.Kind == o.Kind && r.Target == target && r.Key == o.Key
			}) {
				goes = append(goes, target)
			}
		}
	}
	slices.Sort(goes)
	w.queued = map[string]int64{}
	for _, target := range goes {
		n, err := s.targets[target].(providers.Queuer).Queued(ctx)
		if err != nil {
			return hcl.Diagnostics{cannotRead(target, "count what waits in its queue: "+err.Error())}
		}
		if n >= 0 {
			w.queued[target] = n
		}
	}
	return nil
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
