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
