package schema

import "github.com/zclconf/go-cty/cty"

// Equal is [cty.Value.RawEquals], with a short way for what attributes of
// resources nearly always are. A plan and an apply compare each of them, of all
// that there is.
func Equal(a, b cty.Value) bool {
	if a.IsMarked() || b.IsMarked() {
		return a.RawEquals(b)
	}
	ty := a.Type()
	if ty != cty.String && ty != cty.Number && ty != listOfStrings || !a.IsKnown() || !b.IsKnown() || a.IsNull() || b.IsNull() {
		return a.RawEquals(b)
	}
	switch {
	case ty != b.Type():
		return false
	case ty == cty.String:
		return a.AsString() == b.AsString()
	case ty == cty.Number:
		return a.AsBigFloat().Cmp(b.AsBigFloat()) == 0
	}
	n := a.LengthInt()
	if n != b.LengthInt() {
		return false
	}
	x, y := a.ElementIterator(), b.ElementIterator()
	for x.Next() && y.Next() {
		_, e := x.Element()
		_, f := y.Element()
		if !Equal(e, f) {
			return false
		}
	}
	return true
}

var listOfStrings = cty.List(cty.String)
