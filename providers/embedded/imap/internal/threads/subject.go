// Package threads puts messages in order and into threads (RFC 5256). Pure: what
// it needs of the messages is handed in.
package threads

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Collate brings text into the form that is compared: i;unicode-casemap (RFC 5051
// §2.3).
func Collate(s string) string {
	return norm.NFKD.String(strings.ToTitle(s))
}

// BaseSubject is a subject without what replies and forwards add to it (RFC 5256
// §2.1), and whether there was any of that. The subject has no encoded words.
func BaseSubject(subject string) (base string, reply bool) {
	s := strings.Join(strings.Fields(subject), " ")
	for {
		var gone bool
		s, gone = cutTrailers(s)
		reply = reply || gone
		for {
			rest, isReply, found := cutLeader(s)
			if found {
				s, reply = rest, reply || isReply
				continue
			}
			rest, found = cutBlob(s)
			if !found || rest == "" {
				break
			}
			s = rest
		}
		inner, found := cutForward(s)
		if !found {
			return s, reply
		}
		s, reply = inner, true
	}
}

func cutTrailers(s string) (rest string, found bool) {
	const trailer = "(fwd)"
	for {
		s = strings.TrimRight(s, " ")
		if n := len(s) - len(trailer); n >= 0 && strings.EqualFold(s[n:], trailer) {
			s, found = s[:n], true
			continue
		}
		return s, found
	}
}

// cutLeader takes "re:", "fwd:" and the like away, with blobs around the word, or
// blanks.
func cutLeader(s string) (rest string, reply, found bool) {
	if trimmed := strings.TrimLeft(s, " "); len(trimmed) < len(s) {
		return trimmed, false, true
	}
	rest = s
	for {
		after, ok := cutBlob(rest)
		if !ok {
			break
		}
		rest = after
	}
	word := ""
	for _, w := range []string{"fwd", "fw", "re"} {
		if len(rest) >= len(w) && strings.EqualFold(rest[:len(w)], w) {
			word = w
			break
		}
	}
	if word == "" {
		return s, false, false
	}
	rest = strings.TrimLeft(rest[len(word):], " ")
	if after, ok := cutBlob(rest); ok {
		rest = after
	}
	if rest, found = strings.CutPrefix(rest, ":"); !found {
		return s, false, false
	}
	return rest, true, true
}

// cutBlob takes "[list] " away.
func cutBlob(s string) (rest string, found bool) {
	if !strings.HasPrefix(s, "[") {
		return s, false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] == '[' {
		return s, false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

// cutForward takes "[fwd:" and "]" away from around a subject.
func cutForward(s string) (inner string, found bool) {
	const head = "[fwd:"
	if len(s) <= len(head) || !strings.EqualFold(s[:len(head)], head) || !strings.HasSuffix(s, "]") {
		return s, false
	}
	return s[len(head) : len(s)-1], true
}
