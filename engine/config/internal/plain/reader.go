package plain

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
)

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
