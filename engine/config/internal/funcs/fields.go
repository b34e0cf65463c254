package funcs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// fields are the attributes of the object that a mail function takes, held to
// what the schema says of them.
type fields map[string]cty.Value

// withFields makes a function of one object. It is called with all attributes
// known; its errors are about the object.
func withFields(name string, ret cty.Type, f func(fields) (cty.Value, error)) function.Function {
	desc := schema.FunctionByName(name)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: desc.Params[0].Name, Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t := args[0].Type(); !t.IsObjectType() && !t.IsMapType() {
				return cty.NilType, argError("has to be an object, such as %s", desc.Example)
			}
			return ret, nil
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			given, known, err := readFields(desc.Fields, args[0])
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if !known {
				return cty.UnknownVal(ret), nil
			}
			v, err := f(given)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

// readFields checks and converts. It reports false where something is not known
// yet; what is known has been checked then.
func readFields(attrs []schema.Attribute, v cty.Value) (fields, bool, error) {
	given := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		given[k.AsString()] = item
	}
	var names []string
	for i := range attrs {
		names = append(names, attrs[i].Name)
	}
	for _, name := range sorted(given) {
		if slices.Contains(names, name) {
			continue
		}
		if near := schema.Suggest(name, names); near != "" {
			return nil, false, fmt.Errorf("there is no attribute %q (did you mean %q?)", name, near)
		}
		return nil, false, fmt.Errorf("there is no attribute %q; there are %s", name, strings.Join(names, ", "))
	}
	out, known := fields{}, true
	for i := range attrs {
		a := &attrs[i]
		item, err := readField(a, given[a.Name])
		if err != nil {
			return nil, false, err
		}
		known = known && item.IsWhollyKnown()
		out[a.Name] = item
	}
	return out, known, nil
}

func sorted(m map[string]cty.Value) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func readField(a *schema.Attribute, v cty.Value) (cty.Value, error) {
	if v == cty.NilVal || v.IsNull() {
		switch {
		case a.Required:
			return cty.NilVal, fmt.Errorf("the attribute %q is required", a.Name)
		case a.Default != cty.NilVal:
			return a.Default, nil
		}
		return cty.NullVal(a.Type), nil
	}
	if a.OrOne && v.Type().IsPrimitiveType() {
		v = cty.TupleVal([]cty.Value{v})
	}
	got := v.Type()
	v, err := convert.Convert(v, a.Type)
	if err != nil {
		return v, fmt.Errorf("the attribute %q has to be a %s, and is a %s", a.Name, a.Type.FriendlyName(), got.FriendlyName())
	}
	if !v.IsKnown() || a.Form == nil {
		return v, nil
	}
	items := []cty.Value{v}
	if a.Type.IsListType() {
		items = v.AsValueSlice()
	}
	for _, item := range items {
		switch {
		case item.IsNull():
			return v, fmt.Errorf("the attribute %q has a null in its list", a.Name)
		case !item.IsKnown():
			continue
		}
		err := a.Form.Check(item)
		if err == nil {
			continue
		}
		if why := a.Form.Why(textOf(item)); why != "" {
			return v, fmt.Errorf("the attribute %q has to be %s, and is %s: %s", a.Name, a.Form.Name, quoted(item), why)
		}
		if len(a.Form.Words) > 0 {
			if near := schema.Suggest(textOf(item), a.Form.Words); near != "" {
				return v, fmt.Errorf("the attribute %q has to be %s, and is %s (did you mean %q?)", a.Name, a.Form.Name, quoted(item), near)
			}
			return v, fmt.Errorf("the attribute %q has to be %s, and is %s", a.Name, a.Form.Name, quoted(item))
		}
		return v, fmt.Errorf("the attribute %q has to be %s, and is %s: %w", a.Name, a.Form.Name, quoted(item), err)
	}
	return v, nil
}

// textOf is the text of a value that is one; empty for others.
func textOf(v cty.Value) string {
	if v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// quoted renders a value of a primitive type for an error.
func quoted(v cty.Value) string {
	s, err := convert.Convert(v, cty.String)
	switch {
	case err != nil:
		return v.Type().FriendlyName()
	case v.Type() == cty.String:
		return fmt.Sprintf("%q", s.AsString())
	}
	return s.AsString()
}

func (f fields) text(name string) string {
	if f[name].IsNull() {
		return ""
	}
	return f[name].AsString()
}

func (f fields) is(name string) bool { return !f[name].IsNull() && f[name].True() }

func (f fields) integer(name string, absent int) int {
	if f[name].IsNull() {
		return absent
	}
	n, _ := f[name].AsBigFloat().Int64() // the form sees to it that it is one
	return int(n)
}

func (f fields) texts(name string) []string {
	if f[name].IsNull() {
		return nil
	}
	var out []string
	for _, v := range f[name].AsValueSlice() {
		out = append(out, v.AsString())
	}
	return out
}

// networks reads addresses and networks of a family, which the form has checked.
func networksOf(texts []string, parse func(string, int) (netip.Prefix, error), family int) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range texts {
		p, err := parse(s, family)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		out = append(out, p)
	}
	return out, nil
}
