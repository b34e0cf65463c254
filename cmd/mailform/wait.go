package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/schema"
)

// longestWait is how long -wait waits where it is not told.
const longestWait = 24 * time.Hour

// A waitFlag is -wait, which may say for how long.
type waitFlag struct{ to *time.Duration }

func (waitFlag) String() string   { return "" }
func (waitFlag) IsBoolFlag() bool { return true }

func (f waitFlag) Set(arg string) error {
	switch arg {
	case "true":
		*f.to = longestWait
		return nil
	case "false":
		*f.to = 0
		return nil
	}
	d, err := schema.ParseDuration(arg)
	if err != nil || d <= 0 {
		return errors.New("it is a time such as 2h, or nothing")
	}
	*f.to = d
	return nil
}

// clock is what decides which stages are due: of a plan the time that it is made
// for, where one is given; an apply goes by what it is.
func (a *app) clock(o *operation, operation string) func() time.Time {
	if operation == "plan" && !o.at.IsZero() {
		return func() time.Time { return o.at }
	}
	return a.now
}

// later carries out the stages that are due after the first apply, as they become
// due, for as long as -wait says. Nobody is asked again: what is done is what the
// first plan has shown to come, or nothing. While it waits, the state is not
// locked.
func (a *app) later(ctx context.Context, o *operation, p *plan.Plan, next time.Time) int {
	end := a.now().Add(o.wait)
	o.replaces, o.saved = nil, false // once was asked for
	for !next.IsZero() {
		if next.After(end) {
			return a.tellWait(o, next, "The next stage is due at %s, which is later than -wait waits: apply again from then on.")
		}
		if code := a.tellWait(o, next, "Waiting until %s for the next stage; an interrupt ends the wait, and the next apply goes on from there."); code != exitOK {
			return code
		}
		if err := a.sleep(ctx, max(next.Sub(a.now()), time.Second)); err != nil {
			return a.fail(errors.New("interrupted while waiting for the next stage. What was due is done; the next apply goes on from there"))
		}
		var code int
		if p, next, code = a.stage(ctx, o, p); code != exitOK {
			return code
		}
	}
	return exitOK
}

// stage carries out what is due of what the plan before has shown to come.
func (a *app) stage(ctx context.Context, o *operation, before *plan.Plan) (*plan.Plan, time.Time, int) {
	fail := func(err error) (*plan.Plan, time.Time, int) { return nil, time.Time{}, a.fail(err) }
	s, m, err := a.open(ctx, o, "apply")
	if err != nil {
		return nil, time.Time{}, exitError
	}
	defer s.Close()
	p, err := a.makePlan(ctx, s, m, o)
	if err != nil {
		return nil, time.Time{}, exitError
	}
	if p.Empty() {
		return p, p.NextStage(), exitOK
	}
	if err := a.showPlan(o, p); err != nil {
		return fail(err)
	}
	if other := unforetold(before, p); other != "" {
		return fail(fmt.Errorf("there is more to be done by now than was shown to come: %s. The stage was not carried out; plan and apply anew", other))
	}
	if brakes := p.Unconfirmed(); len(brakes) > 0 {
		return fail(unconfirmed(brakes))
	}
	next, code := a.carryOut(ctx, s, m, o, engine.ApplyOptions{Plan: p})
	return p, next, code
}

// unforetold is the address of something that a plan changes and the one before it
// has not shown to come; empty: there is nothing of that sort.
func unforetold(before, p *plan.Plan) string {
	var foretold []string
	for _, m := range before.Staged {
		foretold = append(append(foretold, m.Address), m.Kept...)
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action != plan.NoOp && !slices.Contains(foretold, c.Address) {
			return c.Address
		}
	}
	return ""
}

// tellWait says what is waited for.
func (a *app) tellWait(o *operation, next time.Time, format string) int {
	message := fmt.Sprintf(format, text.Time(next))
	if a.into != nil {
		a.into.Waiting(message, next)
		if err := a.intoError(); err != nil {
			return a.fail(err)
		}
	}
	if o.json {
		a.events().Waiting(message, next)
		if err := a.events().Err(); err != nil {
			return a.fail(err)
		}
		return exitOK
	}
	fmt.Fprintf(a.stdout, "\n%s\n\n", message)
	return exitOK
}

// sleep lets time go by, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
