package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/seal"
)

// apply plans, asks, and carries out; or carries out a saved plan.
func (a *app) apply(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("apply", flag.ContinueOnError)
	o.flags(fs)
	a.uiFlag(fs)
	approve := fs.Bool("auto-approve", false, "do not ask")
	fs.BoolVar(&o.destroy, "destroy", false, "take everything away, as \"mailform destroy\"")
	fs.BoolVar(&o.refreshOnly, "refresh-only", false, "only take over into the state what was changed outside of mailform")
	prove := fs.Bool("verify", false, "afterwards look from outside whether what runs is as the files say, as \"mailform verify\"")
	fs.Var(waitFlag{&o.wait}, "wait", "wait for the stages that are due later, and carry them out; -wait=2h: no longer than that, else a day")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if o.wait > 0 && (o.destroy || o.refreshOnly) {
		return a.fail(errors.New("-wait waits for stages, which -destroy and -refresh-only do not have"))
	}
	if *prove && (o.destroy || o.json) {
		return a.fail(errors.New("-verify prints what it finds as text, and there has to be something: it does not go with -json and -destroy; \"mailform verify -json\" prints JSON"))
	}
	if err := a.beginEvents(&o); err != nil {
		return a.fail(err)
	}
	defer a.endEvents()
	code := exitOK
	if len(rest) == 1 {
		code = a.applySaved(ctx, rest[0], &o)
	} else {
		code = a.applyNew(ctx, &o, *approve)
	}
	if code == exitOK && *prove {
		code = a.prove(ctx, &o)
	}
	return code
}

// destroy is apply -destroy.
func (a *app) destroy(ctx context.Context, args []string) int {
	o := operation{destroy: true}
	fs := flag.NewFlagSet("destroy", flag.ContinueOnError)
	o.flags(fs)
	a.uiFlag(fs)
	approve := fs.Bool("auto-approve", false, "do not ask")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if err := a.beginEvents(&o); err != nil {
		return a.fail(err)
	}
	defer a.endEvents()
	return a.applyNew(ctx, &o, *approve)
}

func (a *app) applyNew(ctx context.Context, o *operation, approve bool) int {
	if o.json && !approve {
		return a.fail(errors.New("-json needs -auto-approve or a saved plan: there is no one to ask"))
	}
	s, m, err := a.open(ctx, o, "apply")
	if err != nil {
		return exitError
	}
	defer s.Close()
	p, err := a.makePlan(ctx, s, m, o)
	if err != nil {
		return exitError
	}
	if err := a.showPlan(o, p); err != nil {
		return a.fail(err)
	}
	switch brakes := p.Unconfirmed(); {
	case len(brakes) > 0 && (approve || !o.input):
		return a.fail(unconfirmed(brakes))
	case len(brakes) > 0:
		err = a.confirmBrakes(ctx, p, brakes)
	case !p.Empty() && !approve:
		err = a.confirm(ctx, o)
	}
	if err != nil {
		return a.fail(err)
	}
	next, code := a.carryOut(ctx, s, m, o, engine.ApplyOptions{Plan: p})
	return a.goOn(ctx, s, o, p, next, code)
}

// goOn carries out later stages where that is asked for. The state is not locked
// meanwhile.
func (a *app) goOn(ctx context.Context, s *engine.Session, o *operation, p *plan.Plan, next time.Time, code int) int {
	if code != exitOK || o.wait == 0 || next.IsZero() {
		return code
	}
	if err := s.Close(); err != nil {
		return a.fail(err)
	}
	return a.later(ctx, o, p, next)
}

// confirm asks before anything is changed.
func (a *app) confirm(ctx context.Context, o *operation) error {
	if !o.input {
		return errors.New("this needs a confirmation, and -input=false forbids to ask. Give -auto-approve, or apply a saved plan")
	}
	question := "Do you want to carry out these actions?"
	switch {
	case o.wait > 0:
		question = "Do you want to carry out these actions, and the stages that are to come?"
	case o.destroy:
		question = "Do you really want to take all of this away?"
	}
	switch yes, err := a.askYes(ctx, question); {
	case err != nil:
		return err
	case !yes:
		return errNotConfirmed
	}
	return nil
}

// askYes asks a question that has to be answered by yes.
func (a *app) askYes(ctx context.Context, question string) (bool, error) {
	answer, err := a.ask(ctx, question+"\n  Only \"yes\" is taken as a yes.")
	return answer == "yes", err
}

var errNotConfirmed = errors.New("apply was not confirmed; nothing has been changed")

// ask asks for a line.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprintf(a.stdout, "\n%s\n\n  Enter a value: ", question)
	answer, err := a.readLine(ctx)
	fmt.Fprintln(a.stdout)
	return answer, err
}

// readLine reads a line from standard input, without the blanks around it.
func (a *app) readLine(ctx context.Context) (string, error) {
	line, err := await(ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(a.stdin, 1<<16)).ReadString('\n')
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// confirmBrakes asks for the brakes of a plan by their IDs; a mere yes, typed
// out of habit, is not enough.
func (a *app) confirmBrakes(ctx context.Context, p *plan.Plan, ids []string) error {
	answer, err := a.ask(ctx, fmt.Sprintf("To carry out these actions all the same, enter what is to be confirmed:\n  %s", strings.Join(ids, " ")))
	if err != nil {
		return err
	}
	if unknown := p.Confirm(strings.Fields(answer)...); len(unknown) > 0 || len(p.Unconfirmed()) > 0 {
		return errNotConfirmed
	}
	return nil
}

// unconfirmed is the error for a plan whose brakes nobody has confirmed.
func unconfirmed(ids []string) error {
	return fmt.Errorf("this plan has brakes that need a confirmation, which -auto-approve and -input=false do not give. "+
		"Nothing has been changed. If all of it is meant, give -confirm=%s", strings.Join(ids, " -confirm="))
}

// carryOut applies a plan and tells how it went, and when the next stage is due.
func (a *app) carryOut(ctx context.Context, s *engine.Session, m *config.Module, o *operation, opts engine.ApplyOptions) (next time.Time, code int) {
	view := a.progress(o, opts.Plan)
	opts.Observer = view
	sum, diags := s.Apply(ctx, opts)
	view.Close()
	if len(diags) > 0 {
		a.report(o, m, diags)
	}
	if err := a.showApplied(s, o, opts.Plan, sum, !diags.HasErrors()); err != nil {
		return time.Time{}, a.fail(err)
	}
	if diags.HasErrors() {
		return time.Time{}, exitError
	}
	return sum.NextStage, exitOK
}

// showApplied tells what was done, and the outputs if all of it was.
func (a *app) showApplied(s *engine.Session, o *operation, p *plan.Plan, sum apply.Summary, whole bool) error {
	outputs := s.Outputs()
	tell := func(events *planjson.Stream) {
		operation := "apply"
		if p.Mode == plan.Destroy {
			operation = "destroy"
		}
		events.Applied(operation, sum)
		if whole {
			events.Outputs(outputs)
		}
	}
	if a.into != nil {
		tell(a.into)
		if err := a.intoError(); err != nil {
			return err
		}
	}
	if o.json {
		tell(a.events())
		return a.events().Err()
	}
	if err := text.Applied(a.stdout, p, sum, a.style(a.stdout)); err != nil {
		return err
	}
	if whole {
		a.afterRollback(p)
	}
	if !whole || len(outputs) == 0 {
		return nil
	}
	fmt.Fprint(a.stdout, "\nOutputs:\n\n")
	return a.printOutputs(outputs, formText)
}

// applySaved carries out a plan file: exactly that, or nothing.
func (a *app) applySaved(ctx context.Context, path string, o *operation) int {
	if o.destroy || o.refreshOnly || o.noRefresh || len(o.targets)+len(o.excludes)+len(o.replaces) > 0 {
		return a.fail(errors.New("a saved plan says itself what is done: -destroy, -refresh-only, -refresh=false, -target, -exclude and -replace go with \"mailform plan -out\""))
	}
	saved, meta, err := a.readPlan(path, o.vars)
	if err != nil {
		return a.failed(err)
	}
	if len(o.confirmed) > 0 {
		return a.fail(errors.New("a saved plan is confirmed where its reviewer sees it: -confirm goes with \"mailform plan -out\""))
	}
	if ids := saved.Unconfirmed(); len(ids) > 0 {
		return a.fail(fmt.Errorf("the saved plan %s has brakes that were not confirmed when it was made. Nothing has been changed. "+
			"If all of it is meant, plan again with -confirm=%s", filepath.Base(path), strings.Join(ids, " -confirm=")))
	}
	if meta.Mailform != version {
		return a.problem("Saved plan is of another version", fmt.Sprintf("The plan was made by mailform %s, and this is %s, which may do otherwise.\n"+
			"Nothing has been changed. Make a new plan, or apply with that version.", meta.Mailform, version))
	}
	o.confirmed = saved.Confirmed()
	// The plan has the public variables; secret ones come again from the
	// command line, the environment or the files, and are compared.
	o.vars = append(planVars(meta.Meta), o.vars...)
	o.targets, o.excludes, o.replaces = saved.Targets, saved.Excludes, saved.Replaces
	o.at, o.saved = saved.Time, true
	o.destroy, o.rollback, o.noRefresh = saved.Mode == plan.Destroy, saved.Mode == plan.Rollback, saved.Unseen
	o.refreshOnly = saved.Mode == plan.RefreshOnly
	s, m, err := a.open(ctx, o, "apply")
	if err != nil {
		return exitError
	}
	defer s.Close()
	if keys := s.Keyring(); keys != nil && keys.Enforced && !meta.sealed {
		return a.fail(fmt.Errorf("read the plan %s: %w", path, seal.ErrPlain))
	}
	fresh, err := a.makePlan(ctx, s, m, o)
	if err != nil {
		return exitError
	}
	if why, same := plan.Same(saved, fresh); !same {
		return a.stale(path, why, fresh, meta.Meta, m)
	}
	next, code := a.carryOut(ctx, s, m, o, engine.ApplyOptions{Plan: fresh, Saved: true})
	return a.goOn(ctx, s, o, fresh, next, code)
}
