package attrjson

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Marshal writes an object as [ctyjson.Marshal] does, byte for byte, with a short
// way for what nearly all attributes are. The value is wholly known.
func Marshal(v cty.Value) ([]byte, error) {
	if v.IsNull() || !v.Type().IsObjectType() || v.IsMarked() {
		return ctyjson.Marshal(v, v.Type())
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for it := v.ElementIterator(); it.Next(); { // in the order of the names
		name, attr := it.Element()
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		if err := text(&out, name.AsString()); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := marshal(&out, attr); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func marshal(out *bytes.Buffer, v cty.Value) error {
	ty := v.Type()
	switch {
	case v.IsMarked() || !v.IsKnown():
	case v.IsNull():
		out.WriteString("null")
		return nil
	case ty == cty.String:
		return text(out, v.AsString())
	case ty == cty.Number:
		if n, exact := v.AsBigFloat().Int64(); exact == 0 {
			out.Write(strconv.AppendInt(out.AvailableBuffer(), n, 10))
			return nil
		}
	case ty.IsListType() && ty.ElementType() == cty.String:
		out.WriteByte('[')
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			if i > 0 {
				out.WriteByte(',')
			}
			_, e := it.Element()
			if err := marshal(out, e); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	}
	b, err := ctyjson.Marshal(v, ty)
	out.Write(b)
	return err
}

// text writes a string.
func text(out *bytes.Buffer, s string) error {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, err := json.Marshal(s)
			out.Write(b)
			return err
		}
	}
	out.WriteByte('"')
	out.WriteString(s)
	out.WriteByte('"')
	return nil
}
