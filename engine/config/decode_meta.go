package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// decodeMeta takes in for_each, count, depends_on and lifecycle.
func (b *block) decodeMeta(content *hcl.BodyContent) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if a := content.Attributes[metaForEach]; a != nil {
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		b.forEach = expr
		if c := content.Attributes[metaCount]; c != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Both for_each and count",
				Detail:   fmt.Sprintf("%s has for_each and count. A block can have one of them.", b.address()),
				Subject:  c.NameRange.Ptr(),
			})
		}
	} else if a := content.Attributes[metaCount]; a != nil {
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		b.count = expr
	}
	if a := content.Attributes[metaDependsOn]; a != nil {
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		b.dependsOn, more = dependencies(expr)
		diags = append(diags, more...)
	}
	for i, hb := range content.Blocks.OfType(metaLifecycle) {
		if i > 0 {
			diags = append(diags, duplicateBlock(metaLifecycle, hb.DefRange))
			break
		}
		diags = append(diags, b.decodeLifecycle(hb)...)
	}
	return diags
}

// staticValue reads an argument that is known without evaluation, a string or
// a bool. A null leaves what target has.
func staticValue(a *hcl.Attribute, typ cty.Type, target any) hcl.Diagnostics {
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Not a constant",
			Detail:   fmt.Sprintf("The argument %q is read before anything is evaluated. It has to be a plain %s, without references and functions.", a.Name, typ.FriendlyName()),
			Subject:  a.Expr.Range().Ptr(),
		}}
	}
	v, err := convert.Convert(v, typ)
	if err != nil {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Wrong type of value",
			Detail:   fmt.Sprintf("The argument %q has to be a %s: %s.", a.Name, typ.FriendlyName(), err),
			Subject:  a.Expr.Range().Ptr(),
		}}
	}
	if v.IsNull() || !v.IsKnown() { // unknown after a syntax error, which is reported
		return nil
	}
	switch t := target.(type) {
	case *bool:
		*t = v.True()
	case *string:
		*t = v.AsString()
	case *int:
		n, accuracy := v.AsBigFloat().Int64()
		if accuracy != 0 { // no whole number, or out of bounds
			n = -1
		}
		*t = int(n)
	}
	return nil
}
