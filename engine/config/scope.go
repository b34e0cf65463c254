package config

import (
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config/internal/nesting"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A Scope is what expressions see that stand in no file of the configuration:
// those of the console, and the conditions of tests. They can read what an
// output can.
type Scope struct {
	m      *Module
	e      *evaluator
	values map[string]cty.Value
}

// Extras are what a scope has beyond the configuration.
type Extras struct {
	// Values by the word that a reference to them begins with.
	Values    map[string]cty.Value
	Functions map[string]function.Function
}

// Scope makes a scope of a configuration that Evaluate of the same module
// returned. computed holds what expansion and apply know.
func (m *Module) Scope(cfg *Config, computed Computed, x Extras) *Scope {
	cfg.evaluator.again(computed)
	e, own := *cfg.evaluator, *cfg.evaluator.run
	e.run = &own // what is wrong in an expression of the scope is nobody else's
	e.functions = maps.Clone(e.functions)
	maps.Copy(e.functions, x.Functions)
	return &Scope{m: m, e: &e, values: x.Values}
}

// Parse reads an expression; name is what diagnostics call the text.
func Parse(src []byte, name string) (hcl.Expression, hcl.Diagnostics) {
	if diags := nesting.Expression(src, name, hcl.InitialPos); diags.HasErrors() {
		return nil, diags
	}
	return hclsyntax.ParseExpression(src, name, hcl.InitialPos)
}

// Value evaluates an expression, in either syntax. It is unknown on errors. A
// reference to a block is a schema.RefType value, or an object that [AsRef]
// takes for one.
func (s *Scope) Value(x hcl.Expression) (cty.Value, hcl.Diagnostics) {
	v, _, diags := s.evaluate(x)
	return v, diags
}

// A Read is something that an expression has read.
type Read struct {
	Name  string // as a reference is written
	Value cty.Value
}

// Reads evaluates what an expression refers to, each thing once, in the order of
// the text: for an error about the value of the whole.
func (s *Scope) Reads(x hcl.Expression) []Read {
	_, ctx, diags := s.evaluate(x)
	if diags.HasErrors() {
		return nil
	}
	var reads []Read
	seen := map[string]bool{}
	for _, t := range x.Variables() {
		v, diags := t.TraverseAbs(ctx)
		name := TraversalText(t)
		if diags.HasErrors() || seen[name] {
			continue
		}
		seen[name] = true
		reads = append(reads, Read{Name: name, Value: v})
	}
	return reads
}

func (s *Scope) evaluate(x hcl.Expression) (cty.Value, *hcl.EvalContext, hcl.Diagnostics) {
	e, diags := normalize(x)
	if diags.HasErrors() {
		return cty.DynamicVal, nil, diags
	}
	scan := s.m.newScan(inOutput)
	scan.outside, scan.functions = s.values, s.e.functions
	if diags := scan.find(e, nil); diags.HasErrors() {
		return cty.DynamicVal, nil, diags
	}
	seen := s.e.context(e)
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: s.e.functions}
	maps.Copy(ctx.Variables, seen.Variables)
	maps.Copy(ctx.Variables, s.values)
	if diags := s.e.diags; diags.HasErrors() { // such as a key that is not there
		s.e.diags = nil
		return cty.DynamicVal, nil, sortDiagnostics(diags)
	}
	v, diags := s.e.value(e, ctx)
	return v, ctx, diags
}

// AsRef finds the reference in a value that an expression came to.
func AsRef(v cty.Value) (schema.Ref, bool) { return asRef(v) }

// WithoutRefs puts addresses in the place of the references in a value. The
// value must have no marks.
func WithoutRefs(v cty.Value) cty.Value { return withoutRefs(v) }

// Object is a block with all that can be read of it. It reports false for a
// reference to something else, or to nothing.
func (s *Scope) Object(ref schema.Ref) (cty.Value, bool) {
	in := s.e.evaluatorOf(ref.Module)
	if in == nil {
		return cty.NilVal, false
	}
	b := in.blocks[blockID{ref.Type, ref.Name}]
	if b == nil || ref.Part != "" || !in.keys(b) || b.unknown {
		return cty.NilVal, false
	}
	i, ok := b.find(ref.Key)
	if !ok {
		return cty.NilVal, false
	}
	values := map[string]cty.Value{}
	for _, name := range readableNames(b.typ) {
		if col := b.column(name); !b.typ.HasPart(name) && col != nil && col.state == running {
			continue // part of a cycle, which is reported
		}
		values[name] = in.readAttribute(b, i, ref, name)
	}
	return cty.ObjectVal(values), true
}

// TraversalText is a traversal as it is written: user.staff["bob"].quota.
func TraversalText(t hcl.Traversal) string {
	text := ""
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			text += step.Name
		case hcl.TraverseAttr:
			text += "." + step.Name
		case hcl.TraverseIndex:
			text += schema.IndexString(step.Key)
		}
	}
	return text
}

// IsBlock reports whether a type is that of a block that is seen with
// attributes.
func IsBlock(t cty.Type) bool { return t.IsObjectType() && t.HasAttribute(identity) }

// VariableNames are the variables that the files declare, sorted.
func (m *Module) VariableNames() []string { return keys(m.variables) }

// OutputNames are the outputs that the files declare, sorted.
func (m *Module) OutputNames() []string { return keys(m.outputs) }

// takeSettings takes over values from elsewhere.
func (m *Module) takeSettings(all map[string]given, settings []Setting) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, s := range settings {
		if m.variables[s.Name] == nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Value for undeclared variable",
				Detail:   fmt.Sprintf("The configuration does not declare a variable %q.%s", s.Name, suggestion(s.Name, keys(m.variables))),
				Subject:  s.Range.Ptr(),
			})
			continue
		}
		all[s.Name] = given{value: s.Value, source: "in " + s.Range.Filename, rng: s.Range.Ptr()}
	}
	return diags
}

// ParseFile reads a file in the syntax of the configuration that is not part of
// one: native, or JSON by its name. What could be read is there even with errors,
// so that it can be shown.
func ParseFile(path, name string) (*hcl.File, hcl.Diagnostics) {
	t, diags := readFile(path, name)
	if t == nil {
		return &hcl.File{}, diags
	}
	if diags.HasErrors() {
		return &hcl.File{Bytes: t.shown}, diags
	}
	file, diags := t.parse()
	if file == nil {
		file = &hcl.File{Bytes: t.bytes}
	}
	return file, diags
}

// Functions are those of the language. Relative paths start from dir.
func Functions(dir string) map[string]function.Function { return functions(dir, Options{}) }
