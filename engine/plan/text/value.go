package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"
)

const (
	knownAfterApply = "(known after apply)"
	sensitiveValue  = "(sensitive value)"
)

// A unit is what a number counts. Values are written as the language has them:
// "2GiB", "1h".
type unit int

const (
	plainNumber unit = iota
	bytes
	seconds
)

var units = map[string]unit{
	"quota": bytes, "message_size_limit": bytes, "bytes": bytes,
	"retention": seconds, "timeout": seconds, "ttl": seconds, "refresh": seconds, "retry": seconds,
	"expire": seconds, "negative_ttl": seconds,
	"signature_lifetime": seconds, "zsk_lifetime": seconds, "ksk_lifetime": seconds, "propagation": seconds,
}

// unitOf is what the numbers of an attribute of a kind count.
func unitOf(attr string) unit { return units[attr] }

// scalar writes a value on one line. It is used for whatever is no list.
func scalar(v cty.Value, u unit) string {
	switch {
	case !v.IsKnown():
		return knownAfterApply
	case v.IsNull():
		return "null"
	}
	switch v.Type() {
	case cty.String:
		return strconv.Quote(v.AsString())
	case cty.Bool:
		return strconv.FormatBool(v.True())
	case cty.Number:
		return number(v, u)
	}
	return compact(v)
}

func number(v cty.Value, u unit) string {
	f := v.AsBigFloat()
	n, acc := f.Int64()
	if !f.IsInt() || acc != 0 {
		return f.Text('g', -1)
	}
	switch {
	case n <= 0:
	case u == bytes:
		return exact(n, []scale{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}})
	case u == seconds:
		return exact(n, []scale{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}})
	}
	return strconv.FormatInt(n, 10)
}

type scale struct {
	size int64
	name string
}

// exact writes a number in the largest unit that it is a multiple of.
func exact(n int64, scales []scale) string {
	for _, s := range scales {
		if n%s.size == 0 {
			return fmt.Sprintf(`"%d%s"`, n/s.size, s.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// compact writes a collection on one line, as an expression of the language.
func compact(v cty.Value) string {
	ty := v.Type()
	var b strings.Builder
	if ty.IsObjectType() || ty.IsMapType() {
		b.WriteString("{")
		sep := " "
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			b.WriteString(sep + key(k.AsString()) + " = " + scalar(e, plainNumber))
			sep = ", "
		}
		if sep == " " {
			return "{}"
		}
		b.WriteString(" }")
		return b.String()
	}
	if !v.CanIterateElements() {
		return "(" + ty.FriendlyName() + ")"
	}
	b.WriteString("[")
	sep := ""
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		b.WriteString(sep + scalar(e, plainNumber))
		sep = ", "
	}
	b.WriteString("]")
	return b.String()
}

// key writes the name of an attribute of an object, quoted where it has to be.
func key(s string) string {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || r != '-' && !unicode.IsDigit(r)) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// printable quotes what comes from elsewhere and could play tricks on a terminal.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(s)
		}
	}
	return s
}

// isList reports whether a value is written with a line for each element.
func isList(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && (v.Type().IsListType() || v.Type().IsSetType() || v.Type().IsTupleType()) && v.LengthInt() > 0
}

func elements(v cty.Value) []cty.Value {
	if !isList(v) {
		return nil
	}
	return v.AsValueSlice()
}
