package draft

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A body is the inside of a block that is being written, in canonical form: the
// equals signs of arguments that follow one another stand below each other. It
// is many times faster than package hclwrite, which matters for a hundred
// thousand users; the tests hold it to what hclwrite would make of it.
type body struct {
	out    *bytes.Buffer
	indent string
	args   [][2]string // not written yet
	empty  bool
}

// put writes a block of the file, after an empty line.
func (w *writer) put(typ, label string, fill func(b *body)) {
	if w.out.Len() > 0 {
		w.out.WriteByte('\n')
	}
	w.out.WriteString(typ)
	if label != "" {
		w.out.WriteString(" " + literal(label))
	}
	w.out.WriteString(" {\n")
	b := &body{out: &w.out, indent: "  ", empty: true}
	fill(b)
	b.flush()
	w.out.WriteString("}\n")
}

// set writes an argument.
func (b *body) set(name, expression string) {
	b.args = append(b.args, [2]string{name, expression})
	b.empty = false
}

// flush writes the arguments so far; what comes next is not aligned with them.
func (b *body) flush() {
	width := 0
	for _, a := range b.args {
		width = max(width, len(a[0]))
	}
	for _, a := range b.args {
		b.out.WriteString(b.indent + a[0] + strings.Repeat(" ", width-len(a[0])) + " = " + a[1] + "\n")
	}
	b.args = b.args[:0]
}

// newline writes an empty line.
func (b *body) newline() {
	b.flush()
	b.out.WriteByte('\n')
}

// block writes a block within the block, after an empty line.
func (b *body) block(typ string, fill func(inner *body)) {
	b.newline()
	b.out.WriteString(b.indent + typ + " {\n")
	inner := &body{out: b.out, indent: b.indent + "  ", empty: true}
	fill(inner)
	inner.flush()
	b.out.WriteString(b.indent + "}\n")
	b.empty = false
}

// literal is a text as an expression, with quotes.
func literal(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(`"\$%`, c) >= 0 {
			return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
		}
	}
	return `"` + s + `"`
}

// expression is a value of an argument: a reference, a list of values, or a
// literal.
func expression(v cty.Value) string {
	if r, ok := schema.AsRef(v); ok {
		return reference(r)
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return literal(v.AsString())
	case t.IsTupleType(), t.IsListType():
		items := make([]string, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, el := it.Element()
			items = append(items, expression(el))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}

// reference is the address of a block. A key is written as a literal, which for
// some texts is not what an address in a plan looks like.
func reference(r schema.Ref) string {
	if r.Key == cty.NilVal || r.Key.Type() != cty.String {
		return r.String()
	}
	plain := r
	plain.Key, plain.Part = cty.NilVal, ""
	s := plain.String() + "[" + literal(r.Key.AsString()) + "]"
	if r.Part != "" {
		s += "." + r.Part
	}
	return s
}

// providerNames are bare words: one, or a list of them.
func providerNames(v cty.Value) string {
	var names []string
	for _, el := range v.AsValueSlice() {
		names = append(names, el.AsString())
	}
	if len(names) == 1 {
		return names[0]
	}
	return "[" + strings.Join(names, ", ") + "]"
}
