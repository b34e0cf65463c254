package plan

import (
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// ParseAddress takes the address of a resource apart: the block that it comes
// from, and what of it as the part. The part may have a key of its own, which
// stays in its text: dkim["s1"]. An address of another form has only a name.
func ParseAddress(address string) schema.Ref {
	rest := address
	for strings.HasPrefix(rest, "module.") {
		_, _, after := segment(rest[len("module."):])
		if !strings.HasPrefix(after, ".") {
			break
		}
		rest = after[1:]
	}
	typ, key, after := segment(rest)
	if key != cty.NilVal || !strings.HasPrefix(after, ".") {
		return schema.Ref{Name: address}
	}
	r := schema.Ref{Type: typ}
	r.Name, r.Key, after = segment(after[1:])
	r.Part = strings.TrimPrefix(after, ".")
	return r
}

// segment cuts a name, and the key behind it if there is one, off an address.
func segment(s string) (name string, key cty.Value, rest string) {
	i := strings.IndexAny(s, ".[")
	if i < 0 {
		return s, cty.NilVal, ""
	}
	name, rest = s[:i], s[i:]
	if rest[0] == '.' {
		return name, cty.NilVal, rest
	}
	if quoted, err := strconv.QuotedPrefix(rest[1:]); err == nil && strings.HasPrefix(rest[1+len(quoted):], "]") {
		if text, err := strconv.Unquote(quoted); err == nil {
			return name, cty.StringVal(text), rest[len(quoted)+2:]
		}
	}
	if digits, after, ok := strings.Cut(rest[1:], "]"); ok {
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return name, cty.NumberIntVal(n), after
		}
	}
	return s, cty.NilVal, ""
}
