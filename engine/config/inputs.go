package config

import "github.com/zclconf/go-cty/cty"

// A VariableValue is what a variable was when the files were evaluated.
type VariableValue struct {
	Name string
	// Value has no marks; it is null for a sensitive variable.
	Value     cty.Value
	Sensitive bool
}

// Variables are the values of all variables, ordered by name.
func (c *Config) Variables() []VariableValue {
	if c == nil || c.evaluator == nil {
		return nil
	}
	var out []VariableValue
	for _, name := range keys(c.evaluator.vars) {
		v, marks := c.evaluator.vars[name].UnmarkDeep()
		x := VariableValue{Name: name, Value: v, Sensitive: len(marks) > 0 || c.evaluator.m.SensitiveVariable(name) || holdsHash(v)}
		if x.Sensitive {
			x.Value = cty.NullVal(cty.DynamicPseudoType)
		}
		out = append(out, x)
	}
	return out
}

// CheckStatus is what a check came to.
type CheckStatus string

// What checks come to, from the best to the worst.
const (
	CheckPass    CheckStatus = "pass"
	CheckUnknown CheckStatus = "unknown" // hangs on what is known after apply
	CheckFail    CheckStatus = "fail"
	CheckError   CheckStatus = "error" // cannot be evaluated
)

// A CheckResult is what one check block came to: the worst of its assertions.
type CheckResult struct {
	Module   string // its address; empty for the root module
	Name     string
	Status   CheckStatus
	Problems []string // messages of the assertions that do not hold
}

// Checks are the results of the check blocks of all modules, in the order of the
// files.
func (c *Config) Checks() []CheckResult {
	if c == nil {
		return nil
	}
	return c.checked
}

// severity orders what assertions come to.
var severity = map[CheckStatus]int{CheckPass: 0, CheckUnknown: 1, CheckFail: 2, CheckError: 3}

// Worse is the worse of two.
func (s CheckStatus) Worse(other CheckStatus) CheckStatus {
	if severity[other] > severity[s] {
		return other
	}
	return s
}

// assertion counts in what one assertion came to.
func (r *CheckResult) assertion(s CheckStatus, problem string) {
	if severity[s] > severity[r.Status] {
		r.Status = s
	}
	if problem != "" {
		r.Problems = append(r.Problems, problem)
	}
}
