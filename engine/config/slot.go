package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A slot is the place that a value has to fit: an argument of an instance.
type slot struct {
	attr   *attribute
	within string     // nested block type that the argument stands in, or empty
	ref    schema.Ref // the instance; its Name is empty where owner is set
	owner  string     // what the argument is of, where that is not an instance
	// provider is set where the argument configures a provider.
	provider bool
}

// subject is how the argument begins a sentence.
func (p slot) subject() string {
	owner := p.owner
	if owner == "" {
		owner = p.ref.String()
	}
	if p.within != "" {
		return fmt.Sprintf("The argument %q of the block %s in %s", p.attr.schema.Name, p.within, owner)
	}
	return fmt.Sprintf("The argument %q of %s", p.attr.schema.Name, owner)
}

func (p slot) problem(summary string, at hcl.Range, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   p.subject() + " " + fmt.Sprintf(format, args...),
		Subject:  &at,
	}}
}

// finish makes an evaluated value what the schema says: converted, checked, its
// default where it is null. On an error the value is unknown.
func (p slot) finish(v cty.Value) (cty.Value, hcl.Diagnostics) {
	s := p.attr.schema
	var diags hcl.Diagnostics
	if v.ContainsMarked() {
		under, marks := v.UnmarkDeepWithPaths()
		if rest, had := withoutEphemeral(marks); had {
			if !s.Sensitive && !p.provider {
				return cty.UnknownVal(s.Type), p.problem("Ephemeral value", p.attr.expr.Range(), "is remembered in the state, and its value is ephemeral. Only arguments that are never remembered, such as password_hash and those of providers, take such a value.")
			}
			v = under.MarkWithPaths(rest)
		}
	}
	switch {
	case v.IsNull() && s.Required:
		return cty.UnknownVal(s.Type), p.problem("Missing required argument", p.attr.expr.Range(), "is required, and is null.")
	case v.IsNull():
		v = defaultOf(s)
	case s.Target == schema.TargetList:
		v, diags = p.targets(v)
	case s.Target == schema.OneTarget:
		v, diags = p.target(v, p.attr.expr.Range())
	case s.Type.Equals(schema.RefType):
		v, diags = p.reference(v)
	case s.Type.Equals(refList):
		v, diags = p.references(v)
	default:
		v, diags = p.plain(v)
	}
	if len(diags) > 0 {
		v = cty.UnknownVal(s.Type)
	}
	if s.Sensitive {
		v = v.Mark(Sensitive)
	}
	return v, diags
}

// plain fits a value that is no reference.
func (p slot) plain(v cty.Value) (cty.Value, hcl.Diagnostics) {
	s := p.attr.schema
	at := p.attr.expr.Range()
	if t := v.Type(); s.OrOne && t.IsPrimitiveType() {
		v = cty.TupleVal([]cty.Value{v})
	}
	if _, ok := asRef(v); ok {
		return v, p.problem("Wrong type of value", at, "has to be %s, and is a reference to a block. To use something of the block, read one of its attributes.", typeName(s))
	}
	got := v.Type()
	v, err := convert.Convert(v, s.Type)
	if err != nil {
		return v, p.problem("Wrong type of value", at, "has to be %s, and is %s%s.", typeName(s), typeInWords(got), whyNot(err))
	}
	if !v.IsKnown() {
		return v, nil
	}
	if !s.Type.IsListType() {
		return v, p.check(v, at)
	}
	bare, marks := v.Unmark()
	if s.NonEmpty && bare.LengthInt() == 0 {
		return v, p.problem("Empty list", at, "needs at least one element.")
	}
	var diags hcl.Diagnostics
	for it := bare.ElementIterator(); it.Next(); {
		i, item := it.Element()
		n, _ := i.AsBigFloat().Int64()
		diags = append(diags, p.check(item.WithMarks(marks), elementRange(p.attr, int(n)))...)
	}
	return v, diags
}

// check holds a single value to the form of the attribute.
func (p slot) check(v cty.Value, at hcl.Range) hcl.Diagnostics {
	s := p.attr.schema
	v, marks := v.Unmark()
	if !v.IsKnown() {
		return nil
	}
	if v.IsNull() {
		return p.problem("Invalid value", at, "has a null in its list.")
	}
	if s.Form == nil {
		return nil
	}
	err := s.Form.Check(v)
	switch {
	case err == nil:
		return nil
	case s.Sensitive: // the form sees to it that its errors tell nothing
		return p.problem("Invalid value", at, "has to be %s. The value is not shown, because it is sensitive: %s.", s.Form.Name, err)
	case len(marks) > 0:
		return p.problem("Invalid value", at, "has to be %s. The value is sensitive and not shown.", s.Form.Name)
	case v.Type() == cty.String && s.Form.Why(v.AsString()) != "":
		return p.problem("Invalid value", at, "has to be %s, and is %s: %s.", s.Form.Name, shown(v), s.Form.Why(v.AsString()))
	case len(s.Form.Words) > 0 && v.Type() == cty.String:
		return p.problem("Invalid value", at, "has to be %s, and is %s.%s", s.Form.Name, shown(v), suggestion(v.AsString(), append([]string{}, s.Form.Words...)))
	default:
		return p.problem("Invalid value", at, "has to be %s, and is %s: %s.", s.Form.Name, shown(v), err)
	}
}

// shown renders a value of a primitive type for a message.
func shown(v cty.Value) string {
	const most = 80
	switch v.Type() {
	case cty.String:
		s := v.AsString()
		if len(s) > most {
			cut := []rune(s)
			if len(cut) > most {
				s = string(cut[:most]) + "…"
			}
		}
		return fmt.Sprintf("%q", s)
	case cty.Number:
		return v.AsBigFloat().Text('g', 20)
	case cty.Bool:
		return fmt.Sprint(v.True())
	}
	return v.Type().FriendlyName()
}

// typeName says what type an attribute has, for a sentence.
func typeName(s *schema.Attribute) string {
	switch {
	case s.Type.Equals(cty.List(cty.String)) && s.OrOne:
		return "a string or a list of strings"
	case s.Type.Equals(cty.List(cty.String)):
		return "a list of strings"
	case s.Type == cty.Bool:
		return "true or false"
	default:
		return article(s.Type.FriendlyName())
	}
}

// typeInWords is the type of a value, as one who wrote it would call it.
func typeInWords(t cty.Type) string {
	if t.IsTupleType() {
		return "a list"
	}
	return article(t.FriendlyName())
}

// whyNot is the end of a sentence that says which type there has to be and which
// there is: empty where the error says no more.
func whyNot(err error) string {
	text := conversionError(err)
	if strings.HasSuffix(text, " required") || strings.HasSuffix(text, " is required") || strings.Contains(text, " required, but have ") {
		if !strings.HasPrefix(text, "at ") {
			return ""
		}
	}
	return ": " + text
}

func article(noun string) string {
	if noun == "" || noun == "dynamic" {
		return "any value"
	}
	switch noun[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + noun
	}
	return "a " + noun
}

// reference fits a value into an attribute that takes a reference.
func (p slot) reference(v cty.Value) (cty.Value, hcl.Diagnostics) {
	s := p.attr.schema
	at := p.attr.expr.Range()
	if !v.IsKnown() {
		return cty.UnknownVal(schema.RefType), nil
	}
	if ref, ok := asRef(v); ok {
		if why := checkRef(ref, s.Refs); why != "" {
			return v, p.problem("Wrong type of reference", at, "has to be %s. %s", refTypes(s.Refs), why)
		}
		return schema.RefVal(ref), nil
	}
	if refs, ok := flattenRefs(v); ok {
		if len(refs) == 0 {
			return v, p.problem("Wrong type of reference", at, "has to be %s, and refers to a block without instances.", refTypes(s.Refs))
		}
		first, _ := schema.AsRef(refs[0])
		return v, p.problem("Wrong type of reference", at, "has to be %s, and refers to all instances of %s.%s. Name one of them, such as %s.", refTypes(s.Refs), first.Type, first.Name, first)
	}
	return v, p.problem("Wrong type of value", at, "has to be %s, written as a reference without quotation marks, such as %s. It is %s.", refTypes(s.Refs), exampleRef(s.Refs), article(v.Type().FriendlyName()))
}

// refList is the type of an attribute that takes a list of references.
var refList = cty.List(schema.RefType)

// references fits a value into an attribute that takes a list of references, in
// the order written. A block with for_each or count stands for all its instances.
func (p slot) references(v cty.Value) (cty.Value, hcl.Diagnostics) {
	at := p.attr.expr.Range()
	if !v.IsKnown() {
		return cty.UnknownVal(refList), nil
	}
	if refs, ok := flattenRefs(v); ok && !v.Type().IsTupleType() {
		v = cty.TupleVal(refs)
	}
	v, _ = v.Unmark()
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return v, p.problem("Wrong type of value", at, "has to be a list of references, such as [%s]. It is %s.", exampleRef(p.attr.schema.Refs), article(t.FriendlyName()))
	}
	var items []cty.Value
	var diags hcl.Diagnostics
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		if item.IsNull() {
			diags = append(diags, p.problem("Invalid value", at, "has a null in its list.")...)
			continue
		}
		parts := []cty.Value{item}
		if refs, ok := flattenRefs(item); ok {
			parts = refs
		}
		for _, part := range parts {
			fit, more := p.reference(part)
			diags = append(diags, more...)
			items = append(items, fit)
		}
	}
	if len(items) == 0 || len(diags) > 0 {
		return cty.ListValEmpty(schema.RefType), diags
	}
	return cty.ListVal(items), diags
}

// target fits a value into an attribute that takes a reference or an address.
func (p slot) target(v cty.Value, at hcl.Range) (cty.Value, hcl.Diagnostics) {
	s := p.attr.schema
	if !v.IsKnown() {
		return v, nil
	}
	if ref, ok := asRef(v); ok {
		if why := checkRef(ref, s.Refs); why != "" {
			return v, p.problem("Wrong type of reference", at, "has to be %s, or a mail address. %s", refTypes(s.Refs), why)
		}
		return schema.RefVal(ref), nil
	}
	if refs, ok := flattenRefs(v); ok && len(refs) > 0 {
		first, _ := schema.AsRef(refs[0])
		return v, p.problem("Wrong type of reference", at, "has to be %s, or a mail address, and refers to all instances of %s.%s. Name one of them, such as %s.", refTypes(s.Refs), first.Type, first.Name, first)
	}
	if v.Type() != cty.String {
		return v, p.problem("Wrong type of value", at, "has to be %s, or a mail address. It is %s.", refTypes(s.Refs), article(v.Type().FriendlyName()))
	}
	return v, p.check(v, at)
}

// targets fits a value into an attribute that takes a list of references and
// addresses. A block with for_each or count stands for all its instances.
func (p slot) targets(v cty.Value) (cty.Value, hcl.Diagnostics) {
	s := p.attr.schema
	at := p.attr.expr.Range()
	if !v.IsKnown() {
		return cty.DynamicVal, nil
	}
	if refs, ok := flattenRefs(v); ok && !v.Type().IsTupleType() {
		v = cty.TupleVal(refs)
	}
	if s.OrOne && v.Type() == cty.String {
		v = cty.TupleVal([]cty.Value{v})
	}
	v, marks := v.Unmark()
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return v, p.problem("Wrong type of value", at, "has to be a list of references and mail addresses. It is %s.", article(t.FriendlyName()))
	}
	written := elements(p.attr.expr)
	var items []cty.Value
	var diags hcl.Diagnostics
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, item := it.Element()
		where := at
		if len(written) == v.LengthInt() {
			where = written[i].Range()
		}
		if item.IsNull() {
			diags = append(diags, p.problem("Invalid value", where, "has a null in its list.")...)
			continue
		}
		parts := []cty.Value{item}
		if refs, ok := flattenRefs(item); ok {
			parts = refs
		}
		for _, part := range parts {
			fit, more := p.target(part.WithMarks(marks), where)
			diags = append(diags, more...)
			items = append(items, fit)
		}
	}
	if s.NonEmpty && len(items) == 0 && len(diags) == 0 {
		return v, p.problem("Empty list", at, "needs at least one element.")
	}
	return cty.TupleVal(items), diags
}
