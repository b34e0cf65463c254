package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hideSensitive takes out of errors in an expression what functions say of
// sensitive arguments: a function quotes what it was given, and not always the
// argument that the error is about.
func hideSensitive(x hclsyntax.Expression, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.EvalContext == nil || d.Expression == nil {
			continue
		}
		if !readsSensitive(d.Expression, d.EvalContext) && !besideSensitive(x, d) {
			continue
		}
		d.Detail = "The reason is not shown, because it may hold a sensitive value."
		d.Expression, d.EvalContext = nil, nil
	}
	return diags
}

// besideSensitive reports whether an error about an argument is of a call that
// another argument gives something sensitive to.
func besideSensitive(x hclsyntax.Expression, d *hcl.Diagnostic) bool {
	found := false
	// The walk finds nothing to say.
	_ = hclsyntax.VisitAll(unwrapped(x), func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok || found {
			return nil
		}
		for _, arg := range call.Args {
			if hcl.Expression(arg) == d.Expression {
				found = readsSensitive(call, d.EvalContext)
			}
		}
		return nil
	})
	return found
}

// readsSensitive reports whether an expression, or one of its parts where the
// whole has no value, is made of sensitive values.
func readsSensitive(x hcl.Expression, ctx *hcl.EvalContext) bool {
	if v, diags := x.Value(ctx); !diags.HasErrors() {
		return hidden(v)
	}
	if call, ok := x.(*hclsyntax.FunctionCallExpr); ok {
		for _, arg := range call.Args {
			if readsSensitive(arg, ctx) {
				return true
			}
		}
		return false
	}
	for _, t := range x.Variables() {
		if v, diags := t.TraverseAbs(ctx); !diags.HasErrors() && hidden(v) {
			return true
		}
	}
	return false
}

// hidden reports whether a value, or something in it, is not to be shown.
func hidden(v cty.Value) bool {
	_, marks := v.UnmarkDeep()
	_, sensitive := marks[Sensitive]
	_, ephemeral := marks[Ephemeral]
	return sensitive || ephemeral
}
