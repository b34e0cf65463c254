package funcs

import (
	"errors"
	"fmt"
	"sort"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func static(t cty.Type) function.TypeFunc { return function.StaticReturnType(t) }

// length counts elements, attributes, or the characters of a string.
var length = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
			return cty.Number, nil
		}
		return cty.Number, function.NewArgErrorf(0, "has to be a string, a list, a set, a map, a tuple or an object")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		t := v.Type()
		var n cty.Value
		switch {
		case t == cty.DynamicPseudoType:
			n = cty.UnknownVal(cty.Number)
		case t.IsTupleType():
			n = cty.NumberIntVal(int64(len(t.TupleElementTypes())))
		case t.IsObjectType():
			n = cty.NumberIntVal(int64(len(t.AttributeTypes())))
		case t == cty.String:
			var err error
			if n, err = stdlib.Strlen(v); err != nil {
				return cty.NilVal, err
			}
		default:
			n = v.Length()
		}
		return n.WithMarks(marks), nil
	},
})

// coalesce is the first value that is neither null nor an empty string. The
// values are brought to one type, as in a conditional expression.
var coalesce = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, v := range args {
			types[i] = v.Type()
		}
		t, _ := convert.UnifyUnsafe(types)
		if t == cty.NilType {
			return t, errors.New("all arguments have to be of one type")
		}
		return t, nil
	},
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		for _, arg := range args {
			v, err := convert.Convert(arg, ret)
			if err != nil {
				return cty.NilVal, err
			}
			bare, _ := v.Unmark()
			switch {
			case !bare.IsKnown():
				return cty.UnknownVal(ret), nil
			case !bare.IsNull() && (bare.Type() != cty.String || bare.AsString() != ""):
				return v, nil
			}
		}
		return cty.NilVal, errors.New("there is no argument that is neither null nor an empty string")
	},
})

// lookup finds an element of a map or an attribute of an object.
var lookup = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) > 3 {
			return cty.NilType, errors.New("lookup takes two or three arguments")
		}
		switch t := args[0].Type(); {
		case t.IsObjectType():
			if !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if key := args[1].AsString(); t.HasAttribute(key) {
				return t.AttributeType(key), nil
			}
			if len(args) == 3 {
				return args[2].Type(), nil
			}
			return cty.NilType, function.NewArgErrorf(1, "the object has no attribute %q", args[1].AsString())
		case t.IsMapType():
			if len(args) == 3 {
				if _, err := convert.Convert(args[2], t.ElementType()); err != nil {
					return cty.NilType, function.NewArgErrorf(2, "the default has to be of the same type as the elements of the map")
				}
			}
			return t.ElementType(), nil
		default:
			return cty.NilType, function.NewArgErrorf(0, "has to be a map or an object")
		}
	},
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		m, marks := args[0].Unmark()
		if !m.IsKnown() || !args[1].IsKnown() {
			return cty.UnknownVal(ret).WithMarks(marks), nil
		}
		key := args[1].AsString()
		if m.Type().IsObjectType() {
			if m.Type().HasAttribute(key) {
				return m.GetAttr(key).WithMarks(marks), nil
			}
		} else if m.HasIndex(args[1]).True() {
			return m.Index(args[1]).WithMarks(marks), nil
		}
		if len(args) < 3 {
			return cty.NilVal, function.NewArgErrorf(1, "the map has no element %q", key)
		}
		def, err := convert.Convert(args[2], ret)
		return def.WithMarks(marks), err
	},
})

// indexOf finds the position of a value in a list.
var indexOf = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "list", Type: cty.DynamicPseudoType},
		{Name: "value", Type: cty.DynamicPseudoType},
	},
	Type: static(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "has to be a list")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			eq, err := stdlib.Equal(v, args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if !eq.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if eq.True() {
				return i, nil
			}
		}
		return cty.NilVal, function.NewArgErrorf(1, "is not in the list")
	},
})

// one is the only element of a collection, or null where there is none.
var one = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch t := args[0].Type(); {
		case t.IsListType() || t.IsSetType():
			return t.ElementType(), nil
		case t.IsTupleType() && t.Length() == 0:
			return cty.DynamicPseudoType, nil
		case t.IsTupleType() && t.Length() == 1:
			return t.TupleElementType(0), nil
		default:
			return cty.NilType, function.NewArgErrorf(0, "has to be a list, a set or a tuple of at most one element")
		}
	},
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		if n := args[0].Length(); !n.IsKnown() {
			return cty.UnknownVal(ret), nil
		}
		switch args[0].LengthInt() {
		case 0:
			return cty.NullVal(ret), nil
		case 1:
			it := args[0].ElementIterator()
			it.Next()
			_, v := it.Element()
			return v, nil
		default:
			return cty.NilVal, function.NewArgErrorf(0, "has to be a list, a set or a tuple of at most one element")
		}
	},
})

// sum adds up numbers.
var sum = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "numbers", Type: cty.DynamicPseudoType}},
	Type:   static(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "has to be a list or a set with at least one number")
		}
		total := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			n, err := convert.Convert(v, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "has to hold numbers only")
			}
			if total, err = stdlib.Add(total, n); err != nil {
				return cty.NilVal, err
			}
		}
		return total, nil
	},
})

var (
	allTrue = quantifier(true)
	anyTrue = quantifier(false)
)

// quantifier makes a function that looks for an element that decides: false in
// "all", true in "any". neutral is the result where there is none.
func quantifier(neutral bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   static(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := cty.BoolVal(neutral)
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					result = cty.UnknownVal(cty.Bool)
				case v.IsNull():
					return cty.False, nil
				case v.True() != neutral:
					return v, nil
				}
			}
			return result, nil
		},
	})
}

// matchKeys selects the elements of one list whose counterparts in a second
// list are in a third.
var matchKeys = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if _, err := convert.Convert(args[1], args[2].Type()); err != nil {
			return cty.NilType, errors.New("keys and searchset have to be lists of the same type")
		}
		return args[0].Type(), nil
	},
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(ret), nil
		}
		if args[0].LengthInt() != args[1].LengthInt() {
			return cty.NilVal, errors.New("values and keys have to be of the same length")
		}
		if args[2].LengthInt() == 0 {
			return cty.ListValEmpty(ret.ElementType()), nil
		}
		keys, err := convert.Convert(args[1], args[2].Type())
		if err != nil {
			return cty.NilVal, err
		}
		var out []cty.Value
		for i, v := range args[0].AsValueSlice() {
			for _, s := range args[2].AsValueSlice() {
				if keys.Index(cty.NumberIntVal(int64(i))).RawEquals(s) {
					out = append(out, v)
					break
				}
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(ret.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// transpose turns a map of lists around: what were elements become keys.
var transpose = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String))}},
	Type:   static(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ret), nil
		}
		turned := map[string][]string{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, list := it.Element()
			if list.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "has a null list at %q", key.AsString())
			}
			for _, v := range list.AsValueSlice() {
				if v.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "has a null in the list at %q", key.AsString())
				}
				turned[v.AsString()] = append(turned[v.AsString()], key.AsString())
			}
		}
		if len(turned) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := make(map[string]cty.Value, len(turned))
		for key, list := range turned {
			sort.Strings(list)
			vals := make([]cty.Value, len(list))
			for i, s := range list {
				vals[i] = cty.StringVal(s)
			}
			out[key] = cty.ListVal(vals)
		}
		return cty.MapVal(out), nil
	},
})

// maxExponent bounds powers: far beyond any size or count, small enough that
// the digits of the result fit on a page.
const maxExponent = 1024

var pow = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "base", Type: cty.Number}, {Name: "exponent", Type: cty.Number}},
	Type:   static(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if exp, _ := args[1].AsBigFloat().Float64(); exp > maxExponent || exp < -maxExponent {
			return cty.NilVal, function.NewArgErrorf(1, "has to be between -%d and %d", maxExponent, maxExponent)
		}
		return stdlib.Pow(args[0], args[1])
	},
})

// argError words an error about the first argument.
func argError(format string, args ...any) error {
	return function.NewArgError(0, fmt.Errorf(format, args...))
}
