// Package engine puts the stages together: load, evaluate, expand, read, plan,
// apply. Each stage is a package below; this one only hands the result of one
// to the next. A [Workspace] is where to start.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// StateFile is the name of the state file in the configuration's directory.
const StateFile = "mailform.mfstate"

// A Workspace is a directory of configuration files and what belongs to it.
type Workspace struct {
	// Dir is the absolute path of the directory.
	Dir string
	// Version of mailform.
	Version string
	// NewProvider makes a provider by its name; nil for a name that is none.
	NewProvider func(name string) providers.Provider
}

// Options say how a workspace is opened.
type Options struct {
	Config config.Options
	// Operation is what the lock says that its holder does: "plan", "apply".
	Operation string
	// LockTimeout is how long to wait for the lock; 0: not at all.
	LockTimeout time.Duration
	// NoLock reads the state without its lock, for what changes nothing.
	NoLock bool
	// Parallelism is at how many targets is worked at once; 0: at all.
	Parallelism int
}

// A Session is an opened workspace: files loaded, state locked and read. Close
// it to release the lock.
type Session struct {
	ws      *Workspace
	opts    Options
	module  *config.Module
	backend state.Backend
	unlock  func() error
	prior   *state.State
	targets map[string]providers.Provider
	cfg     *config.Config // what the targets were configured from
}

// Load reads the files of the workspace. The module is usable for showing
// errors even where there are some; then they are all that can be found.
func (w *Workspace) Load(opts config.Options) (*config.Module, hcl.Diagnostics) {
	module, diags := config.Load(w.Dir)
	if diags.HasErrors() {
		diags = merge(diags, w.Validate(module, opts))
	}
	return module, diags
}

// Validate checks the files as far as that goes without looking at anything
// else: values of variables that are not set are taken as unknown.
func (w *Workspace) Validate(module *config.Module, opts config.Options) hcl.Diagnostics {
	opts.AllowUnset = true
	opts.Version = w.Version
	_, diags := module.Backend(opts)
	cfg, more := module.Evaluate(opts, nil)
	diags = merge(diags, more)
	res, more := expand.Expand(cfg, expand.Options{Version: w.Version, Partial: true})
	diags = merge(diags, more)
	if diags.HasErrors() {
		return diags
	}
	_, more = module.Outputs(cfg, res.Computed)
	return append(diags, more...)
}

// merge adds what a later stage finds to what an earlier one has found, but for
// errors in the same lines: those are echoes of the first.
func merge(first, later hcl.Diagnostics) hcl.Diagnostics {
	type line struct {
		file   string
		number int
	}
	wrong := map[line]bool{}
	for _, f := range first {
		if f.Severity != hcl.DiagError || f.Subject == nil {
			continue
		}
		for n := f.Subject.Start.Line; n <= f.Subject.End.Line; n++ {
			wrong[line{f.Subject.Filename, n}] = true
		}
	}
	out := first
	for _, d := range later {
		echo := false
		if d.Subject != nil {
			for n := d.Subject.Start.Line; n <= d.Subject.End.Line && !echo; n++ {
				echo = wrong[line{d.Subject.Filename, n}]
			}
		}
		if !echo {
			out = append(out, d)
		}
	}
	return out
}

// Open locks and reads the state for a module that has been loaded. The error
// is hcl.Diagnostics where it is about the backend block.
func (w *Workspace) Open(ctx context.Context, module *config.Module, opts Options) (*Session, error) {
	opts.Config.Version = w.Version
	backend, diags := w.Backend(module, opts.Config)
	if diags.HasErrors() {
		return nil, diags
	}
	s := &Session{ws: w, opts: opts, module: module, backend: backend, targets: map[string]providers.Provider{}}
	s.unlock = func() error { return nil }
	var err error
	if !opts.NoLock {
		if s.unlock, err = s.backend.Lock(ctx, NewLockInfo(opts.Operation), opts.LockTimeout); err != nil {
			return nil, err
		}
	}
	s.prior, err = s.backend.Load(ctx)
	if err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	return s, nil
}

// Close releases the lock.
func (s *Session) Close() error { return s.unlock() }

// Prior is the state as it was when the session was opened.
func (s *Session) Prior() *state.State { return s.prior }

// NewLockInfo says of this process that it does an operation.
func NewLockInfo(operation string) state.LockInfo {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return state.LockInfo{Operation: operation, Who: who, PID: os.Getpid(), Created: time.Now().UTC()}
}

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

// PlanOptions say what is planned.
type PlanOptions struct {
	Mode plan.Mode // empty: plan.Normal
	// Targets, Excludes and Replaces are -target, -exclude and -replace arguments.
	Targets, Excludes, Replaces []string
	// Confirm are -confirm arguments: IDs of brakes, or plan.ConfirmAll.
	Confirm []string
}

// Plan computes what there is to do.
func (s *Session) Plan(ctx context.Context, o PlanOptions) (*plan.Plan, hcl.Diagnostics) {
	known := map[schema.ID]cty.Value{}
	for id, r := range s.prior.Resources {
		if hasComputed(id.Kind) {
			known[id] = r.Attrs
		}
	}
	d, diags := s.describe(knownFrom(known))
	if diags.HasErrors() {
		return nil, diags
	}
	observed, more := s.read(ctx, d)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, diags
	}
	changed := refreshKnown(known, observed)
	for i := range d.expand.Resources {
		// What is made anew is born anew: the old one's values are no help.
		r := &d.expand.Resources[i]
		if have, ok := known[r.ID()]; ok && (plan.Reborn(r, have) || plan.Asked(o.Replaces, r)) {
			delete(known, r.ID())
			changed = true
		}
	}
	if changed {
		d, more = s.describe(knownFrom(known))
		if diags = more; diags.HasErrors() {
			return nil, diags
		}
	}
	p, more := plan.Make(plan.Input{
		Desired:  d.expand.Resources,
		Observed: observed,
		Prior:    s.prior,
		Mode:     o.Mode,
		Targets:  o.Targets,
		Excludes: o.Excludes,
		Replaces: o.Replaces,
		Confirm:  o.Confirm,
		Outputs:  d.outputs,
		Records:  d.expand.Records,
		Config:   d.cfg,
	})
	return p, append(diags, more...)
}

// refreshKnown takes over what the live systems say of computed values, and
// reports whether that is something else than was remembered.
func refreshKnown(known map[schema.ID]cty.Value, observed map[string][]providers.Observed) bool {
	changed := false
	seen := map[schema.ID]bool{}
	for target, list := range observed {
		for _, o := range list {
			if !hasComputed(o.Kind) || o.Retained {
				continue
			}
			id := schema.ID{Target: target, Kind: o.Kind, Key: o.Key}
			seen[id] = true
			if was, ok := known[id]; !ok || !was.RawEquals(o.Attrs) {
				known[id] = o.Attrs
				changed = true
			}
		}
	}
	for id := range known {
		if !seen[id] {
			delete(known, id)
			changed = true
		}
	}
	return changed
}

// hasComputed reports whether a kind has values that are born in apply and that
// other resources are made of.
func hasComputed(kind string) bool {
	k := schema.KindByName(kind)
	if k == nil {
		return false
	}
	for _, a := range k.Attributes {
		if a.Computed && !a.Info {
			return true
		}
	}
	return false
}

// read asks all targets what they have, side by side.
func (s *Session) read(ctx context.Context, d *described) (map[string][]providers.Observed, hcl.Diagnostics) {
	scopes := map[string]*providers.Scope{}
	scope := func(target string) *providers.Scope {
		if scopes[target] == nil {
			scopes[target] = &providers.Scope{}
		}
		return scopes[target]
	}
	for _, r := range d.expand.Resources {
		sc := scope(r.Target)
		sc.Wanted = append(sc.Wanted, r)
	}
	for _, id := range s.prior.IDs() {
		sc := scope(id.Target)
		sc.Prior = append(sc.Prior, id)
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
		wg       sync.WaitGroup
		mu       sync.Mutex
		observed = map[string][]providers.Observed{}
		failed   = map[string]error{}
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
			observed[target] = list
			if err != nil {
				failed[target] = err
			}
		})
	}
	wg.Wait()
	for _, target := range names {
		if err := failed[target]; err != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Cannot read what is there",
				Detail:   fmt.Sprintf("The provider %s could not tell what it has: %s.", target, err),
			})
		}
	}
	return observed, diags
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
	pc := providers.Config{Value: cty.NullVal(cty.DynamicPseudoType), Dir: s.ws.Dir, Lineage: s.prior.Lineage}
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

// ApplyOptions say what to apply.
type ApplyOptions struct {
	// Plan is one that this session has made.
	Plan *plan.Plan
	// Saved is set where the plan was reviewed in a file.
	Saved bool
	// Observer is told of the progress; it may be nil.
	Observer apply.Observer
}

// Apply carries out a plan that this session has made. It refuses one that has
// brakes which nobody has confirmed.
func (s *Session) Apply(ctx context.Context, o ApplyOptions) (apply.Summary, hcl.Diagnostics) {
	if s.opts.NoLock {
		return apply.Summary{}, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "No lock",
			Detail:   "Nothing has been changed: the state was opened without its lock. This is a bug in mailform.",
		}}
	}
	if ids := o.Plan.Unconfirmed(); len(ids) > 0 {
		return apply.Summary{}, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Confirmation needed",
			Detail: fmt.Sprintf("Nothing has been changed: the plan has brakes that nobody has confirmed. "+
				"If all of it is meant, give -confirm=%s.", strings.Join(ids, " -confirm=")),
		}}
	}
	if diags := s.begin(ctx, o.Plan); diags.HasErrors() {
		return apply.Summary{Cancelled: true}, diags
	}
	return apply.Run(ctx, apply.Options{
		Plan:        o.Plan,
		Prior:       s.prior,
		Backend:     s.backend,
		Providers:   s.targets,
		Observer:    o.Observer,
		Saved:       o.Saved,
		Parallelism: s.opts.Parallelism,
		Resolve: func(known map[schema.ID]cty.Value) (map[string]schema.Resource, hcl.Diagnostics) {
			d, diags := s.describe(knownFrom(known))
			if diags.HasErrors() {
				return nil, diags
			}
			diags = nil // warnings are told once, at the end
			byAddress := make(map[string]schema.Resource, len(d.expand.Resources))
			for _, r := range d.expand.Resources {
				byAddress[r.Address] = r
			}
			return byAddress, diags
		},
		Outputs: func(known map[schema.ID]cty.Value) ([]config.Output, hcl.Diagnostics) {
			d, diags := s.describe(knownFrom(known))
			if diags.HasErrors() {
				return nil, diags
			}
			return d.outputs, diags
		},
	})
}

// begin makes the state's lineage before the first change, so that what the
// providers make is marked as ours even if this process is killed at once.
func (s *Session) begin(ctx context.Context, p *plan.Plan) hcl.Diagnostics {
	if s.prior.Lineage != "" || p.Empty() {
		return nil
	}
	err := s.backend.Append(ctx, nil)
	var st *state.State
	if err == nil {
		st, err = s.backend.Load(ctx)
	}
	if err != nil {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot write the state",
			Detail:   fmt.Sprintf("Nothing has been changed, because the state could not be begun: %s.", err),
		}}
	}
	s.prior.Lineage = st.Lineage
	var diags hcl.Diagnostics
	for _, target := range slices.Sorted(maps.Keys(s.targets)) {
		diags = append(diags, s.configureAs(ctx, target, s.targets[target], s.cfg)...)
	}
	return diags
}

// State reads the state as it is now.
func (s *Session) State(ctx context.Context) (*state.State, error) {
	return s.backend.Load(ctx)
}
