package sieve

import (
	"cmp"
	"strconv"
	"strings"
)

// A match is how a test compares (RFC 5228 §2.7, RFC 5231).
type match struct {
	kind       string // is, contains, matches, count, value
	relation   string // gt, ge, lt, le, eq, ne
	comparator string
}

const (
	casemap = "i;ascii-casemap"
	octet   = "i;octet"
	numeric = "i;ascii-numeric"
)

func (c *checker) matching(cmd *command) *Error {
	m := match{kind: "is", comparator: casemap}
	if a, ok := cmd.tags["comparator"]; ok {
		m.comparator = a.list[0]
		switch m.comparator {
		case casemap, octet:
		case numeric:
			if !c.required["comparator-"+numeric] {
				return errorf(a.pos, "the comparator %q needs: require %q;", numeric, "comparator-"+numeric)
			}
		default:
			return errorf(a.pos, "there is no comparator %q: expected %s, %s or %s", m.comparator, octet, casemap, numeric)
		}
	}
	for _, kind := range []string{"is", "contains", "matches", "count", "value"} {
		a, ok := cmd.tags[kind]
		if !ok {
			continue
		}
		m.kind = kind
		if kind == "count" || kind == "value" {
			switch m.relation = strings.ToLower(a.list[0]); m.relation {
			case "gt", "ge", "lt", "le", "eq", "ne":
			default:
				return errorf(a.pos, "%q is no relation: expected gt, ge, lt, le, eq or ne", a.list[0])
			}
		}
		if m.comparator == numeric && (kind == "contains" || kind == "matches") {
			return errorf(a.pos, "\":%s\" does not go with the comparator %q", kind, numeric)
		}
	}
	cmd.match = m
	return nil
}

// lower is the mapping of i;ascii-casemap.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for i, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// compare orders two strings.
func (m match) compare(a, b string) int {
	switch m.comparator {
	case octet:
		return strings.Compare(a, b)
	case numeric:
		return compareNumbers(a, b)
	}
	return strings.Compare(lower(a), lower(b))
}

// compareNumbers orders as i;ascii-numeric does (RFC 4790 §9.1): what does not
// begin with a digit is infinite.
func compareNumbers(a, b string) int {
	a, b = digits(a), digits(b)
	switch {
	case a == "" || b == "":
		return cmp.Compare(btoi(a == ""), btoi(b == ""))
	case len(a) != len(b):
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

// digits are the leading digits of a string without zeros before them; 0 stays.
func digits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return ""
	}
	if t := strings.TrimLeft(s[:n], "0"); t != "" {
		return t
	}
	return "0"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// related reports whether an order is the one that was asked for.
func related(relation string, order int) bool {
	switch relation {
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "eq":
		return order == 0
	}
	return order != 0
}

// any reports whether one of the values fits one of the keys. With :matches it
// leaves what the wildcards stood for in the variables.
func (r *run) any(m match, values, keys []string) (bool, error) {
	if m.kind == "count" {
		m.comparator = numeric
		values, m.kind = []string{strconv.Itoa(len(values))}, "value"
	}
	for _, v := range values {
		for _, k := range keys {
			if err := r.step(1 + (len(v)+len(k))/64); err != nil {
				return false, err
			}
			fits, err := r.fits(m, v, r.expand(k))
			if fits || err != nil {
				return fits, err
			}
		}
	}
	return false, nil
}

func (r *run) fits(m match, value, key string) (bool, error) {
	switch m.kind {
	case "is":
		return m.compare(value, key) == 0, nil
	case "value":
		return related(m.relation, m.compare(value, key)), nil
	case "contains":
		if m.comparator == casemap {
			value, key = lower(value), lower(key)
		}
		return strings.Contains(value, key), nil
	}
	seen, pattern := value, key
	if m.comparator == casemap {
		seen, pattern = lower(value), lower(key)
	}
	spans, work, ok := glob(seen, pattern)
	if err := r.step(work / 64); err != nil || !ok {
		return false, err
	}
	if r.script.variables {
		r.matched = r.matched[:0]
		r.matched = append(r.matched, value)
		for _, s := range spans[:min(len(spans), maxMatched)] {
			r.matched = append(r.matched, value[s[0]:s[1]])
		}
	}
	return true, nil
}

// maxMatched is how many wildcards a match remembers. RFC 5229 §3.2 asks for 9.
const maxMatched = 32

// glob matches * (any characters, as few as do) and ? (one character) and says
// which bytes each stood for, and how many steps it took.
func glob(s, pattern string) (spans [][2]int, work int, ok bool) {
	star, starSpan, resume := -1, 0, 0 // of the last *, in the pattern, in spans, in s
	i, j := 0, 0
	for i < len(s) || j < len(pattern) {
		work++
		if j < len(pattern) {
			switch c := pattern[j]; {
			case c == '*':
				star, starSpan, resume = j, len(spans), i
				spans = append(spans, [2]int{i, i})
				j++
				continue
			case i >= len(s):
			case c == '?':
				n := characterLength(s[i:])
				spans = append(spans, [2]int{i, i + n})
				i, j = i+n, j+1
				continue
			default:
				n := 1
				if c == '\\' && j+1 < len(pattern) {
					c, n = pattern[j+1], 2
				}
				if s[i] == c {
					i, j = i+1, j+n
					continue
				}
			}
		}
		// Where s is used up, more of it for the last * makes it worse.
		if star < 0 || i >= len(s) {
			return nil, work, false
		}
		resume += characterLength(s[resume:])
		spans = append(spans[:starSpan], [2]int{spans[starSpan][0], resume})
		i, j = resume, star+1
	}
	return spans, work, true
}
