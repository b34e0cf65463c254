package state

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/attrjson"
	"github.com/mailform/mailform/schema/rawjson"
	"github.com/zclconf/go-cty/cty"
)

// attributes writes those of the resource to the end of dst.
func (r *Resource) attributes(dst []byte) ([]byte, error) {
	if r.Attrs == cty.NilVal {
		return dst, fmt.Errorf("encode state of %s: there are no attributes", r.Address)
	}
	out, err := attrjson.Append(dst, schema.KindByName(r.ID.Kind), r.Attrs)
	if err != nil {
		if !r.Attrs.IsWhollyKnown() {
			return dst, fmt.Errorf("encode state of %s: attributes are not all known", r.Address)
		}
		return dst, fmt.Errorf("encode state of %s: %w", r.Address, err)
	}
	return out, nil
}

// appendPut writes the line of a resource to the end of dst, byte for byte as
// encoding/json does, with a short way for what [plainPut] reads in one.
func appendPut(dst []byte, serial uint64, r *Resource) ([]byte, error) {
	short := len(r.DependsOn) == 0 && !r.PreventDestroy && r.Declared == "" && !r.Adopted && r.Staging == nil
	for _, text := range []string{r.ID.Target, r.ID.Kind, r.ID.Key} {
		short = short && rawjson.Plain(text)
	}
	if !short {
		rec, err := r.record()
		if err != nil {
			return dst, err
		}
		return appendJSON(dst, record{Serial: serial, Put: rec})
	}
	start := len(dst)
	if serial == 0 {
		dst = append(dst, `{"put":{"target":"`...)
	} else {
		dst = append(dst, `{"serial":`...)
		dst = strconv.AppendUint(dst, serial, 10)
		dst = append(dst, `,"put":{"target":"`...)
	}
	dst = append(dst, r.ID.Target...)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, r.ID.Kind...)
	dst = append(dst, `","key":"`...)
	dst = append(dst, r.ID.Key...)
	dst = append(dst, `","address":`...)
	var err error
	if dst, err = rawjson.AppendText(dst, r.Address); err != nil {
		return dst[:start], err
	}
	dst = append(dst, `,"attrs":`...)
	if dst, err = r.attributes(dst); err != nil {
		return dst[:start], err
	}
	return append(dst, "}}"...), nil
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// append writes the line of an entry to the end of dst.
func (e Entry) append(dst []byte, serial uint64) ([]byte, error) {
	if e.Put != nil {
		return appendPut(dst, serial, e.Put)
	}
	r, err := e.record(serial)
	if err != nil {
		return dst, err
	}
	return appendJSON(dst, r)
}
