package config

import (
	"cmp"
	"encoding/json"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// An Outline is what the files of a module declare, before anything is
// evaluated: for tools that look into a plan for where a value comes from. It
// has no values of sensitive attributes and variables.
type Outline struct {
	Providers []OutlineBlock    `json:"providers,omitempty"` // Name is the provider's; ordered by name and alias
	Variables []OutlineVariable `json:"variables,omitempty"`
	Outputs   []OutlineOutput   `json:"outputs,omitempty"`
	Blocks    []OutlineBlock    `json:"blocks,omitempty"` // ordered by type and name
	Calls     []OutlineCall     `json:"calls,omitempty"`  // ordered by name
}

// An OutlineCall is a module block, with what the files of the module declare.
type OutlineCall struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Arguments are ordered by name; those for sensitive variables have no value.
	Arguments []OutlineArgument  `json:"arguments,omitempty"`
	ForEach   *OutlineExpression `json:"for_each,omitempty"`
	Count     *OutlineExpression `json:"count,omitempty"`
	DependsOn []string           `json:"depends_on,omitempty"`
	Module    *Outline           `json:"module,omitempty"`
}

// An OutlineBlock is a block of a file.
type OutlineBlock struct {
	Type    string      `json:"type"`
	Name    string      `json:"name"`
	Alias   string      `json:"alias,omitempty"`   // of a provider
	Targets []string    `json:"targets,omitempty"` // what the argument "provider" names
	Body    OutlineBody `json:"body"`
	// ForEach and Count are nil where there is none.
	ForEach   *OutlineExpression `json:"for_each,omitempty"`
	Count     *OutlineExpression `json:"count,omitempty"`
	DependsOn []string           `json:"depends_on,omitempty"`
}

// An OutlineBody is what stands between braces.
type OutlineBody struct {
	Arguments []OutlineArgument `json:"arguments,omitempty"` // in the order of the schema
	Blocks    []OutlineNested   `json:"blocks,omitempty"`
}

// An OutlineArgument is an argument of a block.
type OutlineArgument struct {
	Name string `json:"name"`
	OutlineExpression
}

// An OutlineNested is a nested block. Of a dynamic one it is the content.
type OutlineNested struct {
	Type string      `json:"type"`
	Body OutlineBody `json:"body"`
}

// An OutlineExpression is what stands behind an equals sign.
type OutlineExpression struct {
	// Constant is the value, in JSON, of an expression that hangs on nothing, and
	// nil for any other and for what is sensitive.
	Constant json.RawMessage `json:"constant,omitempty"`
	// References are what the expression reads, each followed by the block that
	// it is an attribute of.
	References []string `json:"references,omitempty"`
}

// An OutlineVariable is a variable.
type OutlineVariable struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"` // nil: none, or sensitive
	Sensitive   bool            `json:"sensitive,omitempty"`
}

// An OutlineOutput is an output.
type OutlineOutput struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Value       OutlineExpression `json:"value"`
	Sensitive   bool              `json:"sensitive,omitempty"`
}

// Outline tells what the files declare.
func (m *Module) Outline() *Outline {
	o := &Outline{}
	for id, b := range m.providers {
		out := OutlineBlock{Type: "provider", Name: id.name, Alias: id.alias, Body: outlineBody(&b.body, b.typ.Attributes, b.typ.Blocks)}
		o.Providers = append(o.Providers, out)
	}
	sort.Slice(o.Providers, func(i, j int) bool {
		a, b := &o.Providers[i], &o.Providers[j]
		return a.Name < b.Name || a.Name == b.Name && a.Alias < b.Alias
	})
	for _, name := range keys(m.variables) {
		v := m.variables[name]
		out := OutlineVariable{Name: name, Description: v.description, Sensitive: m.SensitiveVariable(name)}
		if !out.Sensitive {
			out.Default = constant(v.def)
		}
		o.Variables = append(o.Variables, out)
	}
	for _, name := range keys(m.outputs) {
		out := m.outputs[name]
		if out.value == nil {
			continue // reported
		}
		o.Outputs = append(o.Outputs, OutlineOutput{Name: name, Description: out.description, Value: outlineExpression(out.value, out.sensitive), Sensitive: out.sensitive})
	}
	ids := make([]blockID, 0, len(m.blocks))
	for id := range m.blocks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b blockID) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.name, b.name))
	})
	for _, id := range ids {
		o.Blocks = append(o.Blocks, outlineBlock(m.blocks[id]))
	}
	for _, name := range keys(m.calls) {
		o.Calls = append(o.Calls, outlineCall(m.calls[name]))
	}
	return o
}

func outlineCall(c *call) OutlineCall {
	b := outlineBlock(c.block)
	out := OutlineCall{Name: c.name, Source: c.from, ForEach: b.ForEach, Count: b.Count, DependsOn: b.DependsOn}
	for i := range c.attrs {
		a, secret := &c.attrs[i], false
		if c.child != nil {
			v := c.child.variables[a.schema.Name]
			secret = v == nil || v.sensitive || v.ephemeral
		}
		out.Arguments = append(out.Arguments, OutlineArgument{a.schema.Name, outlineExpression(a.expr, secret)})
	}
	if c.child != nil {
		out.Module = c.child.Outline()
	}
	return out
}

func outlineBlock(b *block) OutlineBlock {
	out := OutlineBlock{Type: b.typ.Type, Name: b.name, Body: outlineBody(&b.body, b.typ.Attributes, b.typ.Blocks)}
	for _, x := range []struct {
		from *expression
		to   **OutlineExpression
	}{{b.forEach, &out.ForEach}, {b.count, &out.Count}} {
		if x.from != nil {
			e := outlineExpression(x.from, false)
			*x.to = &e
		}
	}
	for _, d := range b.dependsOn {
		out.DependsOn = append(out.DependsOn, d.ref.String())
	}
	for _, a := range b.attrs {
		for _, ref := range a.named {
			out.Targets = append(out.Targets, ref.String())
		}
	}
	return out
}

func outlineBody(b *body, attrs []schema.Attribute, blocks []schema.NestedBlock) OutlineBody {
	var out OutlineBody
	for i := range attrs {
		if a := b.attrs.named(attrs[i].Name); a != nil {
			out.Arguments = append(out.Arguments, OutlineArgument{attrs[i].Name, outlineExpression(a.expr, attrs[i].Sensitive)})
		}
	}
	for i := range blocks {
		for _, n := range b.nested[blocks[i].Type] {
			out.Blocks = append(out.Blocks, OutlineNested{blocks[i].Type, outlineBody(&n.body, blocks[i].Attributes, nil)})
		}
	}
	return out
}

func outlineExpression(e *expression, sensitive bool) OutlineExpression {
	var out OutlineExpression
	for _, t := range e.Variables() {
		for _, ref := range referenceTexts(t) {
			if !slices.Contains(out.References, ref) {
				out.References = append(out.References, ref)
			}
		}
	}
	if sensitive || e.broken || e.hidden || len(out.References) > 0 || calls(e) {
		return out
	}
	if v, diags := e.Value(nil); !diags.HasErrors() && v.IsWhollyKnown() {
		out.Constant = constant(v)
	}
	return out
}

// constant writes a value in JSON; nil for one that has none.
func constant(v cty.Value) json.RawMessage {
	if v == cty.NilVal || v.IsMarked() || !v.IsWhollyKnown() || holdsHash(v) {
		return nil
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	return raw
}

// calls reports whether an expression calls a function: what that comes to is
// not for certain the same the next time.
func calls(e *expression) bool {
	found := false
	// The walk finds nothing to say.
	_ = hclsyntax.VisitAll(unwrapped(e), func(n hclsyntax.Node) hcl.Diagnostics {
		_, call := n.(*hclsyntax.FunctionCallExpr)
		found = found || call
		return nil
	})
	return found
}

// referenceTexts writes what is read, and then what it is a part of, up to a
// variable, a local or a block.
func referenceTexts(t hcl.Traversal) []string {
	text := ""
	var all []string
	for i, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			text = s.Name
		case hcl.TraverseAttr:
			text += "." + s.Name
		case hcl.TraverseIndex:
			text += schema.IndexString(s.Key)
		default:
			return all
		}
		if i > 0 || len(t) == 1 {
			all = append(all, text)
		}
	}
	slices.Reverse(all) // what is read comes first
	return all
}
