package message

import "strings"

// A Param is a parameter of a header field such as Content-Type. Name is as it
// stands there, so filename*0* stays what it is: decoding is the client's part.
type Param struct{ Name, Value string }

func param(params []Param, name string) string {
	for _, p := range params {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// parseContentType reads a Content-Type (RFC 2045 §5.1), with tolerance. ok is
// false for one that has no type.
func parseContentType(v string) (mainType, subtype string, params []Param, ok bool) {
	full, rest := ParseParams(v)
	mainType, subtype, ok = strings.Cut(strings.ToLower(full), "/")
	mainType, subtype = strings.TrimSpace(mainType), strings.TrimSpace(subtype)
	if !ok || mainType == "" || subtype == "" || strings.ContainsAny(mainType+subtype, " \t\"") {
		return "", "", nil, false
	}
	return mainType, subtype, rest, true
}

// ParseParams splits value; name=value; name="value". Comments are left out.
func ParseParams(v string) (value string, params []Param) {
	const most = 64
	s := scanner{text: v}
	value = strings.TrimSpace(s.until(";"))
	for len(params) < most && s.accept(';') {
		name := strings.TrimSpace(s.until("=;"))
		if !s.accept('=') {
			continue
		}
		val := s.until(";")
		if name != "" {
			params = append(params, Param{name, strings.TrimSpace(val)})
		}
	}
	return value, params
}

// scanner walks through a structured header field (RFC 5322 §3.2).
type scanner struct {
	text string
	pos  int
}

func (s *scanner) accept(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// until returns the text up to one of the bytes in stop, with quotes taken off
// and comments left out.
func (s *scanner) until(stop string) string {
	var out strings.Builder
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch {
		case strings.IndexByte(stop, c) >= 0:
			return out.String()
		case c == '"':
			out.WriteString(s.quoted())
		case c == '(':
			s.comment()
		default:
			out.WriteByte(c)
			s.pos++
		}
	}
	return out.String()
}

// quoted reads a quoted string; one without an end goes to the end.
func (s *scanner) quoted() string {
	var out strings.Builder
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case '"':
			s.pos++
			return out.String()
		case '\\':
			if s.pos+1 < len(s.text) {
				s.pos++
			}
			out.WriteByte(s.text[s.pos])
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// comment reads a comment, which may nest, and returns its text.
func (s *scanner) comment() string {
	depth, start := 0, s.pos+1
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.pos++
				return s.text[start : s.pos-1]
			}
		}
	}
	s.pos = len(s.text) // an escape may have stepped over the end
	return s.text[min(start, len(s.text)):]
}
