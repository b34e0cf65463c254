// Package rawjson takes a JSON object (RFC 8259) apart without copying it. A
// state or a store of a hundred thousand things is as many objects of a few
// fields each, and a map of the fields of each costs more than all else in
// reading them.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrSyntax is the error for what is no JSON object.
var ErrSyntax = errors.New("it is no JSON object")

// Fields calls yield with each field of an object, in their order, also where
// two have one name. Name and value are parts of raw, the value without blanks
// around it; it is only found, not checked: who decodes it finds what is wrong in
// it. The errors are ErrSyntax and those of yield, which end it.
func Fields(raw []byte, yield func(name, value []byte) error) error {
	s := scanner{raw}
	if !s.sign('{') {
		return ErrSyntax
	}
	if s.sign('}') {
		return s.end()
	}
	for {
		name, ok := s.name()
		if !ok || !s.sign(':') {
			return ErrSyntax
		}
		value := s.value()
		if len(value) == 0 {
			return ErrSyntax
		}
		if err := yield(name, value); err != nil {
			return err
		}
		if s.sign('}') {
			return s.end()
		}
		if !s.sign(',') {
			return ErrSyntax
		}
	}
}

type scanner struct{ rest []byte }

func (s *scanner) blanks() {
	i := 0
	for i < len(s.rest) && (s.rest[i] == ' ' || s.rest[i] == '\n' || s.rest[i] == '\t' || s.rest[i] == '\r') {
		i++
	}
	s.rest = s.rest[i:]
}

func (s *scanner) end() error {
	if s.blanks(); len(s.rest) > 0 {
		return ErrSyntax
	}
	return nil
}

func (s *scanner) sign(c byte) bool {
	s.blanks()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// name reads a string that is a name.
func (s *scanner) name() ([]byte, bool) {
	s.blanks()
	n := text(s.rest)
	if n == 0 {
		return nil, false
	}
	quoted := s.rest[:n]
	s.rest = s.rest[n:]
	inner := quoted[1 : n-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	var name string // with escapes, which is the one case of a copy
	err := json.Unmarshal(quoted, &name)
	return []byte(name), err == nil
}

// value finds the end of a value; it is empty where there is none.
func (s *scanner) value() []byte {
	s.blanks()
	depth := 0
	for i := 0; i < len(s.rest); {
		switch c := s.rest[i]; c {
		case '"':
			n := text(s.rest[i:])
			if n == 0 {
				return nil
			}
			if i += n; depth == 0 {
				return s.take(i)
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of the object around it
				return s.take(i)
			}
			if depth--; depth == 0 {
				return s.take(i + 1)
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return s.take(i)
			}
		}
		i++
	}
	return nil
}

func (s *scanner) take(n int) []byte {
	v := s.rest[:n:n]
	s.rest = s.rest[n:]
	return v
}

// text is the length of the string that b begins with, with its quotation
// marks; 0: it begins with none.
func text(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// Text is the string that a JSON string stands for, where it is as nearly all are:
// in ASCII, and without escapes other than those of quotation marks and
// backslashes. It reports false for others, and for what is none.
func Text(raw []byte) (string, bool) {
	if text(raw) != len(raw) || len(raw) == 0 {
		return "", false
	}
	body := raw[1 : len(raw)-1]
	escapes := 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c < 0x20 || c >= 0x80:
			return "", false
		case c == '\\':
			escapes++
			if i++; i == len(body) || body[i] != '"' && body[i] != '\\' {
				return "", false
			}
		}
	}
	if escapes == 0 {
		return string(body), true
	}
	out := make([]byte, 0, len(body)-escapes)
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' {
			i++
		}
		out = append(out, body[i])
	}
	return string(out), true
}

// Plain reports whether a string is written between quotation marks as it is.
func Plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; special(c) || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// special reports whether encoding/json writes an octet otherwise than as it is, or
// with a backslash before it.
func special(c byte) bool { return c < ' ' || c >= 0x7f || c == '<' || c == '>' || c == '&' }

// AppendText writes a string to the end of dst, byte for byte as encoding/json
// does.
func AppendText(dst []byte, s string) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		switch c := s[i]; {
		case special(c):
			b, err := json.Marshal(s)
			return append(dst[:start], b...), err
		case c == '"' || c == '\\':
			dst = append(append(append(dst, s[from:i]...), '\\'), c)
			from = i + 1
		}
	}
	return append(append(dst, s[from:]...), '"'), nil
}

// Texts are the strings of a JSON array of such strings. It reports false for
// anything else.
func Texts(raw []byte) ([]string, bool) {
	s := scanner{raw}
	if !s.sign('[') {
		return nil, false
	}
	var list []string
	for first := true; !s.sign(']'); first = false {
		if !first && !s.sign(',') {
			return nil, false
		}
		item, ok := Text(s.value())
		if !ok {
			return nil, false
		}
		list = append(list, item)
	}
	return list, s.end() == nil
}
