package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan/planjson"
)

// validate checks the files alone.
func (a *app) validate(_ context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("validate", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	asJSON := fs.Bool("json", false, "print JSON, in the form of Terraform's")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	opts := config.Options{Vars: o.vars, Environ: a.environ}
	module, diags := ws.Load(opts)
	if !diags.HasErrors() {
		diags = append(diags, ws.Validate(module, opts)...)
	}
	if *asJSON {
		if err := planjson.Validation(a.stdout, diags, module.Files()); err != nil {
			return a.fail(err)
		}
	} else {
		a.diagnostics(diags, module.Files())
		if !diags.HasErrors() {
			fmt.Fprintln(a.stdout, "Success! The configuration is valid.")
		}
	}
	if diags.HasErrors() {
		return exitError
	}
	return exitOK
}
