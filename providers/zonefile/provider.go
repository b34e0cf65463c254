package zonefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A Provider keeps zones in the files of one directory.
type Provider struct {
	// Now is the time, for serials; nil: that of the machine.
	Now func() time.Time

	dir     string // where the configuration lies
	folder  string // absolute path of the files
	file    string // with schema.ZonePlaceholder
	serial  string
	mode    fs.FileMode
	reload  []string
	timeout time.Duration
	zones   []rdata.Name // beyond those that a scope speaks of
}

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	p.dir = cfg.Dir
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() {
		return fault(errors.New("there is no block provider \"zonefile\" any more that says where the files are"))
	}
	value, _ := cfg.Value.UnmarkDeep()
	p.folder = zonedata.Text(value, "directory")
	if !filepath.IsAbs(p.folder) {
		p.folder = filepath.Join(cfg.Dir, p.folder)
	}
	p.file = cmp.Or(zonedata.Text(value, "file"), schema.ZonePlaceholder+".zone")
	p.serial = cmp.Or(zonedata.Text(value, "serial"), "increment")
	var err error
	if p.mode, err = schema.ParseFileMode(cmp.Or(zonedata.Text(value, "mode"), "0644")); err != nil {
		return fault(fmt.Errorf("mode: %w", err))
	}
	if p.timeout, err = schema.ParseDuration(cmp.Or(zonedata.Text(value, "reload_timeout"), "30s")); err != nil {
		return fault(fmt.Errorf("reload_timeout: %w", err))
	}
	p.reload = zonedata.Texts(value, "reload")
	p.zones = nil
	for _, z := range zonedata.Texts(value, "zones") {
		name, err := schema.ParseDomainName(z)
		if err != nil {
			return fault(fmt.Errorf("zones: %q: %w", z, err))
		}
		p.zones = append(p.zones, rdata.Name(name+"."))
	}
	return nil
}

func fault(err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration", Detail: "The provider zonefile cannot be set up: " + err.Error() + "."}}
}

// Read implements providers.Provider: it reads the files of the zones that the
// scope speaks of, and of those that the block names. For a scope that speaks of
// nothing, and a block that names none, it reads all files that there are.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	if err := p.checkFolder(); err != nil {
		return nil, err
	}
	names, _ := zonedata.Zones(scope)
	if len(scope.Wanted)+len(scope.Prior)+len(p.zones) == 0 {
		var err error
		if names, err = p.list(); err != nil {
			return nil, err
		}
	}
	seen := map[rdata.Name]bool{}
	for _, n := range names {
		seen[n] = true
	}
	for _, n := range p.zones {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	zones, wanted := map[rdata.Name]bool{}, map[thing]*schema.Resource{}
	for i := range scope.Wanted {
		r := &scope.Wanted[i]
		if n, err := zonedata.ZoneName(r.Kind, r.Key); err == nil {
			zones[n], wanted[thing{r.Kind, r.Key}] = true, r
		}
	}
	var out []providers.Observed
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := p.open(n)
		if err != nil {
			return nil, err
		}
		if f.zone != nil && f.zone.Signed && zones[n] {
			return nil, f.signed()
		}
		out = append(out, f.observed(wanted)...)
	}
	return out, nil
}

// checkFolder says where there is no directory: of a path that was mistyped it
// must not be said that all zones in it are to be made.
func (p *Provider) checkFolder() error {
	info, err := os.Stat(p.folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s is not there. Make it, so that the name server can read in it, or correct directory", p.folder)
	case err != nil:
		return fmt.Errorf("find the directory of zone files: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", p.folder)
	}
	return nil
}

// Apply implements providers.Provider. The changes of a zone are made as one, or
// none of them; zones are apart from each other.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := p.checkFolder(); err != nil {
		return err
	}
	unlock, err := lock(ctx, p.folder)
	if err != nil {
		return fmt.Errorf("another mailform writes into %s: %w", p.folder, err)
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	results := make([]providers.Observed, len(batch))
	parts, errs := zonedata.Group(batch)
	var written []*work
	for _, part := range parts {
		w := &work{Part: part}
		for _, i := range part.Changes {
			w.changes = append(w.changes, batch[i])
		}
		if err := ctx.Err(); err != nil {
			w.fail(err)
		} else {
			p.write(w)
		}
		written = append(written, w)
	}
	p.reloadAll(ctx, written)
	var unread error
	for _, w := range written {
		p.finish(w)
		if unread == nil {
			unread = w.unread
		}
		for n, i := range w.Changes {
			errs[i] = w.errs[n]
			if w.errs[n] == nil && batch[i].Action != providers.Delete {
				results[i], _ = w.after.Find(batch[i].Resource.Kind, batch[i].Resource.Key)
			}
		}
	}
	for i, c := range batch {
		if err := done(c, results[i], errs[i]); err != nil {
			return err
		}
	}
	return unread
}

// A work is what is to be done in one zone.
type work struct {
	zonedata.Part
	changes []providers.Change
	errs    []error
	file    *file
	// loads is set where the name server has to be told.
	loads bool
	// unread is why it has not read what is written. What was made is ours then all
	// the same, and reported as done; what was to go is still there for the world,
	// and reported as not done.
	unread error
	// after is the zone as it is in the end; nil: it is gone, or nothing was done.
	after *zonedata.Zone
}

// fail is for what concerns all changes of the zone.
func (w *work) fail(err error) {
	w.errs = make([]error, len(w.changes))
	for i := range w.errs {
		w.errs[i] = err
	}
}

func (w *work) failed() bool {
	for _, err := range w.errs {
		if err != nil {
			return true
		}
	}
	return false
}

// write makes the changes of one zone in its file.
func (p *Provider) write(w *work) {
	f, err := p.open(w.Zone)
	if err != nil {
		w.fail(err)
		return
	}
	w.file = f
	base, err := f.base(w.changes)
	if err != nil {
		w.fail(err)
		return
	}
	edits, errs := zonedata.Prepare(base, w.changes)
	if w.errs = errs; zonedata.Refused(errs) {
		return
	}
	w.after = base
	switch {
	case edits.Empty() && f.pending == nil:
		return
	case f.zone != nil && f.zone.Signed && !edits.Delete:
		w.fail(f.signed())
		return
	case len(edits.Left) > 0:
		w.fail(fmt.Errorf("the file %s holds records that mailform has not made, %s. It stays. Take them out by hand, or remove the file yourself", f.path, zonedata.Some(edits.Left)))
		return
	}
	if err := p.replace(f, base, edits); err != nil {
		w.fail(err)
		return
	}
	w.loads = true
}

// finish reads back what was written and loaded.
func (p *Provider) finish(w *work) {
	if w.failed() || !w.loads {
		return
	}
	if w.unread == nil {
		if err := w.file.settle(); err != nil {
			w.fail(err)
			return
		}
	}
	f, err := p.open(w.Zone)
	if err != nil {
		w.fail(fmt.Errorf("read again: %w", err))
		return
	}
	w.after = f.zone
	for i, c := range w.changes {
		if c.Action == providers.Delete {
			w.errs[i] = w.unread
			continue
		}
		if f.zone != nil {
			if _, ok := f.zone.Find(c.Resource.Kind, c.Resource.Key); ok {
				continue
			}
		}
		w.errs[i] = fmt.Errorf("it was written to %s and is not there any more: somebody else writes there too", f.path)
	}
}
