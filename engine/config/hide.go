package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hideSensitive takes out of errors of functions what they say of sensitive
// arguments: a function quotes what it was given.
func hideSensitive(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.EvalContext == nil || d.Expression == nil || !readsSensitive(d.Expression, d.EvalContext) {
			continue
		}
		d.Detail = "The reason is not shown, because it may hold a sensitive value."
		d.Expression, d.EvalContext = nil, nil
	}
	return diags
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
