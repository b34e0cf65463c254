package console

import (
	"reflect"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// typeType is what the function type comes to: something that is only shown.
var typeType = cty.Capsule("type", reflect.TypeFor[cty.Type]())

// functions are those that only a console has.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"type": function.New(&function.Spec{
			Description: "The type of a value, to be looked at in the console.",
			Params: []function.Parameter{{
				Name: "value", Type: cty.DynamicPseudoType,
				AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true,
			}},
			Type: function.StaticReturnType(typeType),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				t := args[0].Type()
				return cty.CapsuleVal(typeType, &t), nil
			},
		}),
	}
}
