package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/source"
	"github.com/mailform/mailform/engine/source/git"
)

// InstallOptions say how modules are installed.
type InstallOptions struct {
	Config config.Options
	// Upgrade takes what a branch or a tag says now, whatever is locked.
	Upgrade bool
	// Readonly refuses to change the lock file.
	Readonly bool
	// Report is told of each package that lies elsewhere, as it is dealt with.
	Report func(Installation)
}

// An Installation is what became of one package of modules.
type Installation struct {
	Source string // as the lock file names it
	Commit string
	// Fetched is set where it had to be fetched, and Begun while that lasts.
	Begun, Fetched bool
}

// Install fetches the modules that the files call and that lie elsewhere, where
// they are not there yet, and writes the lock file. It reports whether that is
// another one now. Where the files are wrong, what can be told is installed all
// the same.
func (w *Workspace) Install(ctx context.Context, o InstallOptions) (*config.Module, bool, hcl.Diagnostics) {
	lock, err := source.ReadLock(w.Dir)
	if err != nil {
		module, _ := config.LoadWith(w.Dir, o.Config)
		return module, false, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Damaged lock file",
			Detail:   fmt.Sprintf("The lock file cannot be used: %s. Take it out of version control again, or delete it to begin a new one.", err),
		}}
	}
	i := installer{ctx: ctx, o: o, dir: w.Dir, had: lock, done: map[string]error{}, lock: &source.Lock{Modules: map[string]source.Locked{}}}
	opts := o.Config
	opts.Install = i.install
	module, diags := config.LoadWith(w.Dir, opts)
	if diags.HasErrors() { // what is not called now may be called once they are right
		for name, m := range lock.Modules {
			if _, ok := i.lock.Modules[name]; !ok {
				i.lock.Modules[name] = m
			}
		}
	}
	if o.Readonly {
		if name := lock.Differs(i.lock); name != "" && !diags.HasErrors() {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Lock file is out of date",
				Detail:   fmt.Sprintf("The lock file %s does not say what the files need: %s. Run \"mailform init\" without -lockfile=readonly, and commit the lock file.", source.LockName, name),
			})
		}
		return module, false, diags
	}
	changed, err := i.lock.Write(w.Dir)
	if err != nil {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot write the lock file", Detail: err.Error() + "."})
	}
	return module, changed, diags
}

// An installer installs the packages of one configuration.
type installer struct {
	ctx  context.Context
	o    InstallOptions
	dir  string
	had  *source.Lock
	lock *source.Lock // what is in use
	done map[string]error
}

// install sees to it that a package is in place, once.
func (i *installer) install(r source.Repository) error {
	name := r.String()
	if err, ok := i.done[name]; ok {
		return err
	}
	err := i.place(r, name)
	i.done[name] = err
	return err
}

func (i *installer) place(r source.Repository, name string) error {
	locked, ok := i.had.Modules[name]
	if i.o.Upgrade {
		locked, ok = source.Locked{}, false
	}
	if ok && source.Verify(i.dir, r, locked) == nil {
		i.lock.Modules[name] = locked
		i.report(Installation{Source: name, Commit: locked.Commit})
		return nil
	}
	if !ok && i.o.Readonly && !i.o.Upgrade {
		return fmt.Errorf("%s does not say which commit of it is meant, and is not to be changed", source.LockName)
	}
	i.report(Installation{Source: name, Begun: true})
	if err := i.folder(); err != nil {
		return err
	}
	got, err := git.Fetch(i.ctx, r, locked, filepath.Join(i.dir, filepath.FromSlash(r.Install())))
	if errors.Is(err, git.ErrContent) {
		return fmt.Errorf("%w. Somebody may have changed what the repository says of that commit; if the new content is meant, run \"mailform init -upgrade\"", err)
	}
	if err != nil {
		return err
	}
	i.lock.Modules[name] = got
	i.report(Installation{Source: name, Commit: got.Commit, Fetched: true})
	return nil
}

func (i *installer) report(in Installation) {
	if i.o.Report != nil {
		i.o.Report(in)
	}
}

// folder makes the folder of modules, which version control leaves alone.
func (i *installer) folder() error {
	folder := filepath.Join(i.dir, filepath.FromSlash(source.Folder))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(folder, git.Unfinished))
	if err != nil {
		return err
	}
	for _, dir := range left { // of a fetch that was killed, not of one that runs
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	ignore := filepath.Join(folder, ".gitignore")
	if _, err := os.Stat(ignore); err == nil {
		return nil
	}
	return os.WriteFile(ignore, []byte("*\n"), 0o644)
}
