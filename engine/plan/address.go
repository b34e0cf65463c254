package plan

import (
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// ModuleOf is the address of the module that a resource is in:
// module.acme["x"] of module.acme["x"].user.bob.mailbox. It is empty for the
// root module.
func ModuleOf(address string) string {
	rest := address
	for {
		_, _, after := moduleStep(rest)
		if after == "" {
			break
		}
		rest = after
	}
	return strings.TrimSuffix(address[:len(address)-len(rest)], ".")
}

// moduleStep takes the address of a module off the front of what lies in it.
// after is empty where there is none.
func moduleStep(address string) (name string, key cty.Value, after string) {
	rest, ok := strings.CutPrefix(address, "module.")
	if !ok {
		return "", cty.NilVal, ""
	}
	name, key, rest = segment(rest)
	after, ok = strings.CutPrefix(rest, ".")
	if !ok {
		return "", cty.NilVal, ""
	}
	return name, key, after
}

// ParseAddress takes the address of a resource apart: the module, the block
// that it comes from, and what of it as the part. The part may have a key of its
// own, which stays in its text: dkim["s1"]. An address of another form has only
// a name, and that of a module only the module.
func ParseAddress(address string) schema.Ref {
	var r schema.Ref
	rest := address
	for {
		name, key, after := moduleStep(rest)
		if after == "" {
			break
		}
		r.Module, rest = r.Module.Child(name, key), after
	}
	typ, key, after := segment(rest)
	if key != cty.NilVal || !strings.HasPrefix(after, ".") {
		r.Name = rest
		return r
	}
	name, key, after := segment(after[1:])
	if typ == "module" && after == "" {
		r.Module = r.Module.Child(name, key)
		return r
	}
	r.Type, r.Name, r.Key = typ, name, key
	r.Part = strings.TrimPrefix(after, ".")
	return r
}

// BlockAddress is the address of the block that a resource comes from.
func BlockAddress(address string) string {
	part := ParseAddress(address).Part
	if part == "" {
		return address
	}
	return strings.TrimSuffix(address, "."+part)
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
