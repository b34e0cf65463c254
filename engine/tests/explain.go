package tests

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config"
	"github.com/zclconf/go-cty/cty"
)

// Bounds of what is said of a condition.
const (
	maxSeen  = 10  // values
	maxText  = 160 // bytes of a value
	maxFalse = 5   // elements that are not as they should be
)

// explain tells the values that a condition has read, as lines: for the part of
// it that is false.
func (a *attempt) explain(scope *config.Scope, c assert) string {
	e := explainer{scope: scope, text: c.lines, seen: map[string]bool{}}
	if x, ok := c.condition.(hclsyntax.Expression); ok {
		e.condition(x)
	} else {
		e.reads(c.condition)
	}
	if len(e.lines) > maxSeen {
		more := len(e.lines) - maxSeen
		e.lines = append(e.lines[:maxSeen], fmt.Sprintf("  … and %d more", more))
	}
	if len(e.lines) == 0 {
		return ""
	}
	return "The condition has read:\n" + strings.Join(e.lines, "\n")
}

// An explainer collects lines about a condition.
type explainer struct {
	scope *config.Scope
	text  []byte
	seen  map[string]bool
	lines []string
}

func (e *explainer) say(source, value string) {
	line := "  " + source + " = " + value
	if !e.seen[line] {
		e.seen[line] = true
		e.lines = append(e.lines, line)
	}
}

// source is an expression as it was written, on one line.
func (e *explainer) source(r hcl.Range) string {
	if r.Start.Byte < 0 || r.End.Byte > len(e.text) || r.Start.Byte >= r.End.Byte {
		return "?"
	}
	return shorten(strings.Join(strings.Fields(string(r.SliceBytes(e.text))), " "))
}

// condition explains why a condition is not true.
func (e *explainer) condition(x hclsyntax.Expression) {
	switch t := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		e.condition(t.Expression)
	case *hclsyntax.BinaryOpExpr:
		switch t.Op {
		case hclsyntax.OpLogicalAnd:
			for _, side := range []hclsyntax.Expression{t.LHS, t.RHS} {
				if e.isFalse(side) {
					e.condition(side)
				}
			}
		case hclsyntax.OpLogicalOr:
			e.condition(t.LHS)
			e.condition(t.RHS)
		default:
			e.side(t.LHS)
			e.side(t.RHS)
			e.reads(x)
		}
	case *hclsyntax.FunctionCallExpr:
		if len(t.Args) == 1 && t.Name == "alltrue" {
			if f, ok := t.Args[0].(*hclsyntax.ForExpr); ok && f.KeyExpr == nil {
				e.elements(f)
				return
			}
		}
		e.reads(x)
	default:
		e.reads(x)
	}
}

func (e *explainer) isFalse(x hclsyntax.Expression) bool {
	v, diags := e.scope.Value(x)
	v, _ = v.UnmarkDeep()
	return !diags.HasErrors() && v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() && v.False()
}

// side tells the value of one side of a comparison that is more than a name.
func (e *explainer) side(x hclsyntax.Expression) {
	switch x.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr, *hclsyntax.ScopeTraversalExpr, *hclsyntax.TupleConsExpr, *hclsyntax.ObjectConsExpr:
		return
	}
	if v, diags := e.scope.Value(x); !diags.HasErrors() {
		e.say(e.source(x.Range()), brief(v))
	}
}

// reads tells what an expression refers to.
func (e *explainer) reads(x hcl.Expression) {
	for _, r := range e.scope.Reads(x) {
		e.say(shorten(r.Name), brief(r.Value))
	}
}

// elements tells for which elements a condition about each of them is false.
func (e *explainer) elements(f *hclsyntax.ForExpr) {
	key := f.KeyVar
	if key == "" {
		key = "(key)" // no name of anything
	}
	name := func(root string) hclsyntax.Expression {
		return &hclsyntax.ScopeTraversalExpr{Traversal: hcl.Traversal{hcl.TraverseRoot{Name: root, SrcRange: f.SrcRange}}, SrcRange: f.SrcRange}
	}
	each := *f
	each.KeyVar = key
	each.ValExpr = &hclsyntax.TupleConsExpr{SrcRange: f.SrcRange, OpenRange: f.OpenRange, Exprs: []hclsyntax.Expression{name(key), name(f.ValVar), f.ValExpr}}
	all, diags := e.scope.Value(&each)
	if diags.HasErrors() || all.IsMarked() || !all.IsKnown() || all.IsNull() || !all.CanIterateElements() {
		e.reads(f)
		return
	}
	wrong := 0
	for it := all.ElementIterator(); it.Next(); {
		_, item := it.Element()
		if item.IsMarked() || !item.IsKnown() {
			continue
		}
		parts := item.AsValueSlice()
		ok, _ := parts[2].UnmarkDeep()
		if ok.Type() != cty.Bool || !ok.IsKnown() || ok.IsNull() || ok.True() {
			continue
		}
		if wrong++; wrong <= maxFalse {
			which := brief(parts[1])
			if parts[0].Type() == cty.String {
				which = brief(parts[0])
			}
			if ref, ok := config.AsRef(parts[1]); ok {
				which = ref.String()
			}
			e.lines = append(e.lines, "  it is not so for "+which)
		}
	}
	if wrong > maxFalse {
		e.lines = append(e.lines, fmt.Sprintf("  … and for %d more of %d", wrong-maxFalse, all.LengthInt()))
	}
}

// brief writes a value on one line, and never one that is sensitive.
func brief(v cty.Value) string {
	if v.IsMarked() {
		return "(sensitive value)"
	}
	if ref, ok := config.AsRef(v); ok {
		return ref.String()
	}
	t := v.Type()
	switch {
	case !v.IsKnown():
		return "(not known)"
	case v.IsNull():
		return "null"
	case t == cty.String:
		return shorten(strconv.Quote(v.AsString()))
	case t == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case !v.CanIterateElements():
		return "(" + t.FriendlyName() + ")"
	}
	return collection(v)
}

// collection writes the elements of a value as long as there is room.
func collection(v cty.Value) string {
	open, end := "[", "]"
	named := v.Type().IsObjectType() || v.Type().IsMapType()
	if named {
		open, end = "{ ", " }"
	}
	var b strings.Builder
	b.WriteString(open)
	n, total := 0, v.LengthInt()
	for it := v.ElementIterator(); it.Next(); n++ {
		if b.Len() > maxText {
			fmt.Fprintf(&b, ", … %d in all", total)
			break
		}
		key, item := it.Element()
		if n > 0 {
			b.WriteString(", ")
		}
		if named {
			name := key.AsString()
			if !hclsyntax.ValidIdentifier(name) {
				name = strconv.Quote(name)
			}
			b.WriteString(shorten(name) + " = ")
		}
		b.WriteString(brief(item))
	}
	if total == 0 {
		return strings.TrimSpace(open) + strings.TrimSpace(end)
	}
	return b.String() + end
}

func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
