package draft

import (
	"errors"
	"fmt"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// fields are the arguments of a block and the blocks in it, as far as they are
// said. The zero value says nothing.
type fields struct {
	attrs  map[string]cty.Value
	blocks map[string][]fields
}

func newFields() fields {
	return fields{attrs: map[string]cty.Value{}, blocks: map[string][]fields{}}
}

func (f fields) set(name string, v cty.Value) { f.attrs[name] = v }

func (f fields) text(name, s string) { f.attrs[name] = cty.StringVal(s) }

func (f fields) ref(name string, r schema.Ref) { f.attrs[name] = schema.RefVal(r) }

func (f fields) add(name string, inner fields) { f.blocks[name] = append(f.blocks[name], inner) }

// body is the value of the block as evaluation would have it. The error says
// which argument cannot have its value.
func (f fields) body(typ *schema.BlockType) (cty.Value, error) {
	vals, err := f.values(typ.Attributes)
	if err != nil {
		return cty.NilVal, err
	}
	for i := range typ.Blocks {
		n := &typ.Blocks[i]
		var list []cty.Value
		for _, inner := range f.blocks[n.Type] {
			v, err := inner.values(n.Attributes)
			if err != nil {
				return cty.NilVal, fmt.Errorf("%s.%w", n.Type, err)
			}
			list = append(list, cty.ObjectVal(v))
		}
		switch {
		case n.Repeatable && len(list) > 0:
			vals[n.Type] = cty.ListVal(list)
		case n.Repeatable:
			vals[n.Type] = cty.ListValEmpty(n.ImpliedType())
		case len(list) > 0:
			vals[n.Type] = list[0]
		default:
			vals[n.Type] = cty.NullVal(n.ImpliedType())
		}
	}
	return cty.ObjectVal(vals), nil
}

func (f fields) values(attrs []schema.Attribute) (map[string]cty.Value, error) {
	vals := make(map[string]cty.Value, len(attrs))
	for i := range attrs {
		a := &attrs[i]
		v, ok := f.attrs[a.Name]
		switch {
		case !ok && a.Default != cty.NilVal:
			v = a.Default
		case !ok:
			v = cty.NullVal(a.Type)
		default:
			if err := checkForm(a, v); err != nil {
				return nil, fmt.Errorf("%s: %w", a.Name, err)
			}
		}
		if a.Sensitive {
			v = v.Mark(config.Sensitive)
		}
		vals[a.Name] = v
	}
	return vals, nil
}

// checkForm holds a value to the form that the language asks for.
func checkForm(a *schema.Attribute, v cty.Value) error {
	if a.Form == nil || v.IsNull() {
		return nil
	}
	if t := v.Type(); t.IsListType() || t.IsTupleType() {
		for it := v.ElementIterator(); it.Next(); {
			_, el := it.Element()
			if err := checkForm(a, el); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Type().Equals(schema.RefType) {
		return nil
	}
	err := a.Form.Check(v)
	if err != nil && a.Sensitive { // the error may quote the value
		return errors.New("it is not " + a.Form.Name)
	}
	if err != nil {
		return fmt.Errorf("it is not %s: %w", a.Form.Name, err)
	}
	return nil
}

// refs lists the blocks that the fields name, after those in list.
func (f fields) refs(list []schema.Ref) []schema.Ref {
	for _, v := range f.attrs {
		list = refsIn(v, list)
	}
	for _, inner := range f.blocks {
		for _, b := range inner {
			list = b.refs(list)
		}
	}
	return list
}

func refsIn(v cty.Value, list []schema.Ref) []schema.Ref {
	if r, ok := schema.AsRef(v); ok {
		return append(list, r)
	}
	if v.Type().IsTupleType() {
		for it := v.ElementIterator(); it.Next(); {
			_, el := it.Element()
			list = refsIn(el, list)
		}
	}
	return list
}

// renamed are the fields with references to blocks by their new names. In the
// place of one to a user or an alias that is gone comes its address; where that
// is the whole of an argument, the argument goes.
func (f fields) renamed(names map[string]schema.Ref, gone map[string]bool, mails map[string]string) fields {
	out := newFields()
	other := func(v cty.Value) cty.Value {
		r, ok := schema.AsRef(v)
		if !ok {
			return v
		}
		if to, ok := names[r.Block().String()]; ok {
			to.Part = r.Part
			return schema.RefVal(to)
		}
		if mail := mails[r.String()]; gone[r.String()] && mail != "" {
			return cty.StringVal(mail)
		}
		return v
	}
	for name, v := range f.attrs {
		if v.Type().IsTupleType() {
			var list []cty.Value
			for it := v.ElementIterator(); it.Next(); {
				_, el := it.Element()
				list = append(list, other(el))
			}
			out.attrs[name] = cty.TupleVal(list)
			continue
		}
		if now := other(v); now.Type().Equals(v.Type()) {
			out.attrs[name] = now
		}
	}
	for name, list := range f.blocks {
		for _, inner := range list {
			out.add(name, inner.renamed(names, gone, mails))
		}
	}
	return out
}

// The attributes of a thing, read: the zero value for what is not there.

func text(v cty.Value, name string) string {
	if a, ok := attr(v, name); ok && a.Type() == cty.String {
		return a.AsString()
	}
	return ""
}

func number(v cty.Value, name string) int64 {
	if a, ok := attr(v, name); ok && a.Type() == cty.Number {
		n, _ := a.AsBigFloat().Int64()
		return n
	}
	return 0
}

func yes(v cty.Value, name string) bool {
	a, ok := attr(v, name)
	return ok && a.Type() == cty.Bool && a.True()
}

func texts(v cty.Value, name string) []string {
	a, ok := attr(v, name)
	if !ok || !a.Type().IsListType() || a.Type().ElementType() != cty.String {
		return nil
	}
	list := make([]string, 0, a.LengthInt())
	for it := a.ElementIterator(); it.Next(); {
		if _, el := it.Element(); !el.IsNull() {
			list = append(list, el.AsString())
		}
	}
	return list
}

func attr(v cty.Value, name string) (cty.Value, bool) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NilVal, false
	}
	a, _ := v.GetAttr(name).Unmark()
	return a, a.IsWhollyKnown() && !a.IsNull()
}
