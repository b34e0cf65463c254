package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// characterLength is how many bytes the first character of s has.
func characterLength(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return max(n, 1)
}

// isVariable reports whether a name is one that "set" takes.
func isVariable(name string) bool {
	return name != "" && identifierLength(name) == len(name)
}

// expand puts the values of variables in (RFC 5229 §3). What only looks like a
// variable stays.
func (r *run) expand(s string) string {
	if !r.script.variables || !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			break
		}
		end := strings.IndexByte(s[start:], '}')
		if end < 0 {
			break
		}
		name := s[start+2 : start+end]
		value, ok := r.variable(name)
		if !ok {
			// A variable may begin within what looked like one.
			b.WriteString(s[:start+2])
			s = s[start+2:]
			continue
		}
		b.WriteString(s[:start])
		b.WriteString(value)
		s = s[start+end+1:]
		if b.Len() > maxVariable {
			return cut(b.String(), maxVariable)
		}
	}
	b.WriteString(s)
	return b.String()
}

// expandAll is expand for a list.
func (r *run) expandAll(list []string) []string {
	if !r.script.variables {
		return list
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = r.expand(s)
	}
	return out
}

func (r *run) variable(name string) (value string, ok bool) {
	if isVariable(name) {
		return r.variables[strings.ToLower(name)], true
	}
	n, err := strconv.ParseUint(name, 10, 16)
	if err != nil {
		return "", false
	}
	if n < uint64(len(r.matched)) {
		return r.matched[n], true
	}
	return "", true
}

// cut shortens to n bytes and leaves no broken character at the end.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (r *run) set(c *command) {
	v := r.expand(c.args[1].list[0])
	// By falling precedence (RFC 5229 §4.1).
	switch {
	case c.has("lower"):
		v = lower(v)
	case c.has("upper"):
		v = upper(v)
	}
	if v != "" && (c.has("lowerfirst") || c.has("upperfirst")) {
		if c.has("lowerfirst") {
			v = lower(v[:1]) + v[1:]
		} else {
			v = upper(v[:1]) + v[1:]
		}
	}
	if c.has("quotewildcard") {
		v = strings.NewReplacer("*", `\*`, "?", `\?`, `\`, `\\`).Replace(v)
	}
	if c.has("length") {
		v = strconv.Itoa(utf8.RuneCountInString(v))
	}
	r.assign(c.args[0].list[0], v)
}

func (r *run) assign(name, value string) {
	name = strings.ToLower(name)
	if _, ok := r.variables[name]; !ok && len(r.variables) >= maxVariables {
		return
	}
	r.variables[name] = cut(value, maxVariable)
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - ('a' - 'A')
		}
	}
	return string(b)
}

// decodeCharacters puts in what "${hex: …}" and "${unicode: …}" stand for (RFC
// 5228 §2.4.2.4).
func decodeCharacters(s string) (string, error) {
	var b strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:start])
		s = s[start:]
		end := strings.IndexByte(s, '}')
		kind, rest, ok := strings.Cut(s[2:max(2, end)], ":")
		base := strings.ToLower(kind)
		if end < 0 || !ok || (base != "hex" && base != "unicode") {
			b.WriteString(s[:2])
			s = s[2:]
			continue
		}
		decoded, ok, err := decodeNumbers(base, rest)
		if err != nil {
			return "", err
		}
		if !ok {
			decoded = s[:end+1]
		}
		b.WriteString(decoded)
		s = s[end+1:]
	}
}

func decodeNumbers(base, text string) (_ string, ok bool, err error) {
	fields := strings.Fields(text)
	var b []byte
	for _, f := range fields {
		n, err := strconv.ParseUint(f, 16, 32)
		if err != nil || base == "hex" && len(f) > 2 {
			return "", false, nil
		}
		if base == "hex" {
			b = append(b, byte(n))
			continue
		}
		if n > utf8.MaxRune || n >= 0xd800 && n < 0xe000 {
			return "", false, fmt.Errorf("there is no character %s in Unicode", f)
		}
		b = utf8.AppendRune(b, rune(n))
	}
	if !utf8.Valid(b) || slices.Contains(b, 0) {
		return "", false, fmt.Errorf("%q is no text in UTF-8", "${"+base+":"+text+"}")
	}
	return string(b), len(fields) > 0, nil
}
