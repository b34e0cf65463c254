package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planfile"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

// plan shows what apply would change.
func (a *app) plan(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("plan", flag.ContinueOnError)
	o.flags(fs)
	a.uiFlag(fs)
	out := fs.String("out", "", "FILE: save the plan, for \"mailform apply FILE\"")
	detailed := fs.Bool("detailed-exitcode", false, "exit code 2 if there are changes")
	fs.BoolVar(&o.lock, "lock", true, "lock the state; without a lock the plan may be outdated at once")
	fs.BoolVar(&o.destroy, "destroy", false, "plan to take everything away")
	fs.BoolVar(&o.refreshOnly, "refresh-only", false, "only look for what was changed outside of mailform")
	var gen drafting
	gen.flags(fs, "the blocks that import blocks name and that are missing")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if err := a.beginEvents(&o); err != nil {
		return a.fail(err)
	}
	defer a.endEvents()
	if err := a.draftImports(ctx, &o, &gen); err != nil {
		return a.failed(err)
	}
	s, m, err := a.open(ctx, &o, "plan")
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
	if err := a.unread(p); err != nil {
		return exitError
	}
	if *out != "" {
		if err := a.savePlan(*out, p, m, s.Keyring(), &o); err != nil {
			return a.fail(err)
		}
	}
	if *detailed && !p.Empty() {
		return exitChanges
	}
	return exitOK
}

// unread tells of targets that could not be read: what is shown of them is by
// the state, so that a plan which is not applied at once is of no use.
func (a *app) unread(p *plan.Plan) error {
	targets := p.UnreadTargets()
	if len(targets) == 0 {
		return nil
	}
	var detail strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&detail, "The provider %s could not tell what it has: %s.\n", t, p.Unread[t])
	}
	a.problem("Cannot read what is there", detail.String()+"The plan is not whole, and is not saved.")
	return errReported
}

// A timeFlag takes a time in RFC 3339, or the word now.
type timeFlag struct{ to *time.Time }

func (timeFlag) String() string { return "" }

func (f timeFlag) Set(arg string) (err error) {
	if arg == "now" {
		*f.to = time.Now().UTC().Truncate(time.Second)
		return nil
	}
	t, err := time.Parse(time.RFC3339, arg)
	if err != nil {
		return errors.New("a time is written as in 2026-01-02T15:04:05Z, or as now")
	}
	*f.to = t.UTC()
	return nil
}

// uiFlag declares -ui, for tools that know only Terraform's headings.
func (a *app) uiFlag(fs *flag.FlagSet) {
	fs.Func("ui", "mailform|terraform: with terraform, print the headings that tools look for which only know Terraform's", func(v string) error {
		switch v {
		case "terraform":
			a.product = "Terraform"
		case "mailform":
			a.product = ""
		default:
			return errors.New("it is terraform or mailform")
		}
		return nil
	})
}

// asksForEvents reports whether a command line asks for JSON events, whatever is
// wrong with the rest of it: then the error is an event, too.
func asksForEvents(args []string) bool {
	if len(args) == 0 || !slices.Contains([]string{"plan", "apply", "destroy", "rollback"}, args[0]) {
		return false
	}
	for _, arg := range args[1:] {
		if name, ok := strings.CutPrefix(arg, "-"); ok && slices.Contains([]string{"json", "json=true"}, strings.TrimPrefix(name, "-")) {
			return true
		}
	}
	return false
}

// events is the stream of JSON events of this run; its first event is there.
func (a *app) events() *planjson.Stream {
	if a.stream == nil {
		a.stream = planjson.NewStream(a.stdout, time.Now)
		a.stream.Version(version)
	}
	return a.stream
}

// style is how text for a stream looks.
func (a *app) style(w io.Writer) text.Style {
	s := text.Style{Product: a.product}
	if a.color(w) {
		s.Palette = text.ANSI
	}
	return s
}

// showPlan prints a plan as text, or as events under -json.
func (a *app) showPlan(o *operation, p *plan.Plan) error {
	if err := a.intoPlan(p); err != nil {
		return err
	}
	if o.json {
		a.events().Plan(p)
		a.events().Diagnostics(brakeWarnings(p), nil)
		return a.events().Err()
	}
	if err := text.Plan(a.stdout, p, a.style(a.stdout)); err != nil {
		return err
	}
	if a.behind != nil {
		a.behind()
	}
	return nil
}

// brakeWarnings tells of the brakes where there is no text that does.
func brakeWarnings(p *plan.Plan) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range p.Brakes {
		if !b.Confirmed {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "Confirmation needed",
				Detail:   fmt.Sprintf("%s To confirm: -confirm=%s", b.Detail, b.ID),
			})
		}
	}
	for _, b := range p.Waived {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Let through by settings of the files", Detail: b.Detail})
	}
	return diags
}

// savePlan writes a plan file, whole or not at all, that only its owner reads.
func (a *app) savePlan(path string, p *plan.Plan, m *config.Module, keys *seal.Keyring, o *operation) error {
	p.Outline = m.Outline()
	var buf bytes.Buffer
	if err := planfile.Save(&buf, p, a.planMeta(m, p, o.vars)); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	data, err := sealPlan(keys, p, buf.Bytes())
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if err := writeWhole(path, data, 0o600); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if o.json {
		return nil
	}
	fmt.Fprintf(a.stdout, "\n%s\n\nSaved the plan to: %s\n\n", text.Rule, path)
	if len(p.Unconfirmed()) > 0 {
		fmt.Fprintln(a.stdout, "It can be shown, and not be applied: its brakes are not confirmed.")
		return nil
	}
	fmt.Fprintf(a.stdout, "To carry out exactly these actions, run:\n    mailform apply %q\n", filepath.ToSlash(path))
	return nil
}

// planMeta says what a plan was made from: variables by their values where they
// are public, by their names alone where not.
func (a *app) planMeta(m *config.Module, p *plan.Plan, vars []config.VarArg) planfile.Meta {
	meta := planfile.Meta{Mailform: version, Vars: map[string]string{}, Config: m.Snapshot(p.Secrets())}
	for _, v := range vars {
		switch {
		case v.File != "":
			meta.VarFiles = append(meta.VarFiles, a.portable(v.File))
		case m.SensitiveVariable(v.Name) || schema.HoldsPasswordHash(v.Value):
			meta.SensitiveVars = append(meta.SensitiveVars, v.Name)
		default:
			meta.Vars[v.Name] = v.Value
		}
	}
	return meta
}

// portable is the path of a file so that another checkout finds it: below the
// directory of the configuration relative to it.
func (a *app) portable(path string) string {
	dir, err := a.dir()
	if err != nil || !filepath.IsAbs(path) {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// planVars is the other way round: what a saved plan's variables were.
func planVars(meta planfile.Meta) []config.VarArg {
	var vars []config.VarArg
	for _, f := range meta.VarFiles {
		vars = append(vars, config.VarArg{File: f})
	}
	for _, name := range slices.Sorted(maps.Keys(meta.Vars)) {
		vars = append(vars, config.VarArg{Name: name, Value: meta.Vars[name]})
	}
	return vars
}
