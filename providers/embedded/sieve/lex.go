package sieve

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// MaxScript is the largest script, in bytes.
const MaxScript = 128 << 10

// A Pos is a place in a script; lines and columns begin at 1, columns count
// characters.
type Pos struct{ Line, Column int }

// An Error says what is wrong with a script, and where.
type Error struct {
	Pos
	// Message is a sentence without its first capital and its full stop.
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

func errorf(at Pos, format string, args ...any) *Error {
	return &Error{at, fmt.Sprintf(format, args...)}
}

type tokenKind int

const (
	tokenEnd        tokenKind = iota
	tokenIdentifier           // in lower case
	tokenTag                  // in lower case, without the colon
	tokenNumber
	tokenString
	tokenSign // one of ;,()[]{}
)

type token struct {
	kind   tokenKind
	pos    Pos
	text   string
	number uint64
}

// describe is a token as an error names it.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the script"
	case tokenString:
		return "a string"
	case tokenNumber:
		return fmt.Sprintf("the number %d", t.number)
	case tokenTag:
		return fmt.Sprintf(`":%s"`, t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// A lexer takes a script apart (RFC 5228 §8.1).
type lexer struct {
	rest string
	pos  Pos
}

func (l *lexer) advance(n int) {
	for _, r := range l.rest[:n] {
		if r == '\n' {
			l.pos.Line++
			l.pos.Column = 1
		} else {
			l.pos.Column++
		}
	}
	l.rest = l.rest[n:]
}

// blank skips white space and comments.
func (l *lexer) blank() *Error {
	for {
		n := len(l.rest) - len(strings.TrimLeft(l.rest, " \t\r\n"))
		l.advance(n)
		switch {
		case strings.HasPrefix(l.rest, "#"):
			end := strings.IndexByte(l.rest, '\n')
			if end < 0 {
				end = len(l.rest)
			}
			l.advance(end)
		case strings.HasPrefix(l.rest, "/*"):
			end := strings.Index(l.rest[2:], "*/")
			if end < 0 {
				return errorf(l.pos, "this comment has no end")
			}
			l.advance(2 + end + 2)
		default:
			return nil
		}
	}
}

func (l *lexer) next() (token, *Error) {
	if err := l.blank(); err != nil {
		return token{}, err
	}
	t := token{pos: l.pos}
	if l.rest == "" {
		return t, nil
	}
	switch c := l.rest[0]; {
	case strings.IndexByte(";,()[]{}", c) >= 0:
		t.kind, t.text = tokenSign, l.rest[:1]
		l.advance(1)
		return t, nil
	case c == '"':
		return l.quoted(t)
	case c >= '0' && c <= '9':
		return l.numeral(t)
	case c == ':':
		n := identifierLength(l.rest[1:])
		if n == 0 {
			return t, errorf(t.pos, "a colon stands before a name, as in :contains")
		}
		t.kind, t.text = tokenTag, strings.ToLower(l.rest[1:1+n])
		l.advance(1 + n)
		return t, nil
	}
	n := identifierLength(l.rest)
	if n == 0 {
		r, _ := utf8.DecodeRuneInString(l.rest)
		return t, errorf(t.pos, "%q belongs to no word of the language", r)
	}
	t.kind, t.text = tokenIdentifier, strings.ToLower(l.rest[:n])
	l.advance(n)
	if t.text == "text" && strings.HasPrefix(l.rest, ":") {
		return l.multiLine(t)
	}
	return t, nil
}

func identifierLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

func (l *lexer) quoted(t token) (token, *Error) {
	var b strings.Builder
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '"':
			l.advance(i + 1)
			t.kind, t.text = tokenString, b.String()
			return t, nil
		case c == '\\' && i+1 < len(l.rest):
			i++
			b.WriteByte(l.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return t, errorf(t.pos, "this string has no end: a \" is missing")
}

// multiLine reads "text:" up to the line that is a dot.
func (l *lexer) multiLine(t token) (token, *Error) {
	l.advance(1)
	first := strings.IndexByte(l.rest, '\n')
	if first < 0 {
		return t, errorf(t.pos, "this text has no end: a line with nothing but a dot is missing")
	}
	if head := strings.TrimSpace(l.rest[:first]); head != "" && !strings.HasPrefix(head, "#") {
		return t, errorf(t.pos, "a text begins on the line after \"text:\"")
	}
	l.advance(first + 1)
	var b strings.Builder
	for {
		end := strings.IndexByte(l.rest, '\n')
		last := end < 0
		if last {
			end = len(l.rest)
		}
		line := strings.TrimSuffix(l.rest[:end], "\r")
		if line == "." {
			l.advance(end)
			t.kind, t.text = tokenString, b.String()
			return t, nil
		}
		if last {
			return t, errorf(t.pos, "this text has no end: a line with nothing but a dot is missing")
		}
		b.WriteString(strings.TrimPrefix(line, "."))
		b.WriteString("\r\n")
		l.advance(end + 1)
	}
}

func (l *lexer) numeral(t token) (token, *Error) {
	n := 0
	for n < len(l.rest) && l.rest[n] >= '0' && l.rest[n] <= '9' {
		d := uint64(l.rest[n] - '0')
		if t.number > (math.MaxUint64-d)/10 {
			return t, errorf(t.pos, "this number is too large")
		}
		t.number = t.number*10 + d
		n++
	}
	unit := uint64(1)
	if n < len(l.rest) {
		switch l.rest[n] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
	}
	if unit > 1 {
		n++
	}
	if t.number > maxNumber/unit {
		return t, errorf(t.pos, "this number is too large")
	}
	if n < len(l.rest) && identifierLength(l.rest[n:n+1]) > 0 {
		return t, errorf(t.pos, "a number ends with nothing, K, M or G")
	}
	t.number *= unit
	t.kind = tokenNumber
	l.advance(n)
	return t, nil
}

// maxNumber is the largest number. RFC 5228 §2.4.1 asks for 2^31 - 1 at least.
const maxNumber = math.MaxInt64
