package planjson

import (
	"encoding/json"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// providerName names the provider of a target in the way of a source address.
func providerName(target string) string {
	name, _, _ := strings.Cut(target, ".")
	return "mailform/" + name
}

func marshal(v cty.Value) (json.RawMessage, error) {
	if v == cty.NilVal || v.IsNull() {
		return json.RawMessage("null"), nil
	}
	return ctyjson.Marshal(v, v.Type())
}

func marshalType(v cty.Value) (json.RawMessage, error) {
	return ctyjson.MarshalType(v.Type())
}

var (
	jsonFalse = json.RawMessage("false")
	jsonEmpty = json.RawMessage("{}")
)

// known writes what is known of an object, and which of its attributes are
// sensitive: those are null. Attributes that are not known are left out; inside
// of lists they are null.
func known(kind string, v cty.Value) (value, sensitive json.RawMessage, err error) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return json.RawMessage("null"), jsonFalse, nil
	}
	k := schema.KindByName(kind)
	vals := v.AsValueMap()
	secret := map[string]bool{}
	for name, e := range vals {
		if a := attribute(k, name); a != nil && a.Sensitive {
			if !e.IsNull() {
				secret[name] = true
			}
			vals[name] = cty.NullVal(e.Type())
			continue
		}
		switch {
		case !e.IsKnown():
			delete(vals, name)
		case !e.IsWhollyKnown():
			vals[name] = withoutUnknown(e)
		}
	}
	if value, err = marshal(cty.ObjectVal(vals)); err != nil {
		return nil, nil, err
	}
	sensitive, err = json.Marshal(secret)
	return value, sensitive, err
}

func attribute(k *schema.Kind, name string) *schema.KindAttribute {
	if k == nil {
		return nil
	}
	return k.Attribute(name)
}

func withoutUnknown(v cty.Value) cty.Value {
	out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsKnown() {
			return cty.NullVal(v.Type()), nil
		}
		return v, nil
	})
	if err != nil { // the function above returns none
		return cty.NullVal(v.Type())
	}
	return out
}

// unknowns writes true in the place of what is not known, and nothing in the
// place of what is.
func unknowns(v cty.Value) (json.RawMessage, error) {
	if v == cty.NilVal || v.IsNull() {
		return jsonFalse, nil
	}
	if v.IsWhollyKnown() {
		return jsonEmpty, nil
	}
	return marshal(unknownShape(v))
}

func unknownShape(v cty.Value) cty.Value {
	switch ty := v.Type(); {
	case !v.IsKnown():
		return cty.True
	case v.IsWhollyKnown():
		return cty.False
	case ty.IsObjectType() || ty.IsMapType():
		vals := map[string]cty.Value{}
		for name, e := range v.AsValueMap() {
			if !e.IsWhollyKnown() {
				vals[name] = unknownShape(e)
			}
		}
		return cty.ObjectVal(vals)
	default:
		var elems []cty.Value
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			elems = append(elems, unknownShape(e))
		}
		return cty.TupleVal(elems)
	}
}
