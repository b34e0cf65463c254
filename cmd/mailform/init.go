package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
)

// init fetches the modules that lie elsewhere. Without any there is nothing to
// do, and no need to.
func (a *app) init(ctx context.Context, args []string) int {
	var o engine.InstallOptions
	fs := flag.NewFlagSet("init", flag.ContinueOnError)
	varFlags(fs, &o.Config.Vars)
	fs.BoolVar(&o.Upgrade, "upgrade", false, "take what branches and tags say now, whatever is locked")
	lockfile := fs.String("lockfile", "", "readonly: refuse to change the lock file")
	fs.Bool("input", true, "it never asks; the option is there for pipelines")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	switch *lockfile {
	case "":
	case "readonly":
		o.Readonly = true
	default:
		return a.fail(fmt.Errorf("the value %q of -lockfile is none that there is: it can be readonly", *lockfile))
	}
	if o.Readonly && o.Upgrade {
		return a.fail(errors.New("-upgrade and -lockfile=readonly exclude each other"))
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	a.heedInterrupts()
	o.Config.Environ = a.environ
	begun := false
	o.Report = func(i engine.Installation) {
		if !begun {
			fmt.Fprintln(a.stdout, "Initializing modules...")
			begun = true
		}
		switch {
		case i.Begun:
			fmt.Fprintf(a.stdout, "Downloading %s...\n", i.Source)
		case i.Fetched:
			fmt.Fprintf(a.stdout, "- %s at commit %.12s\n", i.Source, i.Commit)
		default:
			fmt.Fprintf(a.stdout, "- %s is there, at commit %.12s\n", i.Source, i.Commit)
		}
	}
	module, changed, diags := ws.Install(ctx, o)
	if !diags.HasErrors() {
		_, more := module.Backend(config.Options{Vars: o.Config.Vars, Environ: a.environ, AllowUnset: true})
		diags = append(diags, more...)
	}
	a.diagnostics(diags, module.Files())
	if diags.HasErrors() {
		return exitError
	}
	if begun {
		fmt.Fprintln(a.stdout)
	}
	if changed {
		fmt.Fprint(a.stdout, "mailform has written the lock file .mailform.lock.hcl. Put it into version\ncontrol, so that everyone works with the same modules.\n\n")
	}
	if module.Empty() {
		fmt.Fprintln(a.stdout, "mailform initialized in an empty directory!")
		return exitOK
	}
	fmt.Fprintln(a.stdout, "mailform has been successfully initialized!")
	return exitOK
}
