package state

import (
	"fmt"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// NewOutput encodes the value of an output. References become their addresses.
// The value of a sensitive output is not kept, and one that carries marks is
// taken for sensitive. Values that are not known are an error.
func NewOutput(v cty.Value, sensitive bool) (Output, error) {
	v, marked := Plain(v)
	ty, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return Output{}, fmt.Errorf("encode type of output: %w", err)
	}
	if sensitive || marked {
		return Output{Type: ty, Sensitive: true}, nil
	}
	if !v.IsWhollyKnown() {
		return Output{}, fmt.Errorf("encode output: its value is not known")
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return Output{}, fmt.Errorf("encode output: %w", err)
	}
	return Output{Value: raw, Type: ty}, nil
}

// Decode is the value of the output: null for a sensitive one.
func (o Output) Decode() (cty.Value, error) {
	ty := cty.DynamicPseudoType
	if len(o.Type) > 0 {
		var err error
		if ty, err = ctyjson.UnmarshalType(o.Type); err != nil {
			return cty.NilVal, fmt.Errorf("decode type of output: %w", err)
		}
	}
	if o.Sensitive || len(o.Value) == 0 {
		return cty.NullVal(ty), nil
	}
	v, err := ctyjson.Unmarshal(o.Value, ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("decode output: %w", err)
	}
	return v, nil
}

// Plain takes marks off a value, and from unknown values what was known about
// them, and writes references as their addresses. It reports whether there were
// marks.
func Plain(v cty.Value) (cty.Value, bool) {
	v, marks := v.UnmarkDeep()
	// The function never fails, so Transform does not either.
	plain, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		ty := v.Type()
		if ty.Equals(schema.RefType) {
			ty = cty.String
			if ref, ok := schema.AsRef(v); ok {
				return cty.StringVal(ref.String()), nil
			}
		}
		switch {
		case !v.IsKnown():
			return cty.UnknownVal(ty), nil
		case v.IsNull():
			return cty.NullVal(ty), nil
		}
		return v, nil
	})
	if err != nil {
		return cty.DynamicVal, len(marks) > 0
	}
	return plain, len(marks) > 0
}
