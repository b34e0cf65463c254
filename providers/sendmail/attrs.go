package sendmail

import (
	"fmt"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// attrs are the attributes of a resource, all of them there.
type attrs struct{ cty.Value }

// maxNumber bounds numbers, far above all that Sendmail counts.
const maxNumber = 1 << 50

// checkAttrs looks whether all attributes of a kind are known and of their type, and
// numbers whole ones of an ordinary size. The error names the attribute.
func checkAttrs(kind string, v cty.Value) (attrs, error) {
	k := schema.KindByName(kind)
	if k == nil {
		return attrs{}, fmt.Errorf("there is no kind %q", kind)
	}
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return attrs{}, fmt.Errorf("the attributes of the %s are not known", kind)
	}
	for _, a := range k.Attributes {
		if !v.Type().HasAttribute(a.Name) {
			return attrs{}, fmt.Errorf("%s: it is missing", a.Name)
		}
		av := v.GetAttr(a.Name)
		if !av.IsWhollyKnown() || av.IsNull() || !av.Type().Equals(a.Type) {
			return attrs{}, fmt.Errorf("%s: it has no value", a.Name)
		}
		elems := []cty.Value{av}
		if a.Type.IsListType() {
			elems = av.AsValueSlice()
		}
		for _, el := range elems {
			if el.IsNull() {
				return attrs{}, fmt.Errorf("%s: an element has no value", a.Name)
			}
			if el.Type() != cty.Number {
				continue
			}
			if n, acc := el.AsBigFloat().Int64(); acc != 0 || n < 0 || n > maxNumber {
				return attrs{}, fmt.Errorf("%s: it is no whole number from 0 to %d", a.Name, int64(maxNumber))
			}
		}
	}
	return attrs{v}, nil
}

func (a attrs) str(name string) string { return a.GetAttr(name).AsString() }

func (a attrs) bool(name string) bool { return a.GetAttr(name).True() }

func (a attrs) number(name string) int64 {
	n, _ := a.GetAttr(name).AsBigFloat().Int64()
	return n
}

func (a attrs) strings(name string) []string {
	var list []string
	for _, v := range a.GetAttr(name).AsValueSlice() {
		list = append(list, v.AsString())
	}
	return list
}

func (a attrs) numbers(name string) []int64 {
	var list []int64
	for _, v := range a.GetAttr(name).AsValueSlice() {
		n, _ := v.AsBigFloat().Int64()
		list = append(list, n)
	}
	return list
}

func numberList(list ...int64) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	vals := make([]cty.Value, len(list))
	for i, n := range list {
		vals[i] = cty.NumberIntVal(n)
	}
	return cty.ListVal(vals)
}
