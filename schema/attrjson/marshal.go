package attrjson

import (
	"strconv"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rawjson"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Append writes the attributes of a resource to the end of dst as
// [ctyjson.Marshal] does, byte for byte, with a short way for what nearly all are.
// The kind may be nil, and the attributes may be others than the kind's. A value
// that is not wholly known is an error.
func Append(dst []byte, kind *schema.Kind, v cty.Value) ([]byte, error) {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || kind == nil || !v.Type().IsObjectType() || !attributesOf(kind, v.Type()) {
		return appendAny(dst, v)
	}
	start := len(dst)
	dst = append(dst, '{')
	var err error
	for i, name := range kind.Names() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = rawjson.AppendText(dst, name); err != nil {
			return dst[:start], err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, v.GetAttr(name)); err != nil {
			return dst[:start], err
		}
	}
	return append(dst, '}'), nil
}

// attributesOf reports whether an object has all attributes of a kind, and no
// others.
func attributesOf(kind *schema.Kind, ty cty.Type) bool {
	if len(ty.AttributeTypes()) != len(kind.Attributes) {
		return false
	}
	for i := range kind.Attributes {
		if !ty.HasAttribute(kind.Attributes[i].Name) {
			return false
		}
	}
	return true
}

func appendAny(dst []byte, v cty.Value) ([]byte, error) {
	b, err := ctyjson.Marshal(v, v.Type())
	return append(dst, b...), err
}

func appendValue(dst []byte, v cty.Value) ([]byte, error) {
	ty := v.Type()
	switch {
	case v.IsMarked() || !v.IsKnown():
	case v.IsNull():
		return append(dst, "null"...), nil
	case ty == cty.String:
		return rawjson.AppendText(dst, v.AsString())
	case ty == cty.Number:
		if n, exact := v.AsBigFloat().Int64(); exact == 0 {
			return strconv.AppendInt(dst, n, 10), nil
		}
	case ty.IsListType() && ty.ElementType() == cty.String:
		dst = append(dst, '[')
		first := true
		for it := v.ElementIterator(); it.Next(); first = false {
			if !first {
				dst = append(dst, ',')
			}
			_, e := it.Element()
			var err error
			if dst, err = appendValue(dst, e); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return appendAny(dst, v)
}
