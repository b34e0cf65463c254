package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/mailform/mailform/engine/plan"
)

// rollback plans back to what was described before the last apply, asks, and
// carries that out.
func (a *app) rollback(ctx context.Context, args []string) int {
	o := operation{rollback: true}
	fs := flag.NewFlagSet("rollback", flag.ContinueOnError)
	o.flags(fs)
	a.uiFlag(fs)
	approve := fs.Bool("auto-approve", false, "do not ask")
	out := fs.String("out", "", "FILE: save the plan, for \"mailform apply FILE\", and change nothing")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	a.json = o.json
	if *out == "" {
		return a.applyNew(ctx, &o, *approve)
	}
	if *approve {
		return a.fail(errors.New("-out and -auto-approve exclude each other: a saved plan is carried out by \"mailform apply FILE\""))
	}
	s, m, err := a.open(ctx, &o, "rollback")
	if err != nil {
		return exitError
	}
	defer s.Close()
	p, err := a.makePlan(ctx, s, m, &o)
	if err != nil {
		return exitError
	}
	if err := a.showPlan(&o, p); err != nil {
		return a.fail(err)
	}
	if a.unread(p) != nil {
		return exitError
	}
	if err := a.savePlan(*out, p, m, s.Keyring(), &o); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// afterRollback says what the files have to do with it.
func (a *app) afterRollback(p *plan.Plan) {
	if p.Mode != plan.Rollback || p.Empty() {
		return
	}
	fmt.Fprintf(a.stdout, "\nThe files still describe what was undone: put them back, too, or the next apply does it again.\n"+
		"To go forward again instead, run \"mailform rollback\" once more.\n")
}
