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
	content, diags := hb.Body.Content(bodySchema(typ.Attributes, typ.Blocks, false))
	r := removal{destroy: true, header: hb.DefRange}
	for i, lb := range content.Blocks.OfType(metaLifecycle) {
		if i > 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Duplicate block",
				Detail:   "The block \"lifecycle\" can stand here once.",
				Subject:  lb.DefRange.Ptr(),
			})
			break
		}
		inner, more := lb.Body.Content(bodySchema(typ.Block(metaLifecycle).Attributes, nil, false))
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
	if named := schema.BlockByType(ref.Type); ref.Name == "" || len(rest) > 0 || named == nil || !named.Instances {
		return append(diags, invalidAddress("from", expr.Range()))
	}
	r.from = dependency{ref, expr.Range()}
	m.removals = append(m.removals, r)
	return diags
}

// removed checks the removed blocks.
func (e *evaluator) removed() []Removed {
	var out []Removed
	seen := map[string]hcl.Range{}
	for _, r := range e.m.removals {
		from := r.from.ref.String()
		b := e.blocks[blockID{r.from.ref.Type, r.from.ref.Name}]
		other, twice := seen[from]
		summary, detail := "", ""
		switch {
		case e.exists(r.from.ref), b != nil && b.multiple() && r.from.ref.Key == cty.NilVal:
			summary, detail = "Removed block is still there", fmt.Sprintf("%s is said to be removed, and is still declared. Take one of the two out.", from)
		case twice:
			summary, detail = "Removed twice", fmt.Sprintf("%s is said to be removed at %s already.", from, other)
		}
		if summary != "" {
			e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: r.from.rng.Ptr()})
			continue
		}
		seen[from] = r.from.rng
		out = append(out, Removed{From: r.from.ref, Destroy: r.destroy, Range: r.header})
	}
	return out
}
