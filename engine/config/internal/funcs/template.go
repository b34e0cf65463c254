package funcs

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config/internal/nesting"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A templater renders templates. They see all functions but those that render
// templates, so that none can go round in circles.
type templater map[string]function.Function

// render makes a value of a template. Its name is for error texts.
func (t templater) render(src, name string, vars cty.Value) (cty.Value, error) {
	if diags := nesting.Template([]byte(src), name, hcl.InitialPos); diags.HasErrors() {
		return cty.NilVal, argError("%w", diags)
	}
	expr, diags := hclsyntax.ParseTemplate([]byte(src), name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, argError("%w", diags)
	}
	vars, marks := vars.Unmark()
	if t := vars.Type(); !t.IsObjectType() && !t.IsMapType() || vars.IsNull() {
		return cty.NilVal, function.NewArgErrorf(1, "has to be a map or an object")
	}
	ctx := &hcl.EvalContext{Variables: vars.AsValueMap(), Functions: t}
	for _, used := range expr.Variables() {
		if _, ok := ctx.Variables[used.RootName()]; !ok {
			return cty.NilVal, function.NewArgErrorf(1, "has no variable %q, which %s uses in line %d", used.RootName(), name, used.SourceRange().Start.Line)
		}
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, argError("%w", diags)
	}
	return v.WithMarks(marks), nil
}

// fromFile renders a file with the given variables.
func (t templater) fromFile(dir string) function.Function {
	return t.function("path", func(args []cty.Value) (cty.Value, error) {
		path := args[0].AsString()
		src, err := readText(dir, path)
		if err != nil {
			return cty.NilVal, err
		}
		return t.render(src, path, args[1])
	})
}

// fromText renders a text that comes from elsewhere, such as a variable.
func (t templater) fromText() function.Function {
	return t.function("template", func(args []cty.Value) (cty.Value, error) {
		return t.render(args[0].AsString(), "the template", args[1])
	})
}

func (t templater) function(first string, render func([]cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: first, Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}
