package funcs

import (
	"slices"
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// elsewhere are functions that package config and the console add.
var elsewhere = []string{"ephemeralasnull", "plantimestamp", "type"}

// What the schema says of functions is what they are: the same names, with
// parameters that error texts call the same.
func TestFunctionsAreAsDescribed(t *testing.T) {
	table := Table(".", testMark{})
	for name := range table {
		if schema.FunctionByName(name) == nil {
			t.Errorf("%s is not described", name)
		}
	}
	param := func(p function.Parameter) schema.Parameter { return schema.Parameter{Name: p.Name, Type: p.Type} }
	for _, d := range schema.Functions() {
		f, ok := table[d.Name]
		if !ok {
			if !slices.Contains(elsewhere, d.Name) {
				t.Errorf("%s is described, and does not exist", d.Name)
			}
			continue
		}
		if d.Doc == "" || d.Example == "" && !d.ConsoleOnly {
			t.Errorf("%s has no description or no example", d.Name)
		}
		if d.Name == "can" || d.Name == "try" { // their parameters are expressions
			continue
		}
		var params []schema.Parameter
		for _, p := range f.Params() {
			params = append(params, param(p))
		}
		if !slices.EqualFunc(params, d.Params, sameParameter) {
			t.Errorf("%s has the parameters %v, described as %v", d.Name, params, d.Params)
		}
		switch v := f.VarParam(); {
		case (v == nil) != (d.Variadic == nil):
			t.Errorf("%s: variadic or not", d.Name)
		case v != nil && !sameParameter(param(*v), *d.Variadic):
			t.Errorf("%s takes more of %v, described as %v", d.Name, param(*v), *d.Variadic)
		}
		// A type that hangs on the arguments cannot be told without them.
		types := make([]cty.Type, len(params))
		for i := range params {
			types[i] = params[i].Type
		}
		if ret, err := f.ReturnType(types); err == nil && ret != cty.DynamicPseudoType && d.Returns != cty.DynamicPseudoType && !ret.Equals(d.Returns) {
			t.Errorf("%s returns %s, described as %s", d.Name, ret.FriendlyName(), d.Returns.FriendlyName())
		}
	}
}

func sameParameter(a, b schema.Parameter) bool { return a.Name == b.Name && a.Type.Equals(b.Type) }

// The examples of the documentation give what it says.
func TestExamples(t *testing.T) {
	for _, d := range schema.Functions() {
		if d.Result == "" || slices.Contains(elsewhere, d.Name) {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			got, err := evaluate(t, t.TempDir(), d.Example)
			if err != nil {
				t.Fatalf("%s: %v", d.Example, err)
			}
			want, err := evaluate(t, t.TempDir(), d.Result)
			if err != nil {
				t.Fatalf("%s: %v", d.Result, err)
			}
			if !got.RawEquals(want) {
				t.Errorf("%s is %#v, described as %s", d.Example, got, d.Result)
			}
		})
	}
}
