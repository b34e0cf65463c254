package postfix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A ledger is the file in our directory that says what is ours in main.cf and
// master.cf: which resources they have been made of, and what stood there before.
type ledger struct {
	Resources []holding `json:"resources"`
	// Main and Master hold, by the key of each logical line that is ours, the text in
	// whose place it came; empty: there was none.
	Main   map[string]string `json:"main"`
	Master map[string]string `json:"master"`
}

// A holding is a resource with what was declared of it.
type holding struct {
	Kind     string          `json:"kind"`
	Key      string          `json:"key"`
	Owner    string          `json:"owner"`
	Lineage  string          `json:"lineage"`
	Revision string          `json:"revision"`
	Attrs    json.RawMessage `json:"attributes"`
}

func parseLedger(text []byte, path string) (*ledger, error) {
	l := &ledger{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, l); err != nil {
			return nil, fmt.Errorf("%s is damaged (%w). Remove it, and mailform takes over again what it finds", path, err)
		}
	}
	if l.Main == nil {
		l.Main = map[string]string{}
	}
	if l.Master == nil {
		l.Master = map[string]string{}
	}
	for _, h := range l.Resources {
		if _, err := h.attrs(); err != nil {
			return nil, fmt.Errorf("%s is damaged (%s %s: %w). Remove it, and mailform takes over again what it finds", path, h.Kind, h.Key, err)
		}
	}
	return l, nil
}

func (l *ledger) text() ([]byte, error) {
	text, err := json.MarshalIndent(l, "", " ")
	return append(text, '\n'), err
}

func (l *ledger) clone() *ledger {
	c := &ledger{Resources: slices.Clone(l.Resources), Main: map[string]string{}, Master: map[string]string{}}
	for k, v := range l.Main {
		c.Main[k] = v
	}
	for k, v := range l.Master {
		c.Master[k] = v
	}
	return c
}

func (l *ledger) find(kind, key string) *holding {
	for i := range l.Resources {
		if h := &l.Resources[i]; h.Kind == kind && h.Key == key {
			return h
		}
	}
	return nil
}

func (l *ledger) put(h holding) {
	l.remove(h.Kind, h.Key)
	l.Resources = append(l.Resources, h)
	slices.SortFunc(l.Resources, func(a, b holding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

func (l *ledger) remove(kind, key string) {
	l.Resources = slices.DeleteFunc(l.Resources, func(h holding) bool { return h.Kind == kind && h.Key == key })
}

// declared are the attributes of all resources of a kind.
func (l *ledger) declared(kind string) []attrs {
	var all []attrs
	for i := range l.Resources {
		if l.Resources[i].Kind == kind {
			a, _ := l.Resources[i].attrs() // looked at when the file was read
			all = append(all, a)
		}
	}
	return all
}

func (h *holding) attrs() (attrs, error) {
	k := schema.KindByName(h.Kind)
	if k == nil {
		return attrs{}, fmt.Errorf("there is no kind %q", h.Kind)
	}
	v, err := ctyjson.Unmarshal(h.Attrs, k.Type())
	if err != nil {
		return attrs{}, err
	}
	return checkAttrs(h.Kind, v)
}

// attrs are the attributes of a resource, all of them there.
type attrs struct{ cty.Value }

// checkAttrs looks whether all attributes of a kind are known and of their type, and
// numbers whole ones of an ordinary size. The error names the attribute.
func checkAttrs(kind string, v cty.Value) (attrs, error) {
	k := schema.KindByName(kind)
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return attrs{}, fmt.Errorf("the attributes of the %s are not known", kind)
	}
	for _, a := range k.Attributes {
		if !v.Type().HasAttribute(a.Name) {
			return attrs{}, fmt.Errorf("%s: it is missing", a.Name)
		}
		av := v.GetAttr(a.Name)
		if !av.IsWhollyKnown() || av.IsNull() || !av.Type().Equals(a.Type) {
			return attrs{}, fmt.Errorf("%s: it has no value", a.Name)
		}
		elems := []cty.Value{av}
		if a.Type.IsListType() {
			elems = av.AsValueSlice()
		}
		for _, el := range elems {
			if el.IsNull() {
				return attrs{}, fmt.Errorf("%s: an element has no value", a.Name)
			}
			if el.Type() != cty.Number {
				continue
			}
			if n, acc := el.AsBigFloat().Int64(); acc != 0 || n < 0 || n > 1<<50 {
				return attrs{}, fmt.Errorf("%s: it is no whole number from 0 to %d", a.Name, int64(1)<<50)
			}
		}
	}
	return attrs{v}, nil
}

func (a attrs) str(name string) string { return a.GetAttr(name).AsString() }

func (a attrs) number(name string) int64 {
	n, _ := a.GetAttr(name).AsBigFloat().Int64()
	return n
}

func (a attrs) bool(name string) bool { return a.GetAttr(name).True() }

func (a attrs) strings(name string) []string {
	var list []string
	for _, v := range a.GetAttr(name).AsValueSlice() {
		list = append(list, v.AsString())
	}
	return list
}

func (a attrs) numbers(name string) []int64 {
	var list []int64
	for _, v := range a.GetAttr(name).AsValueSlice() {
		n, _ := v.AsBigFloat().Int64()
		list = append(list, n)
	}
	return list
}

func stringList(list []string) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(list))
	for i, s := range list {
		vals[i] = cty.StringVal(s)
	}
	return cty.ListVal(vals)
}

func numberList(list []int64) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	vals := make([]cty.Value, len(list))
	for i, n := range list {
		vals[i] = cty.NumberIntVal(n)
	}
	return cty.ListVal(vals)
}
