// Package engine puts the stages together: load, evaluate, expand, read, plan,
// apply. Each stage is a package below; this one only hands the result of one
// to the next. A [Workspace] is where to start.
package engine

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/providers"
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
	// NewDataSource makes what answers data blocks of a type; nil for one that is
	// none. dir is the configuration's directory. Without the function itself the
	// answers are unknown.
	NewDataSource func(name, dir string) providers.DataSource
}

// Load reads the files of the workspace. The module is usable for showing
// errors even where there are some; then they are all that can be found.
func (w *Workspace) Load(opts config.Options) (*config.Module, hcl.Diagnostics) {
	module, diags := config.LoadWith(w.Dir, opts)
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
	_, early := module.Encryption(opts)
	diags = merge(diags, early)
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
