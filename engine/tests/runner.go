package tests

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/zclconf/go-cty/cty"
)

// A Runner runs test files against a configuration.
type Runner struct {
	// Dir is the absolute path of the configuration's directory.
	Dir     string
	Version string
	// Vars and Environ set variables, as for a plan. What a test sets comes after.
	Vars    []config.VarArg
	Environ []string
	// NewWorld makes the systems of one test file, and returns what makes
	// providers for them.
	NewWorld func() func(name string) providers.Provider
	Now      func() time.Time

	modules map[string]*loaded
}

// A loaded module, by its directory.
type loaded struct {
	module *config.Module
	diags  hcl.Diagnostics
}

// Status is how something ended.
type Status string

// The statuses.
const (
	Pass  Status = "pass"
	Fail  Status = "fail"  // a condition is not met
	Error Status = "error" // it could not be found out
	Skip  Status = "skip"  // something before it could not
)

// A Result is how a run ended.
type Result struct {
	Run    *Run
	Status Status
	Diags  hcl.Diagnostics
	Took   time.Duration
	// Plan is what was planned, State what there is after an apply; nil where it
	// did not come to that.
	Plan  *plan.Plan
	State *state.State
	// Files are texts that the diagnostics are about.
	Files map[string]*hcl.File
}

// A Summary counts how runs ended.
type Summary struct {
	Passed, Failed, Errored, Skipped int
}

// Ok reports whether nothing failed.
func (s Summary) Ok() bool { return s.Failed+s.Errored+s.Skipped == 0 }

func (s *Summary) count(status Status) {
	switch status {
	case Pass:
		s.Passed++
	case Fail:
		s.Failed++
	case Error:
		s.Errored++
	case Skip:
		s.Skipped++
	}
}

// An Observer is told of tests as they run, one after the other.
type Observer interface {
	Started(files []*File)
	FileStarted(f *File)
	RunStarted(f *File, r *Run)
	RunDone(f *File, res *Result)
	FileDone(f *File, status Status)
	Done(s Summary)
}

// Run runs all runs of the files. A context that ends leaves what is left over.
func (r *Runner) Run(ctx context.Context, files []*File, o Observer) Summary {
	var sum Summary
	r.modules = map[string]*loaded{}
	o.Started(files)
	for _, f := range files {
		o.FileStarted(f)
		status := Pass
		ff := &fileRun{Runner: r, file: f, states: map[string]*state.Memory{}, newProvider: r.NewWorld(), outputs: map[string]cty.Value{}}
		skip := false
		for _, run := range f.Runs {
			o.RunStarted(f, run)
			res := &Result{Run: run, Status: Skip}
			if !skip && ctx.Err() == nil {
				began := r.Now()
				res = ff.run(ctx, run)
				res.Took = r.Now().Sub(began)
			}
			skip = skip || res.Status == Error
			sum.count(res.Status)
			status = worse(status, res.Status)
			o.RunDone(f, res)
		}
		o.FileDone(f, status)
	}
	o.Done(sum)
	return sum
}

// worse is the status of a file with runs of both.
func worse(a, b Status) Status {
	weight := map[Status]int{Pass: 0, Skip: 1, Fail: 2, Error: 3}
	if weight[b] > weight[a] {
		return b
	}
	return a
}

// A fileRun is one file of tests at work.
type fileRun struct {
	*Runner
	file        *File
	newProvider func(name string) providers.Provider
	states      map[string]*state.Memory // by module
	outputs     map[string]cty.Value     // of the runs so far
}

// load loads a module once for all runs.
func (f *fileRun) load(dir string) *loaded {
	if l := f.modules[dir]; l != nil {
		return l
	}
	l := &loaded{}
	l.module, l.diags = config.Load(dir)
	f.modules[dir] = l
	return l
}

func (f *fileRun) run(ctx context.Context, r *Run) *Result {
	dir := f.Dir
	if r.module != "" {
		dir = filepath.Join(f.Dir, filepath.FromSlash(r.module))
	}
	l := f.load(dir)
	res := &Result{Run: r, Status: Error, Files: l.module.Files(), Diags: l.diags}
	if l.diags.HasErrors() {
		return res
	}
	if l.module.Empty() {
		res.Diags = append(res.Diags, problem(r.Range, "No configuration files", "The directory %s has no files that end in .mf.hcl.", dir))
		return res
	}
	st := f.states[dir]
	if st == nil {
		// The same in each run of the tests, and another one for each module.
		st = &state.Memory{Lineage: fmt.Sprintf("00000000-0000-4000-8000-%012d", len(f.states)+1)}
		f.states[dir] = st
	}
	settings, diags := f.settings(r, l.module)
	answer, more := f.answers(r)
	if diags = append(diags, more...); diags.HasErrors() {
		res.Diags = append(res.Diags, diags...)
		return res
	}
	a := attempt{fileRun: f, run: r, res: res, module: l.module, ws: &engine.Workspace{
		Dir: dir, Version: f.Version, NewProvider: f.newProvider,
	}, opts: engine.Options{
		Operation: "test", Backend: st,
		Config: config.Options{Vars: f.Vars, Environ: f.Environ, Settings: settings, Data: answer},
	}}
	a.do(ctx)
	return res
}

// context is what the variables of a test see: functions, variables of the
// file, and the outputs of the runs before.
func (f *fileRun) context(vars map[string]cty.Value) *hcl.EvalContext {
	values := map[string]cty.Value{"run": object(f.outputs)}
	if vars != nil {
		values["var"] = object(vars)
	}
	return &hcl.EvalContext{Variables: values, Functions: config.Functions(f.Dir)}
}

func object(m map[string]cty.Value) cty.Value {
	if len(m) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(m)
}

// settings are the variables of a run. Those of the file that another module
// does not declare are not for it.
func (f *fileRun) settings(r *Run, m *config.Module) ([]config.Setting, hcl.Diagnostics) {
	declared := map[string]bool{}
	for _, name := range m.VariableNames() {
		declared[name] = true
	}
	var settings []config.Setting
	var diags hcl.Diagnostics
	vars := map[string]cty.Value{}
	take := func(attrs hcl.Attributes, seen map[string]cty.Value, all bool) {
		for _, name := range sortedNames(attrs) {
			x := attrs[name].Expr
			v, more := x.Value(f.context(seen))
			diags = append(diags, more...)
			if more.HasErrors() {
				continue
			}
			vars[name] = v
			if all || declared[name] {
				settings = append(settings, config.Setting{Name: name, Value: v, Range: x.Range()})
			}
		}
	}
	take(f.file.variables, nil, r.module == "")
	ofFile := make(map[string]cty.Value, len(vars))
	for name, v := range vars {
		ofFile[name] = v
	}
	take(r.variables, ofFile, true)
	return settings, diags
}

// answers answers data blocks as the file and the run say; the others stay
// unknown.
func (f *fileRun) answers(r *Run) (func([]config.DataQuery) []config.DataAnswer, hcl.Diagnostics) {
	given := map[string]cty.Value{}
	var diags hcl.Diagnostics
	for _, list := range [][]override{f.file.overrides, r.overrides} {
		for _, o := range list {
			v, more := o.values.Value(f.context(nil))
			diags = append(diags, more...)
			if more.HasErrors() {
				continue
			}
			if !v.Type().IsObjectType() && !v.Type().IsMapType() || v.IsNull() || !v.IsKnown() {
				diags = append(diags, problem(o.values.Range(), "Invalid values", "The argument values is an object with attributes of the data block."))
				continue
			}
			given[o.target] = v
		}
	}
	return func(queries []config.DataQuery) []config.DataAnswer {
		out := make([]config.DataAnswer, len(queries))
		for i, q := range queries {
			v, ok := given[q.Address]
			if !ok {
				v, ok = given[withoutKey(q.Address)]
			}
			if ok {
				out[i] = answerOf(q, v)
			}
		}
		return out
	}, diags
}
