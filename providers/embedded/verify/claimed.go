package verify

import "strings"

// ClaimedBy says whether the value of an Authentication-Results field, unfolded or
// not, is given out as found by host (RFC 8601 §5): as a word or quoted, with
// comments around it, in any letter case. Of a value that is none of these it
// says yes: what cannot be read must not be believed by anyone who reads more
// kindly.
func ClaimedBy(value, host string) bool {
	id, ok := servID(value)
	return !ok || strings.EqualFold(strings.TrimSuffix(id, "."), strings.TrimSuffix(host, "."))
}

// servID reads the authserv-id that a value begins with.
func servID(s string) (id string, ok bool) {
	s, ok = skipCFWS(s)
	if !ok || s == "" {
		return "", false
	}
	if s[0] == '"' {
		id, s, ok = quoted(s)
		if !ok {
			return "", false
		}
	} else {
		end := strings.IndexAny(s, " \t\r\n(;\"")
		if end < 0 {
			end = len(s)
		}
		id, s = s[:end], s[end:]
	}
	s, ok = skipCFWS(s)
	// A version may follow; otherwise results do, or nothing.
	digits := strings.TrimLeft(s, "0123456789")
	if ok && digits != s {
		s, ok = skipCFWS(digits)
	}
	return id, ok && id != "" && (s == "" || s[0] == ';')
}

// skipCFWS drops white space and comments, which nest (RFC 5322 §3.2.2).
func skipCFWS(s string) (rest string, ok bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case depth > 0 && c == ')':
			depth--
		case depth > 0 && c == '\\':
			i++
		case depth > 0, c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			return s[i:], true
		}
	}
	return "", depth == 0
}

// quoted reads a quoted string.
func quoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '\r', '\n':
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
