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
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/attrjson"
	"github.com/zclconf/go-cty/cty"
)

// A Provider reconciles one data directory.
type Provider struct {
	// Executable is the mailform binary that is started as the daemon.
	Executable string
	// Version of this binary; a daemon of another version is replaced.
	Version string

	place, reading place  // where it is; the second may only be read
	dataDir        string // the path
	key            string // of the process
	lineage        string
	workspace      string // empty: not known
	// declared is set where the files say something of this provider.
	declared bool
}

// DataDir is the data directory that a provider block's value means, for a
// configuration in dir.
func DataDir(value cty.Value, dir string) schema.DataDir {
	d, ok := schema.EmbeddedDataDir(value, dir)
	if !ok { // which is refused before it comes to be used
		d, _ = schema.EmbeddedDataDir(cty.NilVal, dir)
	}
	return d
}

// Configure implements providers.Provider.
func (p *Provider) Configure(ctx context.Context, cfg providers.Config) hcl.Diagnostics {
	at := DataDir(cfg.Value, cfg.Dir)
	p.dataDir, p.key = at.Path, at.Key()
	if err := p.settle(ctx, cfg, at); err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The connection cannot be used", Detail: "The server at " + p.key + ": " + err.Error() + "."}}
	}
	p.lineage, p.workspace = cfg.Lineage, cfg.Workspace
	p.declared = !cfg.Value.IsNull()
	return nil
}

// findDataDir compares the data directory with the one of the last apply. A
// provider that the files no longer speak of has its old one. A directory that
// is another one now, while the old one still holds a store, is refused: the
// mail does not move by itself, and the old daemon would go on beside the new.
func (p *Provider) findDataDir(ctx context.Context, scope providers.Scope) error {
	for _, id := range scope.Prior {
		if id.Kind != schema.KindProcess || id.Key == p.key {
			continue
		}
		host, path := schema.SplitDataDir(id.Key)
		if !p.declared && len(scope.Wanted) == 0 {
			if host != "" {
				return fmt.Errorf("the server is on %s, and the provider block that says how to get there is gone. Leave it in the files until \"mailform destroy\" has taken the server away", host)
			}
			p.key, p.dataDir = path, path
			p.place = here{dataDir: path, executable: p.Executable}
			p.reading = p.place
			return nil
		}
		if now, _ := schema.SplitDataDir(p.key); now != host {
			if host == "" && !store.Exists(path) {
				continue // moved away, or never made
			}
			return fmt.Errorf("the server was at %s when mailform last applied, and is to be at %s now. The mail does not move by itself: "+
				"put data_dir and connection back, or run \"mailform destroy\" with the old ones first", id.Key, p.key)
		}
		holds, err := p.reading.holds(ctx, path)
		if err != nil {
			return err
		}
		if !holds {
			continue // moved away, or never made
		}
		return fmt.Errorf("the data directory was %s when mailform last applied, and is %s now. The mail does not move by itself: "+
			"put data_dir back; or run \"mailform stop\" and move the directory to its new place; "+
			"or, to begin anew and leave that mail alone, run \"mailform destroy\" with the old data_dir first", id.Key, p.key)
	}
	return nil
}

// checkWorkspace refuses a data directory of another workspace: each would take
// over and take away what is the other's.
func (p *Provider) checkWorkspace(ctx context.Context) error {
	owner, err := p.reading.workspace(ctx)
	if err != nil {
		return fmt.Errorf("find out whose %s is: %w", p.key, err)
	}
	if p.workspace == "" || owner == "" || owner == p.workspace {
		return nil
	}
	return fmt.Errorf("the data directory %s belongs to the workspace %s, and this is the workspace %s. Give each a directory of its own: "+
		"data_dir = \"./mail-${mailform.workspace}\"; and ports of their own, where both run", p.dataDir, owner, p.workspace)
}

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	if err := p.findDataDir(ctx, scope); err != nil {
		return nil, err
	}
	if err := p.checkWorkspace(ctx); err != nil {
		return nil, err
	}
	ids := meant(scope)
	live, err := p.live(ctx, ids)
	switch {
	case err == nil:
		return p.observe(ctx, scope, live.Resources, true, live.Version)
	case !errors.Is(err, admin.ErrNotRunning):
		return nil, fmt.Errorf("read from the daemon of %s: %w", p.key, err)
	}
	lying, err := p.reading.lying(ctx, ids)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store in %s: %w", p.key, err)
	}
	return p.observe(ctx, scope, lying, false, p.Version)
}

// fewEnough is up to how many resources are looked for one by one. All of them
// are listed at a higher speed.
const fewEnough = 1000

// meant are the resources that are to be looked at; nil: all.
func meant(scope providers.Scope) []admin.ID {
	if !scope.Part || len(scope.Wanted) > fewEnough {
		return nil
	}
	ids := make([]admin.ID, 0, len(scope.Wanted))
	for i := range scope.Wanted {
		ids = append(ids, admin.ID{Kind: scope.Wanted[i].Kind, Key: scope.Wanted[i].Key})
	}
	return ids
}

// live asks the daemon for some resources, or for all.
func (p *Provider) live(ctx context.Context, ids []admin.ID) (*admin.Resources, error) {
	client := p.reading.client()
	if ids != nil {
		if live, err := client.Find(ctx, ids); !errors.Is(err, admin.ErrNoSuchCall) {
			return live, err
		}
	}
	return client.Resources(ctx)
}

// observe converts what the daemon or the store lists, and adds the process. A
// store that holds nothing but the mail of closed accounts is one that a
// destroy left behind: then there is no process to speak of.
func (p *Provider) observe(ctx context.Context, scope providers.Scope, rs []admin.Resource, running bool, version string) ([]providers.Observed, error) {
	out := make([]providers.Observed, 0, len(rs)+1)
	var attrs attrjson.Reader
	for i := range rs {
		r := &rs[i]
		o, err := p.observed(r, &attrs)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if running || inUse(rs) {
		out = append(out, p.process(scope, running, version))
	}
	return p.located(ctx, scope, out)
}

// inUse reports whether anything is there that a daemon serves.
func inUse(rs []admin.Resource) bool {
	return slices.ContainsFunc(rs, func(r admin.Resource) bool { return !r.Retained })
}

func (p *Provider) process(scope providers.Scope, running bool, version string) providers.Observed {
	o := providers.Observed{
		Kind: schema.KindProcess,
		Key:  p.key,
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

// observed converts one thing that the daemon or the store lists. What this
// version does not know of it is left out: an older daemon may know less or more.
func (p *Provider) observed(r *admin.Resource, reader *attrjson.Reader) (providers.Observed, error) {
	kind := schema.KindByName(r.Kind)
	if kind == nil {
		return providers.Observed{}, fmt.Errorf("the daemon of %s lists a %q, which this version of mailform does not know", p.key, r.Kind)
	}
	attrs, err := reader.Object(kind, r.Attrs)
	if err != nil {
		return providers.Observed{}, fmt.Errorf("%s %s in %s: %w", r.Kind, r.Key, p.key, err)
	}
	o := providers.Observed{Kind: kind.Name, Key: r.Key, Attrs: attrs, Origin: r.Owner, Revision: r.Revision, Retained: r.Retained}
	if p.lineage != "" && r.Lineage == p.lineage {
		o.Owner = r.Owner
	}
	return o, nil
}
