// Package plain reads configuration files, of which nearly all is the simplest
// of HCL: blocks, and arguments that are literals, references or lists of these.
//
// Where an organisation describes each of its users in a block of its own, the
// parser of HCL takes twenty times as long for it as is needed, and a hundred
// times as much memory as there is text, in tokens most of all. [Parse] reads
// blocks of that kind in one go, into exactly the syntax tree that the parser
// makes of them. At the first byte of a block that is anything else, an error
// among them, it gives the block to the parser. So it has no messages and no
// rules of its own, and a fuzz test holds it to the original.
package plain

import (
	"bytes"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Bounds far below those of package nesting, so that what is read here need
// not be looked at by it.
const (
	maxDepth  = 8  // blocks and lists within one another
	maxSteps  = 16 // names and indexes of one reference
	maxDigits = 18
)

const (
	// maxTries is how many lines that may be the end of a block are tried: a "}"
	// by itself can stand in a text over many lines as well.
	maxTries = 4
	// maxPart is how much is given to the parser at once where something is wrong
	// and nobody knows how far it reaches, in bytes. A large file that is wrong in
	// many places then takes no more memory than one that is right.
	maxPart = 1 << 20
)

// A Parser is the parser of HCL, hclsyntax.ParseConfig or one that refuses more
// than it does. Its body may be nil on errors.
type Parser func(src []byte, filename string, start hcl.Pos) (*hclsyntax.Body, hcl.Diagnostics)

// Parse makes the syntax tree of a file, whose text has to be UTF-8.
func Parse(src []byte, filename string, parser Parser) (*hclsyntax.Body, hcl.Diagnostics) {
	r := &reader{src: src, file: filename, line: 1}
	r.spaces()
	start := r.pos() // the parser's first token, which may be a comment
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: hclsyntax.Blocks{}}
	var diags hcl.Diagnostics
	for r.at < len(src) {
		before := *r
		if block := r.next(); block != nil {
			body.Blocks = append(body.Blocks, block)
			continue
		}
		if r.at == len(src) && r.empty {
			break
		}
		*r = before
		part, more := r.hard(parser)
		diags = append(diags, more...)
		if part != nil {
			body.Blocks = append(body.Blocks, part.Blocks...)
			maps.Copy(body.Attributes, part.Attributes)
		}
	}
	end := r.pos()
	body.SrcRange = r.between(start, end)
	body.EndRange = r.between(end, end)
	return body, diags
}

// next takes the next block of the file; nil for none, or for one that is not
// plain.
func (r *reader) next() *hclsyntax.Block {
	if !r.blank() {
		return nil
	}
	if r.at == len(r.src) {
		r.empty = true
		return nil
	}
	name := r.ident()
	if name.text == "" {
		return nil
	}
	return r.block(name, 1)
}

// hard has the parser read what is not plain: up to a line that may be the end
// of the block, as long as there is nothing wrong in that. What parses by itself
// is the same as part of the file.
func (r *reader) hard(parser Parser) (*hclsyntax.Body, hcl.Diagnostics) {
	from, end := r.at, r.at
	for range maxTries {
		end = boundary(r.src, end)
		if body, diags := parser(r.src[from:end], r.file, r.pos()); len(diags) == 0 {
			r.skip(end)
			return body, nil
		}
		if end == len(r.src) {
			break
		}
	}
	if end = len(r.src); end-from > maxPart {
		end = boundary(r.src, from+maxPart)
	}
	body, diags := parser(r.src[from:end], r.file, r.pos())
	r.skip(end)
	return body, diags
}

// boundary is the end of the first line at or after an offset that holds a
// closing brace and nothing else, or the end of the text.
func boundary(src []byte, from int) int {
	for {
		i := bytes.Index(src[from:], []byte("\n}"))
		if i < 0 {
			return len(src)
		}
		from += i + len("\n}")
		if rest := bytes.TrimPrefix(src[from:], []byte("\r")); len(rest) == 0 || rest[0] == '\n' {
			return min(len(src), len(src)-len(rest)+1)
		}
	}
}

// A reader goes through the text once. A method that returns false or nil has
// met something that is not plain; then the whole block is not.
type reader struct {
	src  []byte
	file string
	at   int // the next byte
	// empty is set where nothing but space was left.
	empty bool

	line      int
	lineStart int
	// wide is by how much the columns of the line so far are fewer than its bytes.
	wide int
}

func (r *reader) pos() hcl.Pos {
	return hcl.Pos{Line: r.line, Column: r.at - r.lineStart - r.wide + 1, Byte: r.at}
}

func (r *reader) between(start, end hcl.Pos) hcl.Range {
	return hcl.Range{Filename: r.file, Start: start, End: end}
}

// peek is the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.src) {
		return r.src[r.at]
	}
	return 0
}

// sign takes a single character.
func (r *reader) sign(c byte) (hcl.Range, bool) {
	if r.peek() != c {
		return hcl.Range{}, false
	}
	start := r.pos()
	r.at++
	return r.between(start, r.pos()), true
}

func (r *reader) newline() {
	r.at++
	r.line++
	r.lineStart, r.wide = r.at, 0
}

// skip goes on at the start of a line further down.
func (r *reader) skip(to int) {
	r.line += bytes.Count(r.src[r.at:to], []byte("\n"))
	r.at, r.lineStart, r.wide = to, to, 0
}

func (r *reader) spaces() {
	for r.at < len(r.src) && (r.src[r.at] == ' ' || r.src[r.at] == '\t') {
		r.at++
	}
}

// blank skips spaces, comments and line breaks.
func (r *reader) blank() bool {
	for {
		r.spaces()
		switch r.peek() {
		case '\n':
			r.newline()
		case '#', '/':
			if !r.comment() {
				return false
			}
		default:
			return true
		}
	}
}

// comment skips a comment and the line break at its end.
func (r *reader) comment() bool {
	if r.src[r.at] == '/' && (r.at+1 == len(r.src) || r.src[r.at+1] != '/') {
		return false
	}
	for ; r.at < len(r.src); r.at++ {
		switch c := r.src[r.at]; {
		case c == '\n':
			r.newline()
			return true
		case c < ' ' && c != '\t':
			return false
		}
	}
	return false
}

// endOfLine skips what may stand behind an argument or a block.
func (r *reader) endOfLine() bool {
	r.spaces()
	switch r.peek() {
	case '\n':
		r.newline()
		return true
	case '#', '/':
		return r.comment()
	}
	return r.at == len(r.src)
}

// A word is a name with its place.
type word struct {
	text string
	rng  hcl.Range
}

// ident takes a name; its text is empty where there is none.
func (r *reader) ident() word {
	start := r.pos()
	if !isLetter(r.peek()) {
		return word{}
	}
	from := r.at
	for r.at < len(r.src) && isName(r.src[r.at]) {
		r.at++
	}
	return word{known(r.src[from:r.at]), r.between(start, r.pos())}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isName(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' }

// block takes a block whose type has been read.
func (r *reader) block(typ word, depth int) *hclsyntax.Block {
	if depth > maxDepth {
		return nil
	}
	b := &hclsyntax.Block{Type: typ.text, TypeRange: typ.rng}
	r.spaces()
	for r.peek() == '"' {
		label, rng, _, ok := r.quoted()
		if !ok {
			return nil
		}
		b.Labels = append(b.Labels, label)
		b.LabelRanges = append(b.LabelRanges, rng)
		r.spaces()
	}
	var ok bool
	if b.OpenBraceRange, ok = r.sign('{'); !ok {
		return nil
	}
	r.spaces()
	if isLetter(r.peek()) {
		b.Body = r.single()
	} else {
		b.Body = r.body(b.OpenBraceRange.Start, depth)
	}
	if b.Body == nil {
		return nil
	}
	if b.CloseBraceRange, ok = r.sign('}'); !ok {
		return nil
	}
	if b.Body.EndRange == (hcl.Range{}) {
		end := b.CloseBraceRange.End
		b.Body.SrcRange.End = end
		b.Body.EndRange = r.between(end, end)
	}
	if !r.endOfLine() {
		return nil
	}
	return b
}

// single takes what stands in a block on one line.
func (r *reader) single() *hclsyntax.Body {
	a := r.attribute(r.ident())
	if a == nil {
		return nil
	}
	r.spaces()
	return &hclsyntax.Body{
		Attributes: hclsyntax.Attributes{a.Name: a},
		SrcRange:   a.SrcRange,
		EndRange:   r.between(a.SrcRange.End, a.SrcRange.End),
	}
}

// body takes what stands in a block up to its closing brace. Where it ends is
// for its caller to say.
func (r *reader) body(start hcl.Pos, depth int) *hclsyntax.Body {
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: hclsyntax.Blocks{}}
	body.SrcRange = r.between(start, start)
	if r.peek() != '}' && !r.endOfLine() {
		return nil
	}
	for {
		if !r.blank() {
			return nil
		}
		if r.peek() == '}' {
			return body
		}
		name := r.ident()
		if name.text == "" {
			return nil
		}
		r.spaces()
		if r.peek() != '=' {
			b := r.block(name, depth+1)
			if b == nil {
				return nil
			}
			body.Blocks = append(body.Blocks, b)
			continue
		}
		a := r.attribute(name)
		if a == nil || body.Attributes[a.Name] != nil || !r.endOfLine() {
			return nil
		}
		body.Attributes[a.Name] = a
	}
}

// attribute takes an argument whose name has been read.
func (r *reader) attribute(name word) *hclsyntax.Attribute {
	r.spaces()
	equals, ok := r.sign('=')
	if !ok {
		return nil
	}
	r.spaces()
	e := r.expression(0)
	if e == nil {
		return nil
	}
	return &hclsyntax.Attribute{
		Name:        name.text,
		Expr:        e,
		SrcRange:    r.between(name.rng.Start, e.Range().End),
		NameRange:   name.rng,
		EqualsRange: equals,
	}
}

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
