package funcs

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// anything is a parameter that takes what there is as it is.
func anything(name string) function.Parameter {
	return function.Parameter{
		Name: name, Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}
}

func makeSensitive(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything("value")},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(mark), nil },
	})
}

func makeNonsensitive(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything("value")},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			delete(marks, mark)
			return v.WithMarks(marks), nil
		},
	})
}

// makeIsSensitive tells whether a value is marked. One that is not known yet may
// still become so.
func makeIsSensitive(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything("value")},
		Type:   static(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case args[0].HasMark(mark):
				return cty.True, nil
			case !args[0].IsKnown():
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
}

// Type tells the type of a value, as it would be written in a variable block.
var Type = function.New(&function.Spec{
	Params: []function.Parameter{anything("value")},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.StringVal(typeText(args[0].Type())), nil
	},
})

// typeText is a type in the words of the language. What it has no word for is a
// reference.
func typeText(t cty.Type) string {
	switch {
	case t.IsCapsuleType():
		return "reference"
	case t.IsListType():
		return "list(" + typeText(t.ElementType()) + ")"
	case t.IsSetType():
		return "set(" + typeText(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + typeText(t.ElementType()) + ")"
	case t.IsTupleType():
		return "tuple([" + joined(t.TupleElementTypes()) + "])"
	case t.IsObjectType():
		return "object({" + attributesText(t) + "})"
	}
	return typeexpr.TypeString(t)
}

func joined(types []cty.Type) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = typeText(t)
	}
	return strings.Join(words, ", ")
}

func attributesText(t cty.Type) string {
	names := slices.Sorted(maps.Keys(t.AttributeTypes()))
	for i, name := range names {
		names[i] = name + " = " + typeText(t.AttributeType(name))
	}
	if len(names) == 0 {
		return ""
	}
	return " " + strings.Join(names, ", ") + " "
}
