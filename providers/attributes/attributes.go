// Package attributes takes the attributes of a resource in hand, once all of them
// are known to be there: what providers that write configuration files begin with.
package attributes

import (
	"fmt"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Set is the attributes of a resource, all of them there.
type Set struct{ cty.Value }

// MaxNumber bounds numbers, far above all that a server counts.
const MaxNumber = 1 << 50

// Check looks whether all attributes of a kind are known and of their type, and
// numbers whole ones of an ordinary size. The error names the attribute.
func Check(kind string, v cty.Value) (Set, error) {
	k := schema.KindByName(kind)
	if k == nil {
		return Set{}, fmt.Errorf("there is no kind %q", kind)
	}
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return Set{}, fmt.Errorf("the attributes of the %s are not known", kind)
	}
	for _, a := range k.Attributes {
		if !v.Type().HasAttribute(a.Name) {
			return Set{}, fmt.Errorf("%s: it is missing", a.Name)
		}
		av := v.GetAttr(a.Name)
		if a.Optional && av.IsNull() {
			continue
		}
		if !av.IsWhollyKnown() || av.IsNull() || !av.Type().Equals(a.Type) {
			return Set{}, fmt.Errorf("%s: it has no value", a.Name)
		}
		elems := []cty.Value{av}
		if a.Type.IsListType() {
			elems = av.AsValueSlice()
		}
		for _, el := range elems {
			if el.IsNull() {
				return Set{}, fmt.Errorf("%s: an element has no value", a.Name)
			}
			if el.Type() != cty.Number {
				continue
			}
			if n, acc := el.AsBigFloat().Int64(); acc != 0 || n < 0 || n > MaxNumber {
				return Set{}, fmt.Errorf("%s: it is no whole number from 0 to %d", a.Name, int64(MaxNumber))
			}
		}
	}
	return Set{v}, nil
}

// Str is an attribute that is a text.
func (s Set) Str(name string) string { return s.GetAttr(name).AsString() }

// Bool is an attribute that is a truth value.
func (s Set) Bool(name string) bool { return s.GetAttr(name).True() }

// Number is an attribute that is a whole number.
func (s Set) Number(name string) int64 {
	n, _ := s.GetAttr(name).AsBigFloat().Int64()
	return n
}

// Strings is an attribute that is a list of texts.
func (s Set) Strings(name string) []string {
	var list []string
	for _, v := range s.GetAttr(name).AsValueSlice() {
		list = append(list, v.AsString())
	}
	return list
}

// Numbers is an attribute that is a list of whole numbers.
func (s Set) Numbers(name string) []int64 {
	var list []int64
	for _, v := range s.GetAttr(name).AsValueSlice() {
		n, _ := v.AsBigFloat().Int64()
		list = append(list, n)
	}
	return list
}

// NumberList is a list of numbers as a value, also where it is empty.
func NumberList(list ...int64) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	vals := make([]cty.Value, len(list))
	for i, n := range list {
		vals[i] = cty.NumberIntVal(n)
	}
	return cty.ListVal(vals)
}
