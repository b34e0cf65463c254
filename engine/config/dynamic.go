package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const blockDynamic = "dynamic"

// A generator makes nested blocks of one type out of a collection: what a
// dynamic block says beyond its content.
type generator struct {
	forEach  *expression
	iterator string // what an element is called within the content
}

var dynamicSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: metaForEach, Required: true}, {Name: "iterator"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
}

// decodeDynamic takes in a dynamic block that makes nested blocks as s says.
func decodeDynamic(hb *hcl.Block, s *schema.NestedBlock) (*nested, hcl.Diagnostics) {
	outer, diags := contentOf(hb.Body, dynamicSchema)
	g := &generator{iterator: s.Type}
	n := &nested{header: hb.DefRange, generator: g}
	if a := outer.Attributes[metaForEach]; a != nil {
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		g.forEach = expr
	} else {
		g.forEach = &expression{Expression: &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: hb.DefRange}, uses: noUses, broken: true}
	}
	if a := outer.Attributes["iterator"]; a != nil {
		if word := hcl.ExprAsKeyword(a.Expr); word != "" {
			g.iterator = word
		} else if err := staticValue(a, cty.String, &g.iterator); err.HasErrors() || !hclsyntax.ValidIdentifier(g.iterator) {
			g.iterator = s.Type
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid iterator",
				Detail:   "The argument iterator is a bare word: the name under which the content sees the element that it is made for.",
				Subject:  a.Expr.Range().Ptr(),
			})
		}
	}
	contents := outer.Blocks.OfType("content")
	if len(contents) != 1 {
		at := hb.DefRange
		if len(contents) > 1 {
			at = contents[1].DefRange
		}
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid dynamic block",
			Detail:   "A dynamic block has exactly one block \"content\", which says what each of the blocks holds.",
			Subject:  &at,
		})
	}
	if len(contents) == 0 {
		return n, diags
	}
	inner, more := contentOf(contents[0].Body, bodySchema(s.Attributes, nil, false))
	diags = append(diags, more...)
	diags = append(diags, n.decode(inner, s.Attributes, nil)...)
	return n, diags
}

// resolveDynamic finds what a dynamic block reads: first its content, which
// tells what is read of the elements.
func (m *Module) resolveDynamic(n *nested, where place, of *block) hcl.Diagnostics {
	n.each = n.generator.iterator
	diags := m.resolveBody(&n.body, where, of)
	read := map[string]bool{}
	for i := range n.attrs {
		for name := range n.attrs[i].expr.uses.iteratorAttrs {
			read[name] = true
		}
	}
	x := n.generator.forEach
	diags = append(diags, m.find(x, where, read)...)
	if of == nil {
		return diags
	}
	for name := range read { // an element may come from each.value
		note(&of.eachAttrs, name)
	}
	for name := range x.uses.eachAttrs {
		note(&of.eachAttrs, name)
	}
	if d := checkMeta(of, x); d != nil {
		diags = append(diags, d)
	}
	return diags
}

// A generated is what a nested block comes to for one instance.
type generated struct {
	blocks  []cty.Value
	unknown bool // how many there are is not known
}

// generate evaluates a dynamic block for all instances, or once where it is
// the same for all.
func (e *evaluator) generate(b *evaluated, n *nested, s *schema.NestedBlock) []generated {
	perInstance := n.generator.forEach.ownKeys()
	for i := range n.attrs {
		perInstance = perInstance || n.attrs[i].expr.ownKeys()
	}
	of := make([]slot, 1)
	if perInstance {
		of = make([]slot, len(b.instances))
	}
	g := generation{e: e, b: b, n: n, s: s, keys: e.context(n.generator.forEach), args: map[string]*hcl.EvalContext{}}
	for i := range n.attrs {
		g.args[n.attrs[i].schema.Name] = e.context(n.attrs[i].expr)
	}
	rows := make([]generated, len(of))
	failed := 0
	for i := range of {
		if failed == maxErrors {
			rows[i].unknown = true
			continue
		}
		var own cty.Value
		p := slot{within: s.Type, owner: e.path.Prefix() + b.address()}
		if perInstance {
			own = b.instances[i].own
			if !b.unknown {
				p = slot{within: s.Type, ref: schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}}
			}
		}
		var diags hcl.Diagnostics
		rows[i], diags = g.row(p, own)
		if diags.HasErrors() {
			failed++
		}
		e.report(diags...)
	}
	return rows
}

// A generation is the evaluation of one dynamic block.
type generation struct {
	e    *evaluator
	b    *evaluated
	n    *nested
	s    *schema.NestedBlock
	keys *hcl.EvalContext            // of for_each
	args map[string]*hcl.EvalContext // of the arguments
}

// row makes the blocks of one instance. own is its each or count, or NilVal.
func (g *generation) row(p slot, own cty.Value) (generated, hcl.Diagnostics) {
	x := g.n.generator.forEach
	v, diags := g.e.value(x, g.within(g.keys, own, cty.NilVal, cty.NilVal))
	if diags.HasErrors() {
		return generated{unknown: true}, diags
	}
	if problem := g.check(v); problem != "" {
		owner := p.owner
		if owner == "" {
			owner = p.ref.String()
		}
		return generated{unknown: true}, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid for_each",
			Detail:   fmt.Sprintf("The argument for_each of the dynamic block %q in %s cannot be used. %s", g.s.Type, owner, problem),
			Subject:  x.Range().Ptr(),
		})
	}
	if !v.IsKnown() || v.Type().IsSetType() && !v.IsWhollyKnown() {
		_, more := g.block(p, own, cty.DynamicVal, cty.DynamicVal)
		return generated{unknown: true}, append(diags, more...)
	}
	var out generated
	set := v.Type().IsSetType()
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if set {
			key = value
		}
		block, more := g.block(p, own, key, value)
		diags = append(diags, more...)
		out.blocks = append(out.blocks, block)
		if more.HasErrors() {
			break
		}
	}
	return out, diags
}

// check explains what is wrong with a value of for_each; "" for nothing.
func (g *generation) check(v cty.Value) string {
	const expected = "It has to be a list, a set, a map or an object"
	switch t := v.Type(); {
	case v.HasMark(Ephemeral):
		return "The value is ephemeral, and how many blocks there are would have to be remembered."
	case v.IsMarked():
		return "The value is sensitive, and how many blocks there are is shown. Where that is no secret, nonsensitive() says so."
	case v.IsNull():
		return expected + ", and is null. For no blocks, use []."
	case !v.IsKnown() && g.e.mayBeUnknown():
		return ""
	case !v.IsKnown():
		return "It is not known before apply how many blocks there are. Only the values of arguments may follow later."
	case !t.IsListType() && !t.IsTupleType() && !t.IsSetType() && !t.IsMapType() && !t.IsObjectType():
		return expected + fmt.Sprintf(", and is %s.", article(t.FriendlyName()))
	case !g.s.Repeatable && v.LengthInt() > 1:
		return fmt.Sprintf("The block can stand once, and there are %d elements.", v.LengthInt())
	}
	if _, ok := asRef(v); ok {
		return expected + ", and is a reference to a block."
	}
	return ""
}

// block makes one block.
func (g *generation) block(p slot, own, key, value cty.Value) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	values := make(map[string]cty.Value, len(g.s.Attributes))
	for i := range g.s.Attributes {
		s := &g.s.Attributes[i]
		a := g.n.attrs.named(s.Name)
		switch {
		case a == nil && s.Required:
			values[s.Name] = cty.UnknownVal(s.Type) // reported
		case a == nil:
			values[s.Name] = defaultOf(s)
		default:
			p.attr = a
			var more hcl.Diagnostics
			values[s.Name], more = g.e.fill(p, g.within(g.args[s.Name], own, key, value))
			diags = append(diags, more...)
		}
	}
	return cty.ObjectVal(values), diags
}

// within makes the context of one instance and one element.
func (g *generation) within(ctx *hcl.EvalContext, own, key, value cty.Value) *hcl.EvalContext {
	child := ctx.NewChild()
	child.Variables = make(map[string]cty.Value, 2)
	if own != cty.NilVal {
		child.Variables[g.b.ownName()] = own
	}
	if key != cty.NilVal {
		child.Variables[g.n.generator.iterator] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
	}
	return child
}
