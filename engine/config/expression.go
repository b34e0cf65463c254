package config

import (
	"fmt"
	"strings"

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
	if template == nil {
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

// providerTargets reads the names of providers: embedded, embedded.second,
// [postfix, dovecot].
func providerTargets(e hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var targets []cty.Value
	seen := map[string]bool{}
	for _, item := range elements(e) {
		names := attrNames(staticTraversal(item))
		if len(names) == 0 || len(names) > 2 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid provider",
				Detail:   fmt.Sprintf("A provider is named by a bare word, with its alias where it has one: %[1]s, %[1]s.second; or by a list of them.", schema.Providers()[0]),
				Subject:  item.Range().Ptr(),
			})
			continue
		}
		if schema.ProviderByName(names[0]) == nil {
			diags = append(diags, unknownProvider(names[0], item.Range()))
			continue
		}
		target := strings.Join(names, ".")
		if seen[target] {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Provider named twice",
				Detail:   fmt.Sprintf("The provider %s is in the list already.", target),
				Subject:  item.Range().Ptr(),
			})
			continue
		}
		seen[target] = true
		targets = append(targets, cty.StringVal(target))
	}
	if len(targets) == 0 {
		if len(diags) == 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid provider",
				Detail:   "The list of providers is empty. Leave the argument out for the embedded one.",
				Subject:  e.Range().Ptr(),
			})
		}
		return cty.NullVal(cty.List(cty.String)), diags
	}
	return cty.ListVal(targets), diags
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
		t := staticTraversal(item)
		ref, rest := splitReference(t)
		if ref.Name == "" || len(rest) > 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid depends_on",
				Detail:   "Each element of depends_on is a reference to a block or to one of its instances, such as server.main or user.staff[\"bob\"].",
				Subject:  item.Range().Ptr(),
			})
			continue
		}
		deps = append(deps, dependency{ref, item.Range()})
	}
	return deps, diags
}

// splitReference takes the type, the name and, if it is written out, the key
// off the front of a traversal. The name is empty where there is none.
func splitReference(t hcl.Traversal) (schema.Ref, hcl.Traversal) {
	if len(t) == 0 || t.IsRelative() {
		return schema.Ref{}, t
	}
	ref := schema.Ref{Type: t.RootName()}
	if len(t) < 2 {
		return ref, nil
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		return ref, t[1:]
	}
	ref.Name = name.Name
	t = t[2:]
	if len(t) > 0 {
		if index, ok := t[0].(hcl.TraverseIndex); ok {
			ref.Key = index.Key
			t = t[1:]
		}
	}
	return ref, t
}
