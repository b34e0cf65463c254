package config

import "github.com/zclconf/go-cty/cty"

// A Body is what stands between the braces of an instance: a value for each
// argument and each nested block of its type. Every one is there, already
// converted to its type. One that was left out is its schema default, null where
// it has none. A nested block is an object or null, a repeatable one a list of
// objects, empty where there is none. References are schema.RefType capsules;
// they name blocks and instances that exist. Values may be unknown or marked
// sensitive.
//
// It is no object of package cty: one of those for each of a hundred thousand
// users, with its type, would be most of what is held in memory.
type Body struct {
	of  values
	row int
}

// values are where a body has its values: the columns of its block.
type values interface {
	attr(name string, row int) (cty.Value, bool)
	object(row int) cty.Value
}

// Attr is the value of an argument or nested block. It reports false for a name
// that the block type does not have.
func (b Body) Attr(name string) (cty.Value, bool) { return b.of.attr(name, b.row) }

// Object is the body as an object by the block type's schema.
func (b Body) Object() cty.Value { return b.of.object(b.row) }

// BodyOf makes a body of an object by the block type's schema.
func BodyOf(v cty.Value) Body { return Body{of: objectBody{v}} }

type objectBody struct{ v cty.Value }

func (o objectBody) attr(name string, _ int) (cty.Value, bool) {
	if !o.v.Type().HasAttribute(name) {
		return cty.NilVal, false
	}
	return o.v.GetAttr(name), true
}

func (o objectBody) object(int) cty.Value { return o.v }

func (b *evaluated) attr(name string, row int) (cty.Value, bool) {
	if b.typ.Attribute(name) == nil && b.typ.Block(name) == nil {
		return cty.NilVal, false
	}
	return b.column(name).at(row), true
}

func (b *evaluated) object(row int) cty.Value {
	values := make(map[string]cty.Value, len(b.columns))
	for i := range b.typ.Attributes {
		values[b.typ.Attributes[i].Name] = b.columns[i].at(row)
	}
	for i := range b.typ.Blocks {
		values[b.typ.Blocks[i].Type] = b.columns[len(b.typ.Attributes)+i].at(row)
	}
	return cty.ObjectVal(values)
}
