package wire

import (
	"strconv"
	"unicode/utf8"
)

// Space takes one space.
func (r *Reader) Space() { r.Expect(' ') }

// Expect takes the byte c.
func (r *Reader) Expect(c byte) {
	if r.err == nil && !r.Accept(c) {
		if r.pos >= len(r.line) {
			r.Fail("expected %q at the end of the command", c)
		} else {
			r.Fail("expected %q before %q", c, clip(r.line[r.pos:]))
		}
	}
}

// Accept takes the byte c if it comes next.
func (r *Reader) Accept(c byte) bool {
	if r.err != nil || r.pos >= len(r.line) || r.line[r.pos] != c {
		return false
	}
	r.pos++
	return true
}

// take returns the longest run of bytes that ok accepts.
func (r *Reader) take(ok func(byte) bool) string {
	if r.err != nil {
		return ""
	}
	start := r.pos
	for r.pos < len(r.line) && ok(r.line[r.pos]) {
		r.pos++
	}
	return string(r.line[start:r.pos])
}

func (r *Reader) takeSome(what string, ok func(byte) bool) string {
	s := r.take(ok)
	if s == "" && r.err == nil {
		if r.pos >= len(r.line) {
			r.Fail("%s expected at the end of the command", what)
		} else {
			r.Fail("%s expected before %q", what, clip(r.line[r.pos:]))
		}
	}
	return s
}

// isAtomChar is ATOM-CHAR (RFC 9051 §9); bytes of UTF-8 are none.
func isAtomChar(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c > 0x20 && c < 0x7f
}

// isAStringChar is ASTRING-CHAR, and raw UTF-8, which many clients send.
func isAStringChar(c byte) bool { return isAtomChar(c) || c == ']' || c >= 0x80 }

// longestTag in bytes; clients use a few.
const longestTag = 128

func isTagChar(c byte) bool { return (isAtomChar(c) || c == ']') && c != '+' }

// Tag reads the tag of a command: ASTRING-CHAR without "+", at most 128 bytes.
// Of a line that is too long it is returned as well: the client has to know what
// was refused.
func (r *Reader) Tag() string {
	if r.err != nil {
		n := 0
		for n < len(r.head) && isTagChar(r.head[n]) {
			n++
		}
		if n == len(r.head) || n > longestTag {
			return ""
		}
		return string(r.head[:n])
	}
	s := r.takeSome("tag", isTagChar)
	if len(s) > longestTag {
		r.Fail("tag is too long")
		return ""
	}
	return s
}

// Atom reads an atom.
func (r *Reader) Atom() string { return r.takeSome("atom", isAtomChar) }

// Word reads an atom that ends before "[": the name of a FETCH item.
func (r *Reader) Word() string {
	return r.takeSome("name", func(c byte) bool { return isAtomChar(c) && c != '[' && c != '<' })
}

// SearchWord reads the name of a search key, or a set of numbers.
func (r *Reader) SearchWord() string {
	return r.takeSome("search key", func(c byte) bool { return isAtomChar(c) || c == '*' })
}

// Flag reads a system flag or a keyword.
func (r *Reader) Flag() string {
	if r.Accept('\\') {
		return `\` + r.Atom()
	}
	return r.Atom()
}

// Text reads a quoted string or a literal.
func (r *Reader) Text() string {
	switch r.Peek() {
	case '"':
		return r.quoted()
	case '{', '~':
		return string(r.literal())
	}
	if r.err == nil {
		r.Fail("string expected before %q", clip(r.line[r.pos:]))
	}
	return ""
}

// AString reads an atom or a string.
func (r *Reader) AString() string {
	switch r.Peek() {
	case '"', '{', '~':
		return r.Text()
	}
	return r.takeSome("string", isAStringChar)
}

// NString reads a string or NIL, which is ok == false.
func (r *Reader) NString() (s string, ok bool) {
	switch r.Peek() {
	case '"', '{', '~':
		return r.Text(), true
	}
	if a := r.Atom(); !EqualFold(a, "NIL") {
		r.Fail("string or NIL expected")
	}
	return "", false
}

// Pattern reads a mailbox pattern of LIST, which may hold wildcards.
func (r *Reader) Pattern() string {
	switch r.Peek() {
	case '"', '{', '~':
		return r.Text()
	}
	return r.takeSome("pattern", func(c byte) bool { return isAStringChar(c) || c == '%' || c == '*' })
}

func (r *Reader) quoted() string {
	r.pos++ // the quote
	var out []byte
	for r.pos < len(r.line) {
		c := r.line[r.pos]
		r.pos++
		switch c {
		case '"':
			if !utf8.Valid(out) {
				r.Fail("quoted string is not UTF-8")
				return ""
			}
			return string(out)
		case '\\':
			if r.pos >= len(r.line) || (r.line[r.pos] != '"' && r.line[r.pos] != '\\') {
				r.Fail("bad escape in a quoted string")
				return ""
			}
			c = r.line[r.pos]
			r.pos++
		case 0, '\r':
			r.Fail("control character in a quoted string")
			return ""
		}
		out = append(out, c)
	}
	r.Fail("quoted string has no end")
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Number reads a number of up to 63 bits.
func (r *Reader) Number() uint64 {
	s := r.takeSome("number", isDigit)
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		r.Fail("number is too large")
		return 0
	}
	return n
}

// List reads a parenthesised list, calling item once for each element.
func (r *Reader) List(item func()) {
	r.Expect('(')
	r.enter()
	defer r.leave()
	if r.Accept(')') {
		return
	}
	for r.err == nil {
		item()
		if r.Accept(')') {
			return
		}
		r.Space()
	}
}

// Nested calls f one level deeper; a level too deep is a syntax error.
func (r *Reader) Nested(f func()) {
	r.enter()
	defer r.leave()
	if r.err == nil {
		f()
	}
}

func (r *Reader) enter() {
	r.depth++
	if r.depth > r.limits.Depth {
		r.Fail("nested too deeply")
	}
}

func (r *Reader) leave() { r.depth-- }

// EqualFold compares protocol words, which are ASCII.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
