package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// maxErrors bounds the errors of one argument over the instances of a block:
// what is wrong in five rows of a spreadsheet is wrong in all of them.
const maxErrors = 5

// column evaluates an argument, a nested block type or a derived attribute for
// all instances of a block. Its state is running where it hangs on itself.
func (e *evaluator) column(b *evaluated, name string) *column {
	c := b.column(name)
	at := b.header
	if a := b.attrs.named(name); a != nil {
		at = a.nameRange
	} else if s := b.typ.Attribute(name); s != nil && !s.Required && !s.Providers && b.state == done && c.state == untouched {
		// Most arguments of most blocks are left out: nothing can go wrong here.
		c.values, c.state = e.defaults(s), done
		return c
	}
	if !e.enter(&c.state, b.address()+"."+name, at) {
		return c
	}
	defer e.leave(&c.state)
	if !e.keys(b) {
		c.values = []cty.Value{cty.DynamicVal}
		return c
	}
	if n := b.typ.Block(name); n != nil {
		c.values = e.nestedColumn(b, n)
	} else if s := b.typ.Attribute(name); s != nil {
		c.values = e.attributeColumn(b, &b.body, s, "")
	} else if isData(b.typ) {
		c.values = e.dataColumn(b, name)
	} else {
		c.values = e.addressColumn(b)
	}
	return c
}

// attributeColumn evaluates one argument. within is the nested block that it
// stands in; empty for the block itself.
func (e *evaluator) attributeColumn(b *evaluated, body *body, s *schema.Attribute, within string) []cty.Value {
	a := body.attrs.named(s.Name)
	if s.Providers {
		return e.providerColumn(b, a, s)
	}
	if a == nil && s.Required {
		return []cty.Value{cty.UnknownVal(s.Type)} // reported
	}
	if a == nil {
		return e.defaults(s)
	}
	if !a.expr.uses.each && !a.expr.uses.count {
		p := slot{attr: a, within: within, owner: e.path.Prefix() + b.address()}
		v, diags := e.fill(p, e.context(a.expr))
		e.report(diags...)
		return []cty.Value{v}
	}
	ctx := e.context(a.expr)
	if values, ok := e.sideBySide(b, a, within, ctx); ok {
		return values
	}
	values := make([]cty.Value, len(b.instances))
	failed := 0
	own := ctx.NewChild()
	own.Variables = make(map[string]cty.Value, 1)
	for i := range b.instances {
		if failed == maxErrors {
			values[i] = cty.UnknownVal(s.Type)
			continue
		}
		own.Variables[b.ownName()] = b.instances[i].own
		p := slot{attr: a, within: within, ref: schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}}
		v, diags := e.fill(p, own)
		values[i] = v
		if diags.HasErrors() {
			// The diagnostics keep the context, so that the next instance needs another.
			own = ctx.NewChild()
			own.Variables = make(map[string]cty.Value, 1)
			if failed++; failed == maxErrors && i < len(b.instances)-1 {
				diags[len(diags)-1].Detail += " Further instances were not looked at."
			}
		}
		e.report(diags...)
	}
	return values
}

// defaults is the column of an attribute that was left out, the same one for all
// blocks.
func (e *evaluator) defaults(s *schema.Attribute) []cty.Value {
	c := e.left[s]
	if c == nil {
		c = []cty.Value{defaultOf(s)}
		e.left[s] = c
	}
	return c
}

// none is the column of a nested block that was left out.
func (e *evaluator) none(s *schema.NestedBlock) []cty.Value {
	c := e.leftBlocks[s]
	if c == nil {
		c = []cty.Value{collect(s, nil, false)}
		e.leftBlocks[s] = c
	}
	return c
}

// ownName is the name under which an instance knows its own key.
func (b *evaluated) ownName() string {
	if b.count != nil {
		return "count"
	}
	return "each"
}

// fill evaluates an argument in a context and makes it fit.
func (e *evaluator) fill(p slot, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.value(p.attr.expr, ctx)
	if diags.HasErrors() {
		v = cty.UnknownVal(p.attr.schema.Type)
		if p.ref.Key != cty.NilVal {
			for _, d := range diags {
				d.Detail += fmt.Sprintf("\n\nThis is in %s.", p.ref)
			}
		}
	} else {
		var problems hcl.Diagnostics
		v, problems = p.finish(v)
		for _, d := range problems {
			d.Expression, d.EvalContext = p.attr.expr, ctx
		}
		diags = append(diags, problems...)
	}
	if p.attr.schema.Sensitive { // what a secret is made of is as secret as itself
		for _, d := range diags {
			d.Expression, d.EvalContext = nil, nil
		}
	}
	return v, diags
}

// nestedColumn evaluates all nested blocks of a type.
func (e *evaluator) nestedColumn(b *evaluated, s *schema.NestedBlock) []cty.Value {
	found := b.nested[s.Type]
	if len(found) == 0 {
		return e.none(s)
	}
	rows := 1
	parts := make([][]generated, len(found))
	for i, n := range found {
		if n.generator != nil {
			parts[i] = e.generate(b, n, s)
		} else {
			parts[i] = e.written(b, n, s)
		}
		// No rows at all: it differs between instances, and there are none.
		rows = max(rows, len(parts[i]))
	}
	values := make([]cty.Value, rows)
	for row := range values {
		var blocks []cty.Value
		unknown := false
		for _, p := range parts {
			if len(p) == 0 {
				continue
			}
			g := p[min(row, len(p)-1)]
			blocks = append(blocks, g.blocks...)
			unknown = unknown || g.unknown
		}
		values[row] = collect(s, blocks, unknown)
	}
	return values
}

// collect makes the value of a nested block type out of its blocks.
func collect(s *schema.NestedBlock, blocks []cty.Value, unknown bool) cty.Value {
	switch {
	case unknown && s.Repeatable:
		return cty.UnknownVal(cty.List(s.ImpliedType()))
	case unknown:
		return cty.UnknownVal(s.ImpliedType())
	case len(blocks) == 0 && s.Repeatable:
		return cty.ListValEmpty(s.ImpliedType())
	case len(blocks) == 0:
		return cty.NullVal(s.ImpliedType())
	case s.Repeatable:
		return cty.ListVal(blocks)
	}
	return blocks[0]
}

// written evaluates a nested block that stands in the file as it is, for all
// instances, or once where it is the same for all.
func (e *evaluator) written(b *evaluated, n *nested, s *schema.NestedBlock) []generated {
	rows := 1
	columns := make([]*column, len(s.Attributes))
	for j := range s.Attributes {
		columns[j] = &column{values: e.attributeColumn(b, &n.body, &s.Attributes[j], s.Type)}
		rows = max(rows, len(columns[j].values))
	}
	out := make([]generated, rows)
	for row := range out {
		attrs := make(map[string]cty.Value, len(s.Attributes))
		for j := range s.Attributes {
			if len(columns[j].values) > 0 {
				attrs[s.Attributes[j].Name] = columns[j].at(row)
			} else {
				attrs[s.Attributes[j].Name] = cty.UnknownVal(s.Attributes[j].Type)
			}
		}
		out[row].blocks = []cty.Value{cty.ObjectVal(attrs)}
	}
	return out
}

// addressColumn derives the addresses of users and aliases from their names
// and the names of their domains.
func (e *evaluator) addressColumn(b *evaluated) []cty.Value {
	names, domains := e.column(b, "name"), e.column(b, "domain")
	if names.state != done || domains.state != done {
		return []cty.Value{cty.UnknownVal(cty.String)}
	}
	values := make([]cty.Value, max(len(names.values), len(domains.values)))
	for i := range values {
		values[i] = e.address(names.at(i), domains.at(i))
	}
	return values
}

func (e *evaluator) address(name, domain cty.Value) cty.Value {
	unknown := cty.UnknownVal(cty.String)
	ref, ok := schema.AsRef(domain)
	if !ok {
		return unknown
	}
	in := e.evaluatorOf(ref.Module)
	if in == nil {
		return unknown
	}
	d := in.blocks[blockID{ref.Type, ref.Name}]
	if d == nil || !in.keys(d) {
		return unknown
	}
	i, ok := d.find(ref.Key)
	if !ok || d.unknown {
		return unknown
	}
	of := in.column(d, "name")
	if of.state != done {
		return unknown
	}
	name, marks := name.Unmark()
	domainName, more := of.at(i).Unmark()
	local, ok := plainString(name)
	if !ok {
		return unknown.WithMarks(marks, more)
	}
	host, ok := plainString(domainName)
	if !ok {
		return unknown.WithMarks(marks, more)
	}
	local, err := schema.ParseLocalPart(local)
	if err != nil {
		return unknown // reported
	}
	host, err = schema.ParseDomainName(host)
	if err != nil {
		return unknown
	}
	return cty.StringVal(schema.Address{Local: local, Domain: host}.String()).WithMarks(marks, more)
}

// plainString is a known string that is not sensitive.
func plainString(v cty.Value) (string, bool) {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// AttrRange finds where an attribute was written, by a path such as
// "mx[0].preference". It falls back to the block around it.
func (b *block) AttrRange(path string) hcl.Range {
	name, index, rest := cutPath(path)
	if a := b.attrs.named(name); a != nil {
		return elementRange(a, index)
	}
	n := b.nestedAt(name, max(index, 0))
	if n == nil {
		return b.header
	}
	name, index, _ = cutPath(rest)
	if a := n.attrs.named(name); a != nil {
		return elementRange(a, index)
	}
	return n.header
}

// nestedAt finds the nested block that made an element of the list; nil for
// none. Where a dynamic block stands before it, that is taken for the one.
func (b *block) nestedAt(name string, index int) *nested {
	for i, n := range b.nested[name] {
		if i == index || n.generator != nil {
			return n
		}
	}
	return nil
}

// elementRange is the range of an element of a list that was written as one,
// of the whole value for index -1.
func elementRange(a *attribute, index int) hcl.Range {
	if items := elements(a.expr); index >= 0 && index < len(items) {
		return items[index].Range()
	}
	return a.expr.Range()
}

// cutPath takes the first step off a path: its name, its index or -1, and what
// follows.
func cutPath(path string) (name string, index int, rest string) {
	end := len(path)
	for i := range path {
		if path[i] == '.' || path[i] == '[' {
			end = i
			break
		}
	}
	name, rest, index = path[:end], path[end:], -1
	if len(rest) > 0 && rest[0] == '[' {
		n := 0
		i := 1
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9' && i < 10; i++ {
			n = n*10 + int(rest[i]-'0')
		}
		if i > 1 && i < len(rest) && rest[i] == ']' {
			index, rest = n, rest[i+1:]
		}
	}
	if len(rest) > 0 && rest[0] == '.' {
		rest = rest[1:]
	}
	return name, index, rest
}

var _ Source = (*block)(nil)

func toBool(v cty.Value) (bool, error) {
	if v.IsNull() {
		return false, fmt.Errorf("it is null")
	}
	if !v.IsKnown() {
		return true, nil
	}
	if v.Type() != cty.Bool {
		return false, fmt.Errorf("it is a %s", v.Type().FriendlyName())
	}
	return v.True(), nil
}
