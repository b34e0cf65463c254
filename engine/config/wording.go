package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Package hcl knows neither what a block is called nor what its functions take.
// This file says in its messages what it cannot, and leaves out what only
// follows from another message.

// contentOf takes the content of a body, and says what was expected where
// something else stands.
func contentOf(b hcl.Body, s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := b.Content(s)
	if len(diags) == 0 {
		return content, nil
	}
	var names []string
	for _, a := range s.Attributes {
		names = append(names, a.Name)
	}
	for _, t := range s.Blocks {
		names = append(names, t.Type)
	}
	for _, d := range diags {
		expected(d, names)
	}
	return content, withoutEchoes(diags)
}

// mentioned finds the name that a message of package hcl is about.
var mentioned = regexp.MustCompile(`(?:named|of type) "([^"]*)"`)

// labelsOf finds what a message about labels says there has to be.
var labelsOf = regexp.MustCompile(`^(?:Missing (\S+) for|Extraneous label for) (\S+)$`)

// maxListed bounds how many names are listed where none of them is near.
const maxListed = 12

// expected adds what there could be to a message about what there cannot.
func expected(d *hcl.Diagnostic, names []string) {
	switch d.Summary {
	case "Unsupported argument", "Unsupported block type", "Extraneous JSON object property":
		m := mentioned.FindStringSubmatch(d.Detail)
		if m == nil || strings.Contains(d.Detail, "Did you mean") {
			return
		}
		if near := suggestion(m[1], slices.Clone(names)); near != "" {
			d.Detail += near
		} else if len(names) == 1 {
			d.Detail += fmt.Sprintf(" There is only %q.", names[0])
		} else if len(names) > 0 && len(names) <= maxListed {
			d.Detail += fmt.Sprintf(" There are %s.", strings.Join(names, ", "))
		}
		return
	}
	m := labelsOf.FindStringSubmatch(d.Summary)
	switch {
	case m == nil:
	case m[2] == blockData:
		d.Detail = `A data block has two labels, its type and its name: data "TYPE" "NAME".`
	default:
		d.Detail = fmt.Sprintf("A block of type %s has one label, its name: %s \"NAME\".", m[2], m[2])
	}
}

// follows are messages that only follow from one about the same place that says
// more: a value of JSON that is of the wrong type has no properties.
var follows = []string{"Missing required argument", "Missing block label", "Root value must be object"}

// withoutEchoes leaves out what follows from another message.
func withoutEchoes(diags hcl.Diagnostics) hcl.Diagnostics {
	wrong := map[hcl.Pos]bool{}
	for _, d := range diags {
		if d.Summary == "Incorrect JSON value type" && d.Subject != nil {
			wrong[d.Subject.Start] = true
		}
	}
	if len(wrong) == 0 {
		return diags
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Subject != nil && wrong[d.Subject.Start] && slices.Contains(follows, d.Summary)
	})
}

// halfBlocks leaves out what is missing in blocks of a file that was only read in
// part: it may be in the rest.
func halfBlocks(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == follows[0] })
}

// Messages about a text that has no end: one such text makes many of them.
const (
	multiLine    = "Invalid multi-line string"
	unterminated = "Unterminated template string"
)

// syntaxErrors leaves the first of the messages that one mistake makes. What
// follows a text without an end is misread; JSON is not read beyond a mistake.
func syntaxErrors(diags hcl.Diagnostics, inJSON bool) hcl.Diagnostics {
	if inJSON && len(diags) > 1 {
		return diags[:1]
	}
	endless := false
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		if d.Summary != multiLine && d.Summary != unterminated {
			return false
		}
		if endless {
			return true
		}
		endless = true
		d.Summary = unterminated
		d.Detail = "This text has no quotation mark at its end. A text of several lines has \\n within it, or is written as a heredoc: <<EOT, its lines, and EOT on a line of its own."
		return false
	})
}

// reword says of an error in an expression which function, argument or element
// it is about.
func reword(diags hcl.Diagnostics) {
	for _, d := range diags {
		switch d.Summary {
		case "Invalid function argument":
			if extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
				d.Detail = strings.Replace(d.Detail, "Invalid value for ", "Invalid value for the argument ", 1)
				d.Detail = strings.Replace(d.Detail, " parameter: ", fmt.Sprintf(" of %s: ", extra.CalledFunctionName()), 1)
			}
		case "Not enough function arguments", "Too many function arguments":
			if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok {
				if f := schema.FunctionByName(call.Name); f != nil {
					d.Detail = fmt.Sprintf("The function %s is called as %s, and here with %s.", f.Name, f.Signature(), count(len(call.Args), "argument"))
				}
			}
		case "Invalid index":
			if x, ok := d.Expression.(*hclsyntax.IndexExpr); ok {
				c, diags := x.Collection.Value(d.EvalContext)
				k, more := x.Key.Value(d.EvalContext)
				if diags.HasErrors() || more.HasErrors() {
					continue
				}
				what := ""
				if t, ok := bare(x.Collection).(*hclsyntax.ScopeTraversalExpr); ok {
					what = TraversalText(t.Traversal)
				}
				noSuchElement(d, what, c, k)
				d.Expression = x.Key // the whole collection would be shown again
			} else {
				noSuchStep(d)
			}
		case "Unsupported attribute":
			noSuchStep(d)
		}
	}
}

// count is a number of things, as one says it.
func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// noSuchStep finds the step of a reference that leads nowhere.
func noSuchStep(d *hcl.Diagnostic) {
	x, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr)
	if !ok || d.EvalContext == nil {
		return
	}
	t := x.Traversal
	for i := 1; i < len(t); i++ {
		if _, diags := t[:i+1].TraverseAbs(d.EvalContext); !diags.HasErrors() {
			continue
		}
		around, diags := t[:i].TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			return
		}
		switch step := t[i].(type) {
		case hcl.TraverseAttr:
			if around.Type().IsObjectType() || around.Type().IsMapType() {
				noSuchElement(d, TraversalText(t[:i]), around, cty.StringVal(step.Name))
			}
		case hcl.TraverseIndex:
			noSuchElement(d, TraversalText(t[:i]), around, step.Key)
		}
		return
	}
}

// noSuchElement says which element there is not in a collection, and which there
// are. what is how the collection is called, empty for nothing.
func noSuchElement(d *hcl.Diagnostic, what string, c, k cty.Value) {
	if hidden(c) || hidden(k) || !k.IsKnown() || k.IsNull() || !c.IsKnown() || !c.CanIterateElements() || c.Type().IsSetType() {
		return
	}
	if k.Type() != cty.String && k.Type() != cty.Number {
		return
	}
	if t := c.Type(); t.IsMapType() || t.IsObjectType() {
		if s, err := convert.Convert(k, cty.String); err == nil {
			k = s
		}
	}
	var names, shown []string
	for it := c.ElementIterator(); it.Next(); {
		name, _ := it.Element()
		if name.Type() == cty.String {
			if name.AsString() == identity {
				continue
			}
			names = append(names, name.AsString())
		}
		shown = append(shown, schema.IndexString(name))
	}
	d.Detail = fmt.Sprintf("There is no element %s.", schema.IndexString(k))
	if what != "" {
		d.Detail = fmt.Sprintf("There is no %s%s.", what, schema.IndexString(k))
	}
	switch near := suggestionForKey(k, names); {
	case near != "":
		d.Detail += near
	case len(shown) == 0:
		d.Detail += " There are no elements."
	case len(shown) > maxListed:
		d.Detail += fmt.Sprintf(" The keys are %s, and %d more.", strings.Join(shown[:maxListed], ", "), len(shown)-maxListed)
	default:
		d.Detail += fmt.Sprintf(" The keys are %s.", strings.Join(shown, ", "))
	}
}

// constantValue reads a value that is read before anything is evaluated. place is
// where it stands, as the end of a sentence.
func constantValue(x hcl.Expression, place string) (cty.Value, hcl.Diagnostics) {
	v, diags := x.Value(nil)
	for _, d := range diags {
		switch d.Summary {
		case "Variables not allowed", "Function calls not allowed":
			d.Summary = "Not a constant"
			d.Detail = fmt.Sprintf("There are no references and no functions in %s: it is read before anything is evaluated.", place)
		}
	}
	return v, diags
}

// typeWords begin the types of variables.
var typeWords = []string{"any", "bool", "list", "map", "number", "object", "optional", "set", "string", "tuple"}

// keyword finds the word that a message about a type is about.
var keyword = regexp.MustCompile(`^(?:The keyword|Keyword) "([^"]*)" is not a valid type`)

// typeErrors says what was probably meant by a type that is none.
func typeErrors(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if m := keyword.FindStringSubmatch(d.Detail); m != nil {
			if near := suggestion(m[1], slices.Clone(typeWords)); near != "" {
				d.Detail += near
			} else {
				d.Detail += fmt.Sprintf(" A type begins with %s.", schema.Or(typeWords))
			}
		}
	}
	return diags
}
