package plain

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// expression takes a literal, a reference, or a list of these.
func (r *reader) expression(depth int) hclsyntax.Expression {
	switch c := r.peek(); {
	case c == '"':
		text, rng, inner, ok := r.quoted()
		if !ok {
			return nil
		}
		return template(text, rng, inner)
	case isDigit(c):
		return r.number()
	case c == '[' && depth < maxDepth:
		return r.list(depth)
	case isLetter(c):
		return r.reference()
	}
	return nil
}

// template makes the tree of a text in quotation marks, in one piece of memory.
func template(text string, rng, inner hcl.Range) hclsyntax.Expression {
	t := &struct {
		hclsyntax.TemplateExpr
		literal hclsyntax.LiteralValueExpr
		parts   [1]hclsyntax.Expression
	}{}
	t.literal = hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: inner}
	t.parts[0] = &t.literal
	t.TemplateExpr = hclsyntax.TemplateExpr{Parts: t.parts[:], SrcRange: rng}
	return &t.TemplateExpr
}

// quoted takes a text in quotation marks, without escapes and templates: its
// value, its place, and the place of what is between the marks.
func (r *reader) quoted() (text string, rng, inner hcl.Range, ok bool) {
	start := r.pos()
	r.at++
	from, first := r.at, r.pos()
	ascii, marks := true, false
	for ; ; r.at++ {
		if r.at == len(r.src) {
			return "", rng, inner, false
		}
		c := r.src[r.at]
		if c == '"' {
			break
		}
		switch {
		case c == '\\' || c < ' ' && c != '\t':
			return "", rng, inner, false
		case c == '$' || c == '%':
			marks = true
			if r.at+1 < len(r.src) && r.src[r.at+1] == '{' {
				return "", rng, inner, false
			}
		case c >= 0x80:
			ascii = false
		}
	}
	text = string(r.src[from:r.at])
	if !ascii {
		if marks { // the parser cuts the text there, and counts each part for itself
			return "", rng, inner, false
		}
		columns, ok := columns(text)
		if !ok {
			return "", rng, inner, false
		}
		r.wide += len(text) - columns
	}
	inner = r.between(first, r.pos())
	r.at++
	if text == "" { // the parser puts it behind the marks
		inner = r.between(r.pos(), r.pos())
	}
	return text, r.between(start, r.pos()), inner, true
}

// columns is how many columns a text is wide, as package hcl counts them.
func columns(text string) (int, bool) {
	whole := func(data []byte, _ bool) (int, []byte, error) { return len(data), data, nil }
	s := hcl.NewRangeScanner([]byte(text), "", whole)
	s.Scan()
	end := s.Range().End
	return end.Column - 1, end.Byte == len(text)
}

// number takes a whole number that is not negative.
func (r *reader) number() hclsyntax.Expression {
	from, start := r.at, r.pos()
	for isDigit(r.peek()) {
		r.at++
	}
	if c := r.peek(); isName(c) || c == '.' || c >= 0x80 || r.at-from > maxDigits {
		return nil
	}
	v, err := cty.ParseNumberVal(string(r.src[from:r.at]))
	if err != nil {
		return nil
	}
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: r.between(start, r.pos())}
}

// list takes what stands in square brackets.
func (r *reader) list(depth int) hclsyntax.Expression {
	open, _ := r.sign('[')
	list := &hclsyntax.TupleConsExpr{OpenRange: open}
	for {
		if !r.blank() {
			return nil
		}
		if close, ok := r.sign(']'); ok {
			list.SrcRange = hcl.RangeBetween(open, close)
			return list
		}
		e := r.expression(depth + 1)
		if e == nil || !r.blank() {
			return nil
		}
		list.Exprs = append(list.Exprs, e)
		if _, ok := r.sign(','); !ok && r.peek() != ']' {
			return nil
		}
	}
}

// reference takes names with dots and indexes in between, or a keyword.
func (r *reader) reference() hclsyntax.Expression {
	root := r.ident()
	c := r.peek()
	single := c != '.' && c != '['
	switch root.text {
	case "true", "false":
		if !single {
			return nil
		}
		return &hclsyntax.LiteralValueExpr{Val: cty.BoolVal(root.text == "true"), SrcRange: root.rng}
	case "null":
		if !single {
			return nil
		}
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: root.rng}
	case "for":
		return nil
	}
	e := &hclsyntax.ScopeTraversalExpr{SrcRange: root.rng}
	e.Traversal = append(make(hcl.Traversal, 0, 2), hcl.TraverseRoot{Name: root.text, SrcRange: root.rng})
	for range maxSteps {
		step, ok := r.step()
		if !ok {
			return nil
		}
		if step == nil {
			return e
		}
		e.Traversal = append(e.Traversal, step)
		e.SrcRange.End = step.SourceRange().End
	}
	return nil
}

// step takes one name or index of a reference; nil where there is none.
func (r *reader) step() (hcl.Traverser, bool) {
	start := r.pos()
	switch r.peek() {
	case '.':
		r.at++
		name := r.ident()
		if name.text == "" {
			return nil, false
		}
		return hcl.TraverseAttr{Name: name.text, SrcRange: r.between(start, name.rng.End)}, true
	case '[':
		r.at++
		if r.peek() != '"' {
			return nil, false
		}
		text, _, _, ok := r.quoted()
		if !ok {
			return nil, false
		}
		close, ok := r.sign(']')
		if !ok {
			return nil, false
		}
		return hcl.TraverseIndex{Key: cty.StringVal(text), SrcRange: r.between(start, close.End)}, true
	}
	return nil, r.peek() < 0x80 // a letter of another script would belong to the name
}
