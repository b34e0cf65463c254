package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A removal is a removed block.
type removal struct {
	from    dependency
	destroy bool
	header  hcl.Range
}

func (m *Module) decodeRemoved(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("removed")
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, typ.Blocks, false))
	r := removal{destroy: true, header: hb.DefRange}
	for i, lb := range content.Blocks.OfType(metaLifecycle) {
		if i > 0 {
			diags = append(diags, duplicateBlock(metaLifecycle, lb.DefRange))
			break
		}
		inner, more := contentOf(lb.Body, bodySchema(typ.Block(metaLifecycle).Attributes, nil, false))
		diags = append(diags, more...)
		if a := inner.Attributes["destroy"]; a != nil {
			diags = append(diags, staticValue(a, cty.Bool, &r.destroy)...)
		}
	}
	a := content.Attributes["from"]
	if a == nil {
		return diags
	}
	expr, more := normalize(a.Expr)
	diags = append(diags, more...)
	ref, rest := splitReference(staticTraversal(expr))
	if !addressable(ref) || len(rest) > 0 {
		return append(diags, invalidAddress("from", expr.Range()))
	}
	r.from = dependency{ref, expr.Range()}
	m.removals = append(m.removals, r)
	return diags
}

// removed checks the removed blocks of all modules.
func (e *evaluator) removed() []Removed {
	var out []Removed
	seen := map[string]hcl.Range{}
	e.eachModule(func(e *evaluator) {
		for _, r := range e.m.removals {
			ref := e.in(r.from.ref)
			from := ref.String()
			_, b, key := e.find(r.from.ref)
			other, twice := seen[from]
			summary, detail := "", ""
			switch {
			case e.exists(r.from.ref), b != nil && b.multiple() && key == cty.NilVal:
				summary, detail = "Removed block is still there", fmt.Sprintf("%s is said to be removed, and is still declared. Take one of the two out.", from)
			case twice:
				summary, detail = "Removed twice", fmt.Sprintf("%s is said to be removed at %s already.", from, other)
			}
			if summary != "" {
				e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: r.from.rng.Ptr()})
				continue
			}
			seen[from] = r.from.rng
			out = append(out, Removed{From: ref, Destroy: r.destroy, Range: r.header})
		}
	})
	return out
}
