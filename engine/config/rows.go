package config

import (
	"runtime"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// manyRows is from how many instances on their rows are shared among processors.
const manyRows = 1024

// sideBySide evaluates an argument for many instances on all processors. It reports
// false where something is to be told of any of them, which is done one after the
// other, and for expressions that call functions: those are made for one at a time.
func (e *evaluator) sideBySide(b *evaluated, a *attribute, within string, ctx *hcl.EvalContext) ([]cty.Value, bool) {
	workers := runtime.GOMAXPROCS(0)
	if len(b.instances) < manyRows || workers < 2 || a.expr.broken || callsFunction(a.expr.Expression) {
		return nil, false
	}
	values := make([]cty.Value, len(b.instances))
	told := make([]bool, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			own := ctx.NewChild()
			own.Variables = make(map[string]cty.Value, 1)
			for i := w * len(values) / workers; i < (w+1)*len(values)/workers && !told[w]; i++ {
				own.Variables[b.ownName()] = b.instances[i].own
				p := slot{attr: a, within: within, ref: schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}}
				var diags hcl.Diagnostics
				values[i], diags = e.fill(p, own)
				told[w] = len(diags) > 0
			}
		})
	}
	wg.Wait()
	return values, !slices.Contains(told, true)
}

// callsFunction reports whether an expression calls a function.
func callsFunction(x hclsyntax.Node) bool {
	found := false
	_ = hclsyntax.VisitAll(x, func(n hclsyntax.Node) hcl.Diagnostics {
		_, call := n.(*hclsyntax.FunctionCallExpr)
		found = found || call
		return nil
	})
	return found
}
