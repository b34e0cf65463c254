package planfile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A value is a cty value in JSON, which has no form for what is not known: that
// is null, and its path stands beside it.
type value struct {
	// Type is left out for an object of the kind's type.
	Type    json.RawMessage `json:"type,omitempty"`
	Value   json.RawMessage `json:"value"`
	Unknown []path          `json:"unknown,omitempty"`
}

// A path leads into a value.
type path []step

// A step is the name of an attribute or the key of a map, or the index of an
// element.
type step struct {
	Name  *string `json:"name,omitempty"`
	Index *int    `json:"index,omitempty"`
}

// maxExponent bounds the binary exponent of numbers that are read: a short text
// can stand for a number of a billion digits.
const maxExponent = 4096

var (
	errPath   = errors.New("a path to what is not known leads nowhere")
	errNumber = errors.New("a number is out of bounds")
)

// encodeValue encodes a value of a resource of a kind; the kind of an output is
// empty.
func encodeValue(kind string, v cty.Value) (*value, error) {
	if v == cty.NilVal {
		return nil, nil
	}
	out := &value{}
	var err error
	if k := schema.KindByName(kind); k == nil || !v.Type().Equals(k.Type()) {
		if out.Type, err = ctyjson.MarshalType(v.Type()); err != nil {
			return nil, err
		}
	}
	known := v
	if !v.IsWhollyKnown() {
		known, out.Unknown = split(v, nil, nil)
	}
	out.Value, err = ctyjson.Marshal(known, v.Type())
	return out, err
}

// split puts null in the place of what is not known, and adds its paths to
// those found before.
func split(v cty.Value, at path, found []path) (cty.Value, []path) {
	ty := v.Type()
	switch {
	case v.IsKnown() && (v.IsNull() || v.IsWhollyKnown()):
		return v, found
	case !v.IsKnown() || ty.IsSetType(): // the elements of a set have no paths
		return cty.NullVal(ty), append(found, append(path{}, at...))
	case ty.IsObjectType() || ty.IsMapType():
		vals := make(map[string]cty.Value, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			name := k.AsString()
			vals[name], found = split(e, append(at[:len(at):len(at)], step{Name: &name}), found)
		}
		if ty.IsMapType() {
			return cty.MapVal(vals), found
		}
		return cty.ObjectVal(vals), found
	default:
		elems := v.AsValueSlice()
		for i := range elems {
			elems[i], found = split(elems[i], append(at[:len(at):len(at)], step{Index: &i}), found)
		}
		if ty.IsTupleType() {
			return cty.TupleVal(elems), found
		}
		return cty.ListVal(elems), found
	}
}

// decode is the value of a resource of a kind, or of an output.
func (e *value) decode(kind string) (cty.Value, error) {
	ty := cty.DynamicPseudoType
	if k := schema.KindByName(kind); k != nil {
		ty = k.Type()
	}
	if e == nil {
		return cty.NullVal(ty), nil
	}
	if len(e.Type) > 0 {
		var err error
		if ty, err = ctyjson.UnmarshalType(e.Type); err != nil {
			return cty.NilVal, err
		}
	}
	v, err := ctyjson.Unmarshal(e.Value, ty)
	if err != nil {
		return cty.NilVal, err
	}
	if err := cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() {
			if exp := v.AsBigFloat().MantExp(nil); exp > maxExponent || exp < -maxExponent {
				return false, errNumber
			}
		}
		return true, nil
	}); err != nil {
		return cty.NilVal, err
	}
	for _, p := range e.Unknown {
		if v, err = forget(v, p); err != nil {
			return cty.NilVal, err
		}
	}
	return v, nil
}

// forget makes what a path leads to unknown.
func forget(v cty.Value, p path) (cty.Value, error) {
	ty := v.Type()
	if len(p) == 0 {
		return cty.UnknownVal(ty), nil
	}
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, errPath
	}
	var err error
	switch s := p[0]; {
	case s.Name != nil && (ty.IsObjectType() || ty.IsMapType()):
		vals := v.AsValueMap()
		e, ok := vals[*s.Name]
		if !ok {
			return cty.NilVal, errPath
		}
		if vals[*s.Name], err = forget(e, p[1:]); err != nil {
			return cty.NilVal, err
		}
		if ty.IsMapType() {
			return cty.MapVal(vals), nil
		}
		return cty.ObjectVal(vals), nil
	case s.Index != nil && (ty.IsListType() || ty.IsTupleType()):
		elems := v.AsValueSlice()
		i := *s.Index
		if i < 0 || i >= len(elems) {
			return cty.NilVal, fmt.Errorf("%w: element %d of %d", errPath, i, len(elems))
		}
		if elems[i], err = forget(elems[i], p[1:]); err != nil {
			return cty.NilVal, err
		}
		if ty.IsTupleType() {
			return cty.TupleVal(elems), nil
		}
		return cty.ListVal(elems), nil
	}
	return cty.NilVal, errPath
}
