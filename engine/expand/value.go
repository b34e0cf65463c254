package expand

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A fact says how much is known of a value.
type fact uint8

const (
	absent  fact = iota // left out, or null
	unknown             // there, and only known later
	known
)

// A section is a block or a nested block with values.
type section struct {
	e      *expander
	b      *block
	body   config.Body
	prefix string // of the paths of its attributes: "" or "mx[0]."
}

func (e *expander) section(b *block) section {
	return section{e: e, b: b, body: b.inst.Body}
}

// A value is an attribute as evaluated, with the way back to where it was written.
type value struct {
	e    *expander
	b    *block
	path string
	// elem is the index of an element of a list; -1 for the whole.
	elem int
	v    cty.Value // without its mark
	// hidden values must not be in an error text.
	hidden bool
}

// attr is an attribute. One that the block type does not have is absent.
func (s section) attr(name string) value {
	v := value{e: s.e, b: s.b, path: name, elem: -1, v: cty.NullVal(cty.DynamicPseudoType)}
	if s.prefix != "" {
		v.path = s.prefix + name
	}
	if got, ok := s.body.Attr(name); ok {
		got, marks := got.Unmark()
		v.v, v.hidden = got, len(marks) > 0
	}
	return v
}

// nested is a nested block that stands at most once; false if it does not.
func (s section) nested(name string) (section, bool) {
	v := s.attr(name)
	if v.fact() == unknown { // made by a dynamic block
		s.e.needKnown(v.rng(), s.b.addr+"."+name)
	}
	if v.fact() != known {
		return section{}, false
	}
	return section{e: s.e, b: s.b, body: config.BodyOf(v.v), prefix: v.path + "."}, true
}

// each is the list of nested blocks of a sort.
func (s section) each(name string) []section {
	v := s.attr(name)
	elems, f := v.list()
	if f == unknown { // made by a dynamic block
		s.e.needKnown(v.rng(), s.b.addr+"."+name)
	}
	if f != known {
		return nil
	}
	out := make([]section, len(elems))
	for i, el := range elems {
		out[i] = section{e: s.e, b: s.b, body: config.BodyOf(el.v), prefix: name + "[" + strconv.Itoa(i) + "]."}
	}
	return out
}

func (v value) fact() fact {
	switch {
	case !v.v.IsKnown():
		return unknown
	case v.v.IsNull():
		return absent
	}
	return known
}

// list is the elements of a list, tuple or set.
func (v value) list() ([]value, fact) {
	if f := v.fact(); f != known {
		return nil, f
	}
	elems := make([]value, 0, v.v.LengthInt())
	for it := v.v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		el, marks := el.Unmark()
		elems = append(elems, value{
			e: v.e, b: v.b, path: v.path, elem: len(elems), v: el, hidden: v.hidden || len(marks) > 0,
		})
	}
	return elems, known
}

// elements are the elements of a list, or the one value that stands in its place.
func (v value) elements() []value {
	if v.fact() == known {
		if t := v.v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
			return []value{v}
		}
	}
	elems, _ := v.list()
	return elems
}

func (v value) rng() hcl.Range {
	path := v.path
	if v.elem >= 0 {
		path += "[" + strconv.Itoa(v.elem) + "]"
	}
	if v.b.inst.Source == nil {
		return v.b.inst.Range
	}
	return v.b.inst.Source.AttrRange(path)
}

func (v value) errorf(summary, format string, args ...any) {
	v.e.errorAt(v.rng(), summary, format, args...)
}

// show is the value for an error text.
func (v value) show() string {
	switch {
	case v.hidden:
		return "(sensitive value)"
	case v.fact() == known && v.v.Type() == cty.String:
		return shortened(v.v.AsString())
	case v.fact() == known && v.v.Type() == cty.Number:
		return v.v.AsBigFloat().Text('f', -1)
	}
	return "the value"
}

// maxShown is how much of a text stands in an error, in characters.
const maxShown = 200

// shortened is a text in quotes, of which an error has the beginning if it is long.
func shortened(s string) string {
	if n := 0; len(s) > maxShown {
		for i := range s {
			if n++; n > maxShown {
				return strconv.Quote(s[:i] + "…")
			}
		}
	}
	return strconv.Quote(s)
}

// errReported is what a parse function returns that has reported the error
// itself, in better words.
var errReported = errors.New("reported")

// read parses a string. The forms of values are checked when a file is
// evaluated, so that an error here is rare; it is reported all the same, and
// what is wrong then counts as unknown, so that it is reported once.
func read[T any](v value, parse func(string) (T, error)) (T, fact) {
	var zero T
	f := v.fact()
	if f != known {
		return zero, f
	}
	t, err := parse(v.v.AsString())
	switch {
	case err == nil:
		return t, known
	case errors.Is(err, errReported):
	case v.hidden: // the error may quote the value
		v.errorf("Unsuitable value", "%s has a sensitive value that cannot be used there.", v.path)
	default:
		v.errorf("Unsuitable value", "%s = %s cannot be used: %s.", v.path, v.show(), err)
	}
	return zero, unknown
}

// readKey parses a value that says what a resource is and so has to be known.
func readKey[T any](v value, parse func(string) (T, error)) (T, bool) {
	there := v.fact()
	t, f := read(v, parse)
	switch {
	case f == known:
		return t, true
	case there == absent:
		v.errorf("Missing value", "%s has to have a value.", v.path)
	case there == unknown:
		v.e.needKnown(v.rng(), v.b.addr+"."+v.path)
	}
	return t, false
}

func text(s string) (string, error) { return s, nil }

// str is a string, with a default where it is absent.
func (v value) str(otherwise string) (string, fact) {
	s, f := read(v, text)
	if f == absent {
		return otherwise, known
	}
	return s, f
}

// orNull is a text as it was written, null where there is none or nothing in it.
func (v value) orNull() cty.Value {
	switch s, f := v.str(""); {
	case f == unknown:
		return cty.UnknownVal(cty.String)
	case s == "":
		return nullString
	default:
		return cty.StringVal(s)
	}
}

var nullString = cty.NullVal(cty.String)

// yes is a boolean that is false unless it is known to be true.
func (v value) yes() bool {
	return v.fact() == known && v.v.True()
}

// integer is a whole number; the forms of values say which range it has.
func (v value) integer(otherwise int64) number {
	switch v.fact() {
	case absent:
		return number{otherwise, known}
	case unknown:
		return number{0, unknown}
	}
	n, _ := v.v.AsBigFloat().Int64()
	return number{n, known}
}

// readList is a list of parsed strings, sorted, each once. It is unknown if one
// of its elements is.
func readList(v value, parse func(string) (string, error)) ([]string, fact) {
	out, f := readInOrder(v, parse)
	return sorted(out), f
}

// readInOrder is readList in the order written.
func readInOrder(v value, parse func(string) (string, error)) ([]string, fact) {
	elems, f := v.list()
	if f != known {
		return nil, f
	}
	out := make([]string, 0, len(elems))
	for _, el := range elems {
		s, f := read(el, parse)
		if f != known {
			return nil, unknown
		}
		out = append(out, s)
	}
	return out, known
}

// sorted sorts in place and takes out what is there twice.
func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// ref finds the block that a reference names.
func (v value) ref() (schema.Ref, *block, fact) {
	switch v.fact() {
	case absent:
		return schema.Ref{}, nil, absent
	case unknown:
		return schema.Ref{}, nil, unknown
	}
	r, ok := schema.AsRef(v.v)
	if !ok {
		v.errorf("Unsuitable value", "%s has to name a block.", v.path)
		return schema.Ref{}, nil, unknown
	}
	b := v.e.blocks[r.Block().String()]
	if b == nil {
		v.errorf("Reference to nothing", "There is no %s in this configuration.", r.Block())
		return r, nil, unknown
	}
	return r, b, known
}

// A number is a whole number that may be unknown.
type number struct {
	n int64
	f fact
}

// val is the number as a value.
func (e *expander) val(n number) cty.Value {
	if n.f != known {
		return cty.UnknownVal(cty.Number)
	}
	v, ok := e.numbers[n.n]
	if !ok {
		v = cty.NumberIntVal(n.n)
		e.numbers[n.n] = v
	}
	return v
}

// list makes a list of strings; an unknown one unless the fact is known.
func list(items []string, f fact) cty.Value {
	if f == unknown {
		return cty.UnknownVal(cty.List(cty.String))
	}
	if len(items) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(items))
	for i, s := range items {
		vals[i] = cty.StringVal(s)
	}
	return cty.ListVal(vals)
}

// wordList is list for a few words that thousands of resources have in common.
func (e *expander) wordList(items []string, f fact) cty.Value {
	if f == unknown {
		return list(nil, unknown)
	}
	key := strings.Join(items, ",")
	v, ok := e.words[key]
	if !ok {
		v = list(items, f)
		e.words[key] = v
	}
	return v
}

// orUnknown is a string that may be unknown.
func orUnknown(s string, f fact) cty.Value {
	if f == unknown {
		return cty.UnknownVal(cty.String)
	}
	return cty.StringVal(s)
}

// size is a number of bytes, 0 where it is absent. Thousands of users have the
// same few quotas.
func (v value) size() number {
	if v.fact() == known {
		if n, ok := v.e.sizes[v.v.AsString()]; ok {
			return number{n, known}
		}
	}
	n, f := read(v, schema.ParseSize)
	if f == known {
		v.e.sizes[v.v.AsString()] = n
	}
	return number{n, orZero(f)}
}

// seconds is a duration, 0 where it is absent.
func (v value) seconds() number {
	d, f := read(v, schema.ParseDuration)
	return number{int64(d.Seconds()), orZero(f)}
}

func orZero(f fact) fact {
	if f == absent {
		return known
	}
	return f
}

// ttl is a time to live in seconds, with another where it is absent.
func (v value) ttl(otherwise number) number {
	n, f := read(v, schema.ParseTTL)
	if f == absent {
		return otherwise
	}
	return number{int64(n), f}
}

// indexed is the end of an address: .dkim["s1"].
func indexed(part, key string) string { return fmt.Sprintf(".%s[%q]", part, key) }
