package console

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const (
	sensitiveValue = "(sensitive value)"
	notKnown       = "(not known)" // a variable that is not set, or born in apply
)

// Format writes a value as an expression that has it, in the way of Terraform's
// console.
func Format(v cty.Value) string {
	var b strings.Builder
	format(&b, v, "")
	return b.String()
}

func format(b *strings.Builder, v cty.Value, indent string) {
	if v.IsMarked() {
		b.WriteString(sensitiveValue)
		return
	}
	if ref, ok := config.AsRef(v); ok {
		b.WriteString(ref.String())
		return
	}
	t := v.Type()
	switch {
	case t == typeType && v.IsKnown() && !v.IsNull():
		b.WriteString(TypeString(*v.EncapsulatedValue().(*cty.Type), indent))
	case !v.IsKnown():
		b.WriteString(notKnown)
	case v.IsNull():
		b.WriteString(null(t))
	case t == cty.String:
		b.WriteString(text(v.AsString(), indent))
	case t == cty.Number:
		b.WriteString(v.AsBigFloat().Text('f', -1))
	case t == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case t.IsObjectType():
		pairs(b, v, "{", "}", indent)
	case t.IsMapType():
		pairs(b, v, "tomap({", "})", indent)
	case t.IsTupleType():
		items(b, v, "[", "]", indent)
	case t.IsListType():
		items(b, v, "tolist([", "])", indent)
	case t.IsSetType():
		items(b, v, "toset([", "])", indent)
	default:
		b.WriteString("(" + t.FriendlyName() + ")")
	}
}

// null says of what type it is, where that can be written.
func null(t cty.Type) string {
	switch t {
	case cty.String, cty.Number, cty.Bool:
		return fmt.Sprintf("to%s(null)", t.FriendlyName())
	}
	return "null"
}

// text quotes a string; one of several lines that a terminal can show is a
// heredoc.
func text(s, indent string) string {
	lines := strings.Contains(s, "\n") && indent == ""
	for _, r := range s {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			lines = false
		}
	}
	if !lines {
		return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
	}
	mark := "EOT"
	for strings.Contains(s, mark) {
		mark += "_"
	}
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return "<<" + mark + "\n" + s + mark
}

func items(b *strings.Builder, v cty.Value, begin, end, indent string) {
	b.WriteString(begin)
	inner := indent + "  "
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		b.WriteString("\n" + inner)
		format(b, item, inner)
		b.WriteString(",")
	}
	if v.LengthInt() > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

func pairs(b *strings.Builder, v cty.Value, begin, end, indent string) {
	b.WriteString(begin)
	inner := indent + "  "
	n := 0
	for it := v.ElementIterator(); it.Next(); n++ {
		key, item := it.Element()
		b.WriteString("\n" + inner + text(key.AsString(), inner) + " = ")
		format(b, item, inner)
	}
	if n > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// block writes what can be read of a block as one writes it: without what is
// null.
func block(address string, object cty.Value) string {
	var names []string
	width := 0
	values := object.AsValueMap()
	for name, v := range values {
		if !v.IsMarked() && v.IsNull() {
			continue
		}
		names = append(names, name)
		width = max(width, len(name))
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString(address + " {\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %-*s = ", width, name)
		format(&b, values[name], "  ")
		b.WriteString("\n")
	}
	b.WriteString("}")
	return b.String()
}

// TypeString writes a type as a type constraint of the language has it.
func TypeString(t cty.Type, indent string) string {
	inner := indent + "  "
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t.Equals(schema.RefType):
		return "reference"
	case t.IsPrimitiveType():
		return t.FriendlyName()
	case t.IsListType():
		return "list(" + TypeString(t.ElementType(), indent) + ")"
	case t.IsSetType():
		return "set(" + TypeString(t.ElementType(), indent) + ")"
	case t.IsMapType():
		return "map(" + TypeString(t.ElementType(), indent) + ")"
	case t.IsTupleType():
		var b strings.Builder
		b.WriteString("tuple([")
		for _, e := range t.TupleElementTypes() {
			b.WriteString("\n" + inner + TypeString(e, inner) + ",")
		}
		if len(t.TupleElementTypes()) > 0 {
			b.WriteString("\n" + indent)
		}
		return b.String() + "])"
	case t.IsObjectType():
		if config.IsBlock(t) {
			return "reference"
		}
		var names []string
		for name := range t.AttributeTypes() {
			names = append(names, name)
		}
		sort.Strings(names)
		var b strings.Builder
		b.WriteString("object({")
		for _, name := range names {
			if !hclsyntax.ValidIdentifier(name) {
				b.WriteString("\n" + inner + text(name, inner) + " = " + TypeString(t.AttributeType(name), inner))
				continue
			}
			b.WriteString("\n" + inner + name + " = " + TypeString(t.AttributeType(name), inner))
		}
		if len(names) > 0 {
			b.WriteString("\n" + indent)
		}
		return b.String() + "})"
	}
	return t.FriendlyName()
}
