// Package embedded is the provider for the mail and name server that mailform
// brings along: one `mailform serve` process for each data directory.
//
// The provider talks to the process through the admin socket in the data
// directory. When no process runs, it reads (and where a plan takes things
// away, writes) the store where it lies, so that a stopped server looks like a
// stopped server and not like an empty one.
//
// The daemon itself is in the folders below: daemon puts the services together.
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A Provider reconciles one data directory.
type Provider struct {
	// Executable is the mailform binary that is started as the daemon.
	Executable string
	// Version of this binary; a daemon of another version is replaced.
	Version string

	dataDir string
	lineage string
}

// DataDir is the absolute path of the data directory that a provider block's
// value means, for a configuration in dir.
func DataDir(value cty.Value, dir string) string {
	path := "./mail"
	if !value.IsNull() && value.IsKnown() && value.Type().HasAttribute("data_dir") {
		if v := value.GetAttr("data_dir"); !v.IsNull() && v.IsKnown() {
			v, _ = v.Unmark()
			path = v.AsString()
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	p.dataDir = DataDir(cfg.Value, cfg.Dir)
	p.lineage = cfg.Lineage
	return nil
}

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	live, err := admin.NewClient(p.dataDir).Resources(ctx)
	switch {
	case err == nil:
		return p.observe(scope, live.Resources, true, live.Version)
	case !errors.Is(err, admin.ErrNotRunning):
		return nil, fmt.Errorf("read from the daemon of %s: %w", p.dataDir, err)
	}
	var lying []admin.Resource
	st, err := store.Open(ctx, p.dataDir, store.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store in %s: %w", p.dataDir, err)
	}
	lying, err = st.Resources(ctx)
	if cerr := st.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read the store in %s: %w", p.dataDir, err)
	}
	return p.observe(scope, lying, false, p.Version)
}

// observe converts what the daemon or the store lists, and adds the process. A
// store that holds nothing but the mail of closed accounts is one that a
// destroy left behind: then there is no process to speak of.
func (p *Provider) observe(scope providers.Scope, rs []admin.Resource, running bool, version string) ([]providers.Observed, error) {
	out := make([]providers.Observed, 0, len(rs)+1)
	inUse := running
	for _, r := range rs {
		o, err := p.observed(r)
		if err != nil {
			return nil, err
		}
		inUse = inUse || !r.Retained
		out = append(out, o)
	}
	if inUse {
		out = append(out, p.process(scope, running, version))
	}
	return out, nil
}

func (p *Provider) process(scope providers.Scope, running bool, version string) providers.Observed {
	o := providers.Observed{
		Kind: schema.KindProcess,
		Key:  p.dataDir,
		Attrs: cty.ObjectVal(map[string]cty.Value{
			"data_dir": cty.StringVal(p.dataDir),
			"running":  cty.BoolVal(running),
			"version":  cty.StringVal(version),
		}),
		Revision: fmt.Sprintf("%v %s", running, version),
	}
	for _, w := range scope.Wanted {
		if w.Kind == schema.KindProcess && w.Key == o.Key {
			o.Owner = w.Address
		}
	}
	return o
}

func (p *Provider) observed(r admin.Resource) (providers.Observed, error) {
	kind := schema.KindByName(r.Kind)
	if kind == nil {
		return providers.Observed{}, fmt.Errorf("the daemon of %s lists a %q, which this version of mailform does not know", p.dataDir, r.Kind)
	}
	attrs, err := decodeAttrs(kind, r.Attrs)
	if err != nil {
		return providers.Observed{}, fmt.Errorf("%s %s in %s: %w", r.Kind, r.Key, p.dataDir, err)
	}
	o := providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: attrs, Revision: r.Revision, Retained: r.Retained}
	if p.lineage != "" && r.Lineage == p.lineage {
		o.Owner = r.Owner
	}
	return o, nil
}

// decodeAttrs reads a JSON object as the kind's type. What is missing is null,
// what is unknown to the kind is ignored: an older daemon may know less or more.
func decodeAttrs(kind *schema.Kind, raw json.RawMessage) (cty.Value, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return cty.NilVal, fmt.Errorf("decode attributes: %w", err)
	}
	vals := make(map[string]cty.Value, len(kind.Attributes))
	for _, a := range kind.Attributes {
		field, ok := fields[a.Name]
		if !ok {
			vals[a.Name] = cty.NullVal(a.Type)
			continue
		}
		v, err := ctyjson.Unmarshal(field, a.Type)
		if err != nil {
			return cty.NilVal, fmt.Errorf("decode %s: %w", a.Name, err)
		}
		vals[a.Name] = v
	}
	return cty.ObjectVal(vals), nil
}

// encodeAttrs writes what is declared: known values that are not computed.
func encodeAttrs(kind *schema.Kind, attrs cty.Value) (json.RawMessage, error) {
	fields := make(map[string]json.RawMessage, len(kind.Attributes))
	for _, a := range kind.Attributes {
		if a.Computed {
			continue
		}
		v, _ := attrs.GetAttr(a.Name).UnmarkDeep()
		if !v.IsWhollyKnown() {
			return nil, fmt.Errorf("%s is not known yet", a.Name)
		}
		if v.IsNull() {
			continue
		}
		b, err := ctyjson.Marshal(v, a.Type)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", a.Name, err)
		}
		fields[a.Name] = b
	}
	return json.Marshal(fields)
}

// Apply implements providers.Provider. A batch is one transaction in the store;
// the process is started before it and stopped after it.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	var rest []providers.Change
	var stop *providers.Change
	for i, c := range batch {
		switch {
		case c.Resource.Kind != schema.KindProcess:
			rest = append(rest, c)
		case c.Action == providers.Delete:
			stop = &batch[i]
		default:
			err := p.ensureRunning(ctx)
			o := p.process(providers.Scope{Wanted: []schema.Resource{c.Resource}}, true, p.Version)
			if err := done(c, o, err); err != nil {
				return err
			}
		}
	}
	if err := p.applyStored(ctx, rest, done); err != nil {
		return err
	}
	if stop != nil {
		return done(*stop, providers.Observed{Kind: schema.KindProcess, Key: p.dataDir}, Stop(ctx, p.dataDir))
	}
	return nil
}

func (p *Provider) applyStored(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if len(batch) == 0 {
		return nil
	}
	changes := make([]admin.Change, len(batch))
	for i, c := range batch {
		ac, err := p.adminChange(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Resource.Address, err)
		}
		changes[i] = ac
	}
	results, err := p.send(ctx, changes)
	if err != nil {
		return failAll(batch, refusal(err), done)
	}
	for i, c := range batch {
		o := providers.Observed{Kind: c.Resource.Kind, Key: c.Resource.Key}
		if c.Action != providers.Delete {
			if o, err = p.observed(results[i]); err != nil {
				return err
			}
		}
		if err := done(c, o, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) adminChange(c providers.Change) (admin.Change, error) {
	ac := admin.Change{
		Action: string(c.Action), Kind: c.Resource.Kind, Key: c.Resource.Key,
		Owner: c.Resource.Address, Lineage: p.lineage,
	}
	if c.Prior != nil && !c.Prior.Retained {
		ac.Revision = c.Prior.Revision
	}
	if c.Action == providers.Delete {
		return ac, nil
	}
	var err error
	ac.Attrs, err = encodeAttrs(schema.KindByName(c.Resource.Kind), c.Resource.Attrs)
	return ac, err
}

// send hands the changes to the daemon, or to the store where no daemon runs.
func (p *Provider) send(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	res, err := admin.NewClient(p.dataDir).Apply(ctx, admin.ApplyRequest{Changes: changes})
	if err == nil {
		if len(res.Resources) != len(changes) {
			return nil, fmt.Errorf("the daemon of %s answered %d changes with %d results", p.dataDir, len(changes), len(res.Resources))
		}
		return res.Resources, nil
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return nil, err
	}
	st, err := store.Open(ctx, p.dataDir, store.Options{})
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", p.dataDir, err)
	}
	rs, err := st.ApplyChanges(ctx, changes)
	if cerr := st.Close(); err == nil {
		err = cerr
	}
	return rs, err
}

// failAll reports a refused batch: nothing of it was done. The change that was
// the reason gets the reason, the others say that they were not tried.
func failAll(batch []providers.Change, err error, done func(providers.Change, providers.Observed, error) error) error {
	var ae *admin.Error
	for _, c := range batch {
		reason := err
		if errors.As(err, &ae) && ae.Key != "" && (ae.Kind != c.Resource.Kind || ae.Key != c.Resource.Key) {
			reason = fmt.Errorf("%w: another change of the batch was refused: %s", errNotDone, ae.Error())
		}
		if derr := done(c, providers.Observed{}, reason); derr != nil {
			return derr
		}
	}
	return nil
}

var errNotDone = errors.New("not done")

// refusal makes the daemon's answer one that the engine can tell.
func refusal(err error) error {
	var ae *admin.Error
	if errors.As(err, &ae) && ae.Code == "conflict" {
		return fmt.Errorf("%w: %w", providers.ErrConflict, err)
	}
	return err
}
