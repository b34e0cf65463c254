package tests

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// An attempt is one run at work.
type attempt struct {
	*fileRun
	run    *Run
	res    *Result
	module *config.Module
	ws     *engine.Workspace
	opts   engine.Options

	met map[string]bool // addresses that were expected to fail, and did
}

// do plans, applies if that is asked for, and looks at the conditions.
func (a *attempt) do(ctx context.Context) {
	a.met = map[string]bool{}
	defer func() { a.res.Diags = once(a.res.Diags) }()
	d, values, ok := a.carryOut(ctx)
	for _, e := range a.run.expected {
		if !a.met[e.address] {
			a.failed(problem(e.rng, "Missing expected failure", "%s was expected to fail, and did not.", e.address))
		}
	}
	if !ok {
		return
	}
	if a.res.Status == Error {
		a.res.Status = Pass
	}
	outputs := map[string]cty.Value{}
	for _, o := range d.Outputs {
		outputs[o.Name] = o.Value
		if o.Sensitive {
			outputs[o.Name] = o.Value.Mark(config.Sensitive)
		}
	}
	a.outputs[a.run.Name] = object(outputs)
	values["output"], values["run"] = object(outputs), object(a.fileRun.outputs)
	scope := d.Scope(config.Extras{Values: values})
	for _, c := range a.run.asserts {
		a.assert(scope, c)
	}
}

// carryOut plans and applies. It reports false where there is nothing for
// conditions to be held against; the result then tells why.
func (a *attempt) carryOut(ctx context.Context) (*engine.Description, map[string]cty.Value, bool) {
	s, p, ok := a.plan(ctx, engine.PlanOptions{
		Mode: a.run.mode, Targets: a.run.targets, Excludes: a.run.excludes, Replaces: a.run.replaces,
		// Nothing is lost here; tests can read plan.brakes.
		Confirm: []string{plan.ConfirmAll},
	})
	if !ok {
		return nil, nil, false
	}
	defer s.Close()
	a.res.Plan = p
	d := s.Planned()
	if !a.run.apply {
		return d, map[string]cty.Value{"plan": a.object(p, p)}, true
	}
	_, diags := s.Apply(ctx, engine.ApplyOptions{Plan: p})
	if !a.take(diags) {
		return nil, nil, false
	}
	// What the apply has made is known to a second plan, which has to be empty.
	again, after, ok := a.plan(ctx, engine.PlanOptions{Targets: a.run.targets, Excludes: a.run.excludes})
	if !ok {
		return nil, nil, false
	}
	defer again.Close()
	if a.run.mode == plan.Normal && !after.Empty() {
		sum := after.Summary()
		a.res.Diags = append(a.res.Diags, problem(a.run.Range, "The second plan is not empty",
			"After the apply there is still something to do: %d to add, %d to change, %d to destroy. This is a bug in mailform.", sum.Add, sum.Change, sum.Destroy))
		return nil, nil, false
	}
	st, err := again.State(ctx)
	if err != nil {
		a.res.Diags = append(a.res.Diags, problem(a.run.Range, "Cannot read the state", "%s.", err))
		return nil, nil, false
	}
	a.res.State = st
	return again.Planned(), map[string]cty.Value{"plan": a.object(p, after)}, true
}

// plan opens a session and plans. What fails as it is expected to leaves nothing
// to hold conditions against, and is right.
func (a *attempt) plan(ctx context.Context, o engine.PlanOptions) (*engine.Session, *plan.Plan, bool) {
	s, err := a.ws.Open(ctx, a.module, a.opts)
	if err != nil {
		a.res.Diags = append(a.res.Diags, problem(a.run.Range, "Cannot begin", "%s.", err))
		return nil, nil, false
	}
	p, diags := s.Plan(ctx, o)
	if !a.take(diags) {
		s.Close()
		return nil, nil, false
	}
	return s, p, true
}

// take judges diagnostics, and reports whether things can go on. Conditions that
// are expected to fail are taken out. A check that fails and is not expected to
// fails the run, which a mere warning would not.
func (a *attempt) take(diags hcl.Diagnostics) bool {
	goOn, expected := true, false
	for _, d := range diags {
		f, condition := d.Extra.(config.Failed)
		goOn = goOn && d.Severity != hcl.DiagError
		if condition {
			if address, ok := a.expects(f.Address); ok {
				a.met[address] = true
				expected = expected || d.Severity == hcl.DiagError
				continue
			}
		}
		if condition && isCheck(f.Address) {
			failed := *d
			failed.Severity = hcl.DiagError
			a.failed(&failed)
			continue
		}
		a.res.Diags = append(a.res.Diags, d)
	}
	if !goOn && expected && !a.res.Diags.HasErrors() {
		a.res.Status = Pass
	}
	return goOn
}

// expects finds what was expected to fail: the address itself, or the block that
// it is an instance of.
func (a *attempt) expects(address string) (string, bool) {
	for _, e := range a.run.expected {
		if e.address == address || e.address == withoutKey(address) {
			return e.address, true
		}
	}
	return "", false
}

// withoutKey is the address of a block, of that of one of its instances.
func withoutKey(address string) string {
	if i := strings.IndexByte(address, '['); i > 0 && strings.HasSuffix(address, "]") {
		return address[:i]
	}
	return address
}

// failed takes in the reason why the run fails.
func (a *attempt) failed(d *hcl.Diagnostic) {
	a.res.Diags = append(a.res.Diags, d)
	if a.res.Status == Pass || a.res.Status == Error && !hasOther(a.res.Diags, d) {
		a.res.Status = Fail
	}
}

func hasOther(diags hcl.Diagnostics, but *hcl.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d != but && d.Severity == hcl.DiagError })
}

// object is a plan as conditions see it. Values that were born in the apply are
// those that the plan after it has found.
func (a *attempt) object(p, after *plan.Plan) cty.Value {
	if !a.reads("plan") {
		return cty.EmptyObjectVal // it may be large
	}
	if p == after {
		return p.Object()
	}
	known := *p
	known.Changes = slices.Clone(p.Changes)
	known.Records = after.Records
	there := map[string]cty.Value{}
	for i := range after.Changes {
		there[after.Changes[i].Address] = after.Changes[i].After
	}
	for i := range known.Changes {
		c := &known.Changes[i]
		if v, ok := there[c.Address]; ok && c.After != cty.NilVal && !c.After.IsNull() {
			c.After = v
		}
	}
	return known.Object()
}

// reads reports whether a condition of the run begins a reference with a word.
func (a *attempt) reads(root string) bool {
	for _, c := range a.run.asserts {
		for _, x := range []hcl.Expression{c.condition, c.message} {
			for _, t := range x.Variables() {
				if t.RootName() == root {
					return true
				}
			}
		}
	}
	return false
}

// assert holds a condition against the result.
func (a *attempt) assert(scope *config.Scope, c assert) {
	v, diags := scope.Value(c.condition)
	if diags.HasErrors() {
		a.broken(diags...)
		return
	}
	v, _ = v.UnmarkDeep()
	ok, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil || ok.IsNull():
		a.broken(problem(c.condition.Range(), "Invalid condition", "A condition has to be true or false, and this one is %s.", v.Type().FriendlyName()))
	case !ok.IsKnown():
		hint := "it hangs on a variable that is not set or on data that nothing overrides"
		if !a.run.apply {
			hint = "it is only known after apply. In a run with command = apply it is known"
		}
		a.broken(problem(c.condition.Range(), "Unknown condition", "The condition cannot be judged: %s.", hint))
	case ok.False():
		message, _ := scope.Value(c.message)
		text := "The error message cannot be shown, because it is made of a sensitive or unknown value, or is no text."
		if s, err := convert.Convert(message, cty.String); err == nil && !s.IsMarked() && s.IsKnown() && !s.IsNull() {
			text = s.AsString()
		}
		if seen := a.explain(scope, c); seen != "" {
			text += "\n\n" + seen
		}
		a.failed(problem(c.condition.Range(), "Test assertion failed", "%s", text))
	}
}

// once leaves out what was said twice, by the plan before an apply and the one
// after it.
func once(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	seen := map[string]bool{}
	for _, d := range diags {
		key := fmt.Sprint(d.Subject, "\x00", d.Summary, "\x00", d.Detail)
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out
}

// broken takes in the reason why a condition cannot be judged.
func (a *attempt) broken(diags ...*hcl.Diagnostic) {
	a.res.Diags = append(a.res.Diags, diags...)
	a.res.Status = Error
}

func sortedNames(attrs hcl.Attributes) []string {
	names := make([]string, 0, len(attrs))
	for name := range attrs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// answerOf makes an answer of what an override says: attributes that it leaves
// out are unknown.
func answerOf(q config.DataQuery, given cty.Value) config.DataAnswer {
	typ := schema.DataSourceByName(q.Source)
	values := map[string]cty.Value{}
	for _, c := range typ.Computed {
		values[c.Name] = cty.UnknownVal(c.Type)
	}
	for name, v := range given.AsValueMap() {
		c := typ.ComputedAttribute(name)
		if c == nil {
			return config.DataAnswer{Err: fmt.Errorf("a test overrides its attribute %q, which such a data block does not have", name)}
		}
		v, err := convert.Convert(v, c.Type)
		if err != nil {
			return config.DataAnswer{Err: fmt.Errorf("a test overrides its attribute %q with a value that does not fit: %w", name, err)}
		}
		values[name] = v
	}
	return config.DataAnswer{Value: cty.ObjectVal(values)}
}

// isCheck reports whether an address is that of a check, of a module maybe.
func isCheck(address string) bool {
	dot := strings.LastIndexByte(address, '.')
	return dot > 0 && (address[:dot] == "check" || strings.HasSuffix(address[:dot], ".check"))
}
