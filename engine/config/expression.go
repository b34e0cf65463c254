package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config/internal/nesting"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An expression is what stands behind an equals sign, with what it reads.
type expression struct {
	hclsyntax.Expression
	uses *uses // noUses before they are found
	// broken is set where something is wrong with it that is reported already.
	// Its value is unknown.
	broken bool
	// hidden is set where the value must not be shown, see hide.
	hidden bool
}

// normalize makes a native expression of one in either syntax, so that all that
// follows knows one sort.
func normalize(e hcl.Expression) (*expression, hcl.Diagnostics) {
	native, diags := native(e)
	return &expression{Expression: native, uses: noUses, broken: diags.HasErrors()}, diags
}

func native(e hcl.Expression) (hclsyntax.Expression, hcl.Diagnostics) {
	if n, ok := e.(hclsyntax.Expression); ok {
		return n, nil
	}
	if items, diags := hcl.ExprList(e); !diags.HasErrors() {
		tuple := &hclsyntax.TupleConsExpr{SrcRange: e.Range(), OpenRange: e.StartRange()}
		var all hcl.Diagnostics
		for _, item := range items {
			n, diags := native(item)
			all = append(all, diags...)
			tuple.Exprs = append(tuple.Exprs, n)
		}
		return tuple, all
	}
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		object := &hclsyntax.ObjectConsExpr{SrcRange: e.Range(), OpenRange: e.StartRange()}
		var all hcl.Diagnostics
		for _, pair := range pairs {
			key, diags := native(pair.Key)
			all = append(all, diags...)
			value, diags := native(pair.Value)
			all = append(all, diags...)
			object.Items = append(object.Items, hclsyntax.ObjectConsItem{
				KeyExpr:   &hclsyntax.ObjectConsKeyExpr{Wrapped: key, ForceNonLiteral: true},
				ValueExpr: value,
			})
		}
		return object, all
	}
	// Without a context a JSON string is itself and not a template.
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Range()}, diags
	}
	start := e.StartRange().Start
	start.Column++ // the quotation mark
	start.Byte++
	src := []byte(v.AsString())
	if diags := nesting.Template(src, e.Range().Filename, start); diags.HasErrors() {
		return &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: e.Range()}, diags
	}
	template, diags := hclsyntax.ParseTemplate(src, e.Range().Filename, start)
	if template == nil || diags.HasErrors() { // what is left of it is not what was meant
		template = &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: e.Range()}
	}
	for _, d := range diags { // escapes make the template shorter than what is in the file
		if d.Subject != nil {
			d.Subject = e.Range().Ptr()
		}
	}
	if t, ok := template.(*hclsyntax.TemplateExpr); ok {
		t.SrcRange = e.Range()
	}
	return template, diags
}

// isLiteral reports whether an expression is a plain number, text or word, which
// reads nothing and has the same value everywhere.
func isLiteral(e hclsyntax.Expression) bool {
	switch t := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return t.IsStringLiteral()
	}
	return false
}

// shrink puts the value of a text in quotation marks in the place of its
// template, which holds it in twice the memory: texts are most of what the
// files of a large organisation hold.
func (e *expression) shrink() {
	t, ok := e.Expression.(*hclsyntax.TemplateExpr)
	if !ok || !t.IsStringLiteral() {
		return
	}
	if part, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr); ok && part.Val.Type() == cty.String {
		e.Expression = &hclsyntax.LiteralValueExpr{Val: part.Val, SrcRange: t.SrcRange}
	}
}

// bare undoes what is only a matter of syntax: brackets, and the template that
// a reference stands in in JSON.
func bare(e hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch t := e.(type) {
		case *hclsyntax.ParenthesesExpr:
			e = t.Expression
		case *hclsyntax.TemplateWrapExpr:
			e = t.Wrapped
		case *expression:
			e = t.Expression
		default:
			return e
		}
	}
}

// elements are the expressions of a list, or the expression itself where it is
// none.
func elements(e hclsyntax.Expression) []hclsyntax.Expression {
	if t, ok := bare(e).(*hclsyntax.TupleConsExpr); ok {
		return t.Exprs
	}
	return []hclsyntax.Expression{e}
}

// staticTraversal reads names with dots, bare, in a template, or quoted.
func staticTraversal(e hclsyntax.Expression) hcl.Traversal {
	switch t := bare(e).(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return t.Traversal
	case *hclsyntax.TemplateExpr:
		if !t.IsStringLiteral() {
			return nil
		}
		v, diags := t.Value(nil)
		if diags.HasErrors() {
			return nil
		}
		if nesting.Expression([]byte(v.AsString()), t.Range().Filename, t.Range().Start).HasErrors() {
			return nil
		}
		traversal, diags := hclsyntax.ParseTraversalAbs([]byte(v.AsString()), t.Range().Filename, t.Range().Start)
		if diags.HasErrors() {
			return nil
		}
		return traversal
	}
	return nil
}

// attrNames are the names of a traversal of attributes only; nil for any other.
func attrNames(t hcl.Traversal) []string {
	var names []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		default:
			return nil
		}
	}
	return names
}

// dependencies reads the list of references in depends_on.
func dependencies(e hclsyntax.Expression) ([]dependency, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var deps []dependency
	if _, ok := bare(e).(*hclsyntax.TupleConsExpr); !ok {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid depends_on",
			Detail:   "The argument depends_on is a list of references, such as [server.main, user.staff].",
			Subject:  e.Range().Ptr(),
		}}
	}
	for _, item := range elements(e) {
		ref, rest := splitReference(staticTraversal(item))
		module := ref.Module != nil && ref.Module.Parent() == nil && ref.Type == ""
		if !module && (ref.Name == "" || ref.Module != nil) || len(rest) > 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid depends_on",
				Detail:   "Each element of depends_on is a reference to a block, to a module, or to one instance of those, such as server.main, user.staff[\"bob\"] or module.acme.",
				Subject:  item.Range().Ptr(),
			})
			continue
		}
		deps = append(deps, dependency{ref, item.Range()})
	}
	return deps, diags
}

// splitReference takes the modules, the type, the name and, if it is written
// out, the key off the front of a traversal. The name is empty where there is
// none, and the type too where only modules are named.
func splitReference(t hcl.Traversal) (schema.Ref, hcl.Traversal) {
	var ref schema.Ref
	if len(t) == 0 || t.IsRelative() {
		return ref, t
	}
	typ, t := t.RootName(), t[1:]
	for typ == "module" {
		name, key, rest := namedStep(t)
		if name == "" {
			return ref, t
		}
		ref.Module, t = ref.Module.Child(name, key), rest
		if len(t) == 0 {
			return ref, nil
		}
		next, ok := t[0].(hcl.TraverseAttr)
		if !ok {
			return ref, t
		}
		typ, t = next.Name, t[1:]
	}
	ref.Type = typ
	ref.Name, ref.Key, t = namedStep(t)
	return ref, t
}

// namedStep takes a name and, if it is written out, the key behind it off the
// front of a traversal. The name is empty where there is none.
func namedStep(t hcl.Traversal) (name string, key cty.Value, rest hcl.Traversal) {
	if len(t) == 0 {
		return "", cty.NilVal, t
	}
	step, ok := t[0].(hcl.TraverseAttr)
	if !ok {
		return "", cty.NilVal, t
	}
	name, t = step.Name, t[1:]
	if len(t) > 0 {
		if index, ok := t[0].(hcl.TraverseIndex); ok {
			return name, index.Key, t[1:]
		}
	}
	return name, cty.NilVal, t
}
