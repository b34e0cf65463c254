package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/tests"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/memory"
)

// test runs the tests of the configuration, in memory alone.
func (a *app) test(ctx context.Context, args []string) int {
	var o operation
	var filter []string
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	fs.Var(listFlag{&filter}, "filter", "FILE: only this test file; may be given several times")
	folder := fs.String("test-directory", tests.DefaultDirectory, "DIR: where test files are, beside those in the directory itself")
	verbose := fs.Bool("verbose", false, "show what each run has planned or made")
	fs.BoolVar(&o.json, "json", false, "print events as JSON, one a line")
	junit := fs.String("junit-xml", "", "FILE: write a report in JUnit's XML too")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	a.json = o.json
	dir, err := a.dir()
	if err != nil {
		return a.fail(err)
	}
	files, texts, diags := tests.Load(dir, *folder, filter)
	if len(diags) > 0 {
		a.diagnostics(diags, texts)
	}
	if diags.HasErrors() {
		return exitError
	}
	if len(files) == 0 {
		a.diagnostics(hcl.Diagnostics{{
			Severity: hcl.DiagWarning, Summary: "No tests",
			Detail: fmt.Sprintf("There are no files that end in %s, neither here nor in %s.", tests.Suffix, *folder),
		}}, nil)
	}
	a.heedInterrupts()
	runner := tests.Runner{
		Dir: dir, Version: version, Vars: o.vars, Environ: a.environ, Now: time.Now,
		NewWorld: func() func(string) providers.Provider { return (&memory.World{}).NewProvider },
	}
	report := &tests.JUnit{}
	var view tests.Observer = &testView{app: a, verbose: *verbose, texts: texts}
	if o.json {
		view = &testEvents{testView{app: a, verbose: *verbose, texts: texts}}
	}
	sum := runner.Run(ctx, files, observers{view, report})
	if *junit != "" {
		var out bytes.Buffer
		err := report.Write(&out)
		if err == nil {
			err = writeWhole(*junit, out.Bytes(), 0o644)
		}
		if err != nil {
			return a.fail(fmt.Errorf("write the report: %w", err))
		}
	}
	if ctx.Err() != nil {
		return a.fail(errors.New("interrupted; the remaining runs were skipped"))
	}
	if !sum.Ok() {
		return exitError
	}
	return exitOK
}

// observers tells several of the same.
type observers []tests.Observer

func (os observers) Started(files []*tests.File) {
	for _, o := range os {
		o.Started(files)
	}
}

func (os observers) FileStarted(f *tests.File) {
	for _, o := range os {
		o.FileStarted(f)
	}
}

func (os observers) RunStarted(f *tests.File, r *tests.Run) {
	for _, o := range os {
		o.RunStarted(f, r)
	}
}

func (os observers) RunDone(f *tests.File, res *tests.Result) {
	for _, o := range os {
		o.RunDone(f, res)
	}
}

func (os observers) FileDone(f *tests.File, status tests.Status) {
	for _, o := range os {
		o.FileDone(f, status)
	}
}

func (os observers) Done(s tests.Summary) {
	for _, o := range os {
		o.Done(s)
	}
}

// A testView prints how tests go.
type testView struct {
	*app
	verbose bool
	texts   map[string]*hcl.File // of the test files
}

func (v *testView) Started([]*tests.File) {}

func (v *testView) FileStarted(f *tests.File) { fmt.Fprintf(v.stdout, "%s... in progress\n", f.Path) }

func (v *testView) RunStarted(*tests.File, *tests.Run) {}

func (v *testView) RunDone(_ *tests.File, res *tests.Result) {
	fmt.Fprintf(v.stdout, "  run %q... %s\n", res.Run.Name, v.status(res.Status))
	if v.verbose {
		v.show(res)
	}
	if len(res.Diags) > 0 {
		v.diagnostics(res.Diags, v.filesOf(res))
	}
}

// filesOf are the texts that the diagnostics of a run can be about.
func (v *testView) filesOf(res *tests.Result) map[string]*hcl.File {
	files := make(map[string]*hcl.File, len(v.texts)+len(res.Files))
	for name, f := range res.Files {
		files[name] = f
	}
	for name, f := range v.texts {
		files[name] = f
	}
	return files
}

// show prints what was made, or else what was planned. An error of writing is
// one of all that follows, too.
func (v *testView) show(res *tests.Result) {
	fmt.Fprintln(v.stdout)
	switch {
	case res.State != nil:
		_ = text.State(v.stdout, res.State, v.style(v.stdout))
	case res.Plan != nil:
		_ = text.Plan(v.stdout, res.Plan, v.style(v.stdout))
	}
	fmt.Fprintln(v.stdout)
}

func (v *testView) FileDone(f *tests.File, status tests.Status) {
	if status == tests.Error {
		status = tests.Fail
	}
	fmt.Fprintf(v.stdout, "%s... %s\n", f.Path, v.status(status))
}

// status is a word in its colour.
func (v *testView) status(s tests.Status) string {
	if !v.color(v.stdout) {
		return string(s)
	}
	colors := map[tests.Status]string{tests.Pass: "32", tests.Fail: "31", tests.Error: "31", tests.Skip: "90"}
	return "\x1b[" + colors[s] + "m" + string(s) + "\x1b[0m"
}

func (v *testView) Done(s tests.Summary) {
	word := "Success!"
	if !s.Ok() {
		word = "Failure!"
	}
	skipped := ""
	if s.Skipped > 0 {
		skipped = fmt.Sprintf(", %d skipped", s.Skipped)
	}
	fmt.Fprintf(v.stdout, "\n%s %d passed, %d failed%s.\n", word, s.Passed, s.Failed+s.Errored, skipped)
}

// testEvents tells of tests in events.
type testEvents struct{ testView }

func (v *testEvents) Started(files []*tests.File) {
	runs := map[string][]string{}
	for _, f := range files {
		runs[f.Path] = []string{}
		for _, r := range f.Runs {
			runs[f.Path] = append(runs[f.Path], r.Name)
		}
	}
	v.events().TestAbstract(runs)
}

func (v *testEvents) FileStarted(f *tests.File) { v.events().TestFile(f.Path, "") }

func (v *testEvents) RunStarted(f *tests.File, r *tests.Run) {
	v.events().TestRun(f.Path, r.Name, "", 0)
}

func (v *testEvents) RunDone(f *tests.File, res *tests.Result) {
	v.events().TestRun(f.Path, res.Run.Name, string(res.Status), res.Took)
	if v.verbose && res.State != nil {
		v.events().TestState(f.Path, res.Run.Name, res.State, version)
	} else if v.verbose && res.Plan != nil {
		v.events().TestPlan(f.Path, res.Run.Name, res.Plan, version)
	}
	v.events().TestDiagnostics(f.Path, res.Run.Name, res.Diags, v.filesOf(res))
}

func (v *testEvents) FileDone(f *tests.File, status tests.Status) {
	v.events().TestFile(f.Path, string(status))
}

func (v *testEvents) Done(s tests.Summary) {
	status := tests.Pass
	switch {
	case s.Errored > 0:
		status = tests.Error
	case s.Failed > 0:
		status = tests.Fail
	case s.Skipped > 0:
		status = tests.Skip
	}
	v.events().TestSummary(planjson.TestCounts{Status: string(status), Passed: s.Passed, Failed: s.Failed, Errored: s.Errored, Skipped: s.Skipped})
}
