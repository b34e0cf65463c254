package main

import (
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/providers"
)

// beginEvents begins what -json and -json-into ask for. With the latter, text
// for people goes on as ever, and the events beside it into a file.
func (a *app) beginEvents(o *operation) error {
	a.json = o.json
	if o.into == "" {
		return nil
	}
	f, err := os.OpenFile(o.into, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open the file given by -json-into: %w", err)
	}
	a.into, a.intoFile = planjson.NewStream(f, time.Now), f
	a.into.Version(version)
	return nil
}

// endEvents closes the file. What could not be written has been told of.
func (a *app) endEvents() {
	if a.intoFile != nil {
		a.intoFile.Close()
	}
}

// intoDiagnostics tells of diagnostics in the file of events too.
func (a *app) intoDiagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	if a.into != nil {
		a.into.Diagnostics(diags, files)
	}
}

// intoError is why the file of events could not be written; nil for no reason.
func (a *app) intoError() error {
	if a.into == nil || a.into.Err() == nil {
		return nil
	}
	return fmt.Errorf("write the file given by -json-into: %w", a.into.Err())
}

// intoPlan writes a plan into the file of events.
func (a *app) intoPlan(p *plan.Plan) error {
	if a.into == nil {
		return nil
	}
	a.into.Plan(p)
	a.into.Diagnostics(brakeWarnings(p), nil)
	return a.intoError()
}

// A both shows an apply in two ways.
type both struct{ first, second view }

func (b both) Started(c *plan.Change, act providers.Action) {
	b.first.Started(c, act)
	b.second.Started(c, act)
}

func (b both) Completed(c *plan.Change, act providers.Action) {
	b.first.Completed(c, act)
	b.second.Completed(c, act)
}

func (b both) Failed(c *plan.Change, act providers.Action, err error) {
	b.first.Failed(c, act, err)
	b.second.Failed(c, act, err)
}

func (b both) Skipped(c *plan.Change, act providers.Action, why string) {
	b.first.Skipped(c, act, why)
	b.second.Skipped(c, act, why)
}

func (b both) Close() {
	b.first.Close()
	b.second.Close()
}
