package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/html"
	"github.com/mailform/mailform/engine/plan/markdown"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
)

// show prints the state, a saved plan, or the records that somebody else has to
// enter.
func (a *app) show(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("show", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON, in the form of Terraform's")
	records := fs.Bool("records", false, "print the DNS records of domains without a nameserver, as a zone file")
	asMarkdown := fs.Bool("markdown", false, "print a saved plan for a pull request: folded, and never too long for a comment")
	asHTML := fs.Bool("html", false, "print a saved plan as one page for a browser, with the way of mail before and after")
	changesOnly := fs.Bool("changes-only", false, "with -json and a saved plan: leave out what does not change")
	a.uiFlag(fs)
	varFlags(fs, &o.vars)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	switch {
	case *records:
		return a.showRecords(ctx, &o)
	case *changesOnly && (len(rest) == 0 || !*asJSON):
		return a.fail(fmt.Errorf("-changes-only goes with -json and a saved plan: mailform show -json -changes-only PLAN"))
	case *asHTML && (len(rest) == 0 || *asJSON || *asMarkdown):
		return a.fail(fmt.Errorf("-html needs a saved plan, and excludes -json and -markdown: mailform show -html PLAN"))
	case *asHTML:
		return a.showNamed(rest[0], o.vars, html.Plan)
	case *asMarkdown && (len(rest) == 0 || *asJSON):
		return a.fail(fmt.Errorf("-markdown needs a saved plan, and excludes -json: mailform show -markdown PLAN"))
	case *asMarkdown:
		return a.showNamed(rest[0], o.vars, markdown.Plan)
	case *changesOnly:
		return a.showPlanFile(rest[0], o.vars, changesAsJSON)
	case len(rest) == 1 && *asJSON:
		return a.showPlanFile(rest[0], o.vars, planAsJSON)
	case len(rest) == 1:
		return a.showPlanFile(rest[0], o.vars, a.planForm)
	}
	st, _, err := a.readState(ctx, o.vars)
	if err != nil {
		return a.failed(err)
	}
	if *asJSON {
		err = planjson.State(a.stdout, st, version)
	} else {
		err = text.State(a.stdout, st, a.style(a.stdout))
	}
	if err != nil {
		return a.fail(err)
	}
	return exitOK
}

// showPlanFile prints a saved plan in one of the forms.
func (a *app) showPlanFile(path string, vars []config.VarArg, write func(io.Writer, *plan.Plan) error) int {
	p, _, err := a.readPlan(path, vars)
	if err != nil {
		return a.failed(err)
	}
	if err := write(a.stdout, p); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// planForm is how show prints a plan.
func (a *app) planForm(w io.Writer, p *plan.Plan) error { return text.Plan(w, p, a.style(w)) }

func planAsJSON(w io.Writer, p *plan.Plan) error    { return planjson.Plan(w, p, version) }
func changesAsJSON(w io.Writer, p *plan.Plan) error { return planjson.Changes(w, p, version) }

// showNamed prints a saved plan in a form that names what it is the plan of.
func (a *app) showNamed(path string, vars []config.VarArg, write func(io.Writer, *plan.Plan, string) error) int {
	p, _, err := a.readPlan(path, vars)
	if err != nil {
		return a.failed(err)
	}
	dir, err := a.dir()
	if err != nil {
		return a.fail(err)
	}
	if err := write(a.stdout, p, nameOf(dir)); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// nameOf is what tells a directory from others of its repository, the same on
// every machine: its path below the repository's root; its own name outside of
// one.
func nameOf(dir string) string {
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
			if rel, err := filepath.Rel(root, dir); err == nil {
				return filepath.ToSlash(rel)
			}
		}
		if root == filepath.Dir(root) {
			return filepath.Base(dir)
		}
	}
}

// showRecords prints what the one who runs a zone must enter.
func (a *app) showRecords(ctx context.Context, o *operation) int {
	s, m, err := a.open(ctx, o, "show")
	if err != nil {
		return exitError
	}
	defer s.Close()
	p, err := a.makePlan(ctx, s, m, o)
	if err != nil {
		return exitError
	}
	domains := make([]string, 0, len(p.Records))
	for d := range p.Records {
		domains = append(domains, d)
	}
	sort.Strings(domains)
	for _, d := range domains {
		fmt.Fprintf(a.stdout, "; %s\n%s\n", d, strings.Join(p.Records[d], "\n"))
	}
	return exitOK
}

// readState reads the state without a lock: what is printed is the state at one
// instant, whoever writes to it.
func (a *app) readState(ctx context.Context, vars []config.VarArg) (*state.State, *engine.Workspace, error) {
	ws, err := a.workspace()
	if err != nil {
		return nil, nil, err
	}
	backend, err := a.backend(ws, vars)
	if err != nil {
		return nil, nil, err
	}
	st, err := backend.Load(ctx)
	if err == nil {
		err = a.there(ws, st)
	}
	return st, ws, err
}
