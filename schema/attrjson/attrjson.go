// Package attrjson reads the attributes of resources from JSON: those of a state,
// and those of a store. Start at [Reader].
package attrjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rawjson"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A Reader reads many objects, one after the other. A hundred thousand mailboxes
// have a handful of quotas and sets of protocols between them: a value that was
// read a short while ago is used again, which saves a third of the memory of
// all. The zero value is ready; it keeps a few of the texts that it was given.
type Reader struct {
	kinds map[*schema.Kind]*kindReader
}

type kindReader struct {
	empty   map[string]cty.Value // all attributes, null
	vals    map[string]cty.Value
	columns []column // as the kind's attributes
}

// A column has the last values of an attribute.
type column struct {
	last [4]struct {
		raw []byte
		v   cty.Value
	}
	next int
}

// longest is how long a text may be that is looked for among the last ones.
// Longer ones are rarely the same, and few.
const longest = 256

// Object reads a JSON object as the attributes of a kind as it is now: what is
// missing is null, what the kind does not have is dropped. Errors name the
// attribute and do not quote the value.
func (r *Reader) Object(kind *schema.Kind, raw []byte) (cty.Value, error) {
	k := r.kinds[kind]
	if k == nil {
		k = newKindReader(kind)
		if r.kinds == nil {
			r.kinds = map[*schema.Kind]*kindReader{}
		}
		r.kinds[kind] = k
	}
	for name, null := range k.empty {
		k.vals[name] = null
	}
	err := rawjson.Fields(raw, func(name []byte, field []byte) error {
		i := index(kind, name)
		if i < 0 || string(field) == "null" {
			return nil
		}
		a := &kind.Attributes[i]
		v, err := k.columns[i].read(field, a.Type)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		k.vals[a.Name] = v
		return nil
	})
	if err != nil {
		return cty.NilVal, err
	}
	return kind.Object(k.vals), nil
}

func newKindReader(kind *schema.Kind) *kindReader {
	k := &kindReader{
		empty:   make(map[string]cty.Value, len(kind.Attributes)),
		vals:    make(map[string]cty.Value, len(kind.Attributes)),
		columns: make([]column, len(kind.Attributes)),
	}
	for i := range kind.Attributes {
		a := &kind.Attributes[i]
		k.empty[a.Name] = cty.NullVal(a.Type)
	}
	return k
}

// index is the place of an attribute in its kind, -1 for none.
func index(kind *schema.Kind, name []byte) int {
	for i := range kind.Attributes {
		if kind.Attributes[i].Name == string(name) {
			return i
		}
	}
	return -1
}

func (c *column) read(raw []byte, ty cty.Type) (cty.Value, error) {
	for i := range c.last {
		if bytes.Equal(c.last[i].raw, raw) {
			return c.last[i].v, nil
		}
	}
	v, err := value(raw, ty)
	if err == nil && len(raw) <= longest {
		c.last[c.next].raw, c.last[c.next].v = raw, v
		c.next = (c.next + 1) % len(c.last)
	}
	return v, err
}

// value is ctyjson.Unmarshal, with a short way for what nearly all attributes
// are: it makes reading a large state several times faster.
func value(raw []byte, ty cty.Type) (cty.Value, error) {
	switch {
	case ty == cty.String:
		if s, ok := rawjson.Text(raw); ok {
			return cty.StringVal(s), nil
		}
	case ty == cty.Number:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return cty.NumberIntVal(n), nil
		}
	case ty.IsListType() && ty.ElementType() == cty.String:
		if list, ok := rawjson.Texts(raw); ok {
			return schema.StringList(list), nil
		}
		return texts(raw)
	}
	return ctyjson.Unmarshal(raw, ty)
}

// texts reads a list of strings of any sort.
func texts(raw []byte) (cty.Value, error) {
	var elems []*string
	if err := json.Unmarshal(raw, &elems); err != nil {
		return cty.NilVal, err
	}
	if len(elems) == 0 {
		return cty.ListValEmpty(cty.String), nil
	}
	vals := make([]cty.Value, len(elems))
	for i, e := range elems {
		vals[i] = cty.NullVal(cty.String)
		if e != nil {
			vals[i] = cty.StringVal(*e)
		}
	}
	return cty.ListVal(vals), nil
}
