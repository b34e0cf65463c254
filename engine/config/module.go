package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A call is a module block as it was written. The arguments of its block are
// those for the variables of the module.
type call struct {
	*block
	source *expression
	from   string // source as it is; empty where it could not be told
	// providers are handed over, by what the module calls them.
	providers map[string]passed
	child     *Module // nil where it could not be loaded
}

// A passed provider.
type passed struct {
	expr providerRef
	rng  hcl.Range
}

const metaProviders = "providers"

var callSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "source", Required: true}, {Name: "version"}, {Name: metaProviders},
		{Name: metaForEach}, {Name: metaCount}, {Name: metaDependsOn},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: metaLifecycle}},
}

// reserved are the names that no variable of a called module can have.
func reserved(name string) bool {
	return name == metaLifecycle || slices.ContainsFunc(callSchema.Attributes, func(a hcl.AttributeSchema) bool { return a.Name == name })
}

// decodeCall takes in a module block.
func (m *Module) decodeCall(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("module")
	c := &call{block: &block{typ: typ, name: hb.Labels[0], header: hb.DefRange, lifecycle: &lifecycle{}}, providers: map[string]passed{}}
	content, rest, diags := hb.Body.PartialContent(callSchema)
	args, more := rest.JustAttributes()
	if body, ok := hb.Body.(*hclsyntax.Body); ok {
		more = nil // it objects to all blocks, and one of them is taken in already
		for _, b := range body.Blocks {
			if b.Type != metaLifecycle {
				more = append(more, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "Unsupported block type",
					Detail:   fmt.Sprintf("Blocks of type %q are not expected here: what a module gets are arguments, %s = …", b.Type, b.Type),
					Subject:  b.TypeRange.Ptr(),
				})
			}
		}
	}
	diags = append(diags, more...)
	c.attrs = make(attributes, 0, len(args))
	for _, name := range keys(args) {
		a := attribute{schema: &schema.Attribute{Name: name, Type: cty.DynamicPseudoType}, nameRange: args[name].NameRange}
		a.expr, more = normalize(args[name].Expr)
		diags = append(diags, more...)
		c.attrs = append(c.attrs, a)
	}
	diags = append(diags, c.decodeMeta(&hcl.BodyContent{Attributes: content.Attributes})...)
	diags = append(diags, c.decodeEnabled(content.Blocks)...)
	if a := content.Attributes["version"]; a != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unsupported argument",
			Detail:   "There is no registry of modules, so that there are no versions to choose from. The version of a git source is part of it: ?ref=v1.2.",
			Subject:  a.NameRange.Ptr(),
		})
	}
	if a := content.Attributes[metaProviders]; a != nil {
		diags = append(diags, c.decodePassed(a)...)
	}
	if a := content.Attributes["source"]; a != nil {
		c.source, more = normalize(a.Expr)
		diags = append(diags, more...)
	}
	if other := m.calls[c.name]; other != nil {
		return append(diags, duplicate(fmt.Sprintf("A module named %q", c.name), other.header, hb.DefRange))
	}
	m.calls[c.name] = c
	return diags
}

// decodeEnabled takes in the lifecycle block of a call: whether it is made.
func (c *call) decodeEnabled(blocks hcl.Blocks) hcl.Diagnostics {
	if len(blocks) > 1 {
		return hcl.Diagnostics{duplicateBlock(metaLifecycle, blocks[1].DefRange)}
	}
	if len(blocks) == 0 {
		return nil
	}
	content, diags := contentOf(blocks[0].Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "enabled"}}})
	if a := content.Attributes["enabled"]; a != nil {
		diags = append(diags, c.decodeIsEnabled(a)...)
	}
	return diags
}

// pathOf is the value of the name path in a module.
func (m *Module) pathOf() cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"module": cty.StringVal(path.Clean(m.path)), "root": cty.StringVal("."), "cwd": cty.StringVal(m.root.dir),
	})
}

func duplicateBlock(typ string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Duplicate block",
		Detail:   fmt.Sprintf("The block %q can stand here once.", typ),
		Subject:  &at,
	}
}

// resolveCall finds what a module block reads, and holds its arguments to the
// variables of the module.
func (m *Module) resolveCall(c *call) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range c.attrs {
		diags = append(diags, m.resolveArgument(c, &c.attrs[i], nil)...)
	}
	for _, p := range c.providers {
		if p.expr.key != nil {
			diags = append(diags, m.find(p.expr.key, inBlock, nil)...)
			if d := checkMeta(c.block, p.expr.key); d != nil {
				diags = append(diags, d)
			}
		}
		diags = append(diags, m.checkProvider(p.expr)...)
	}
	for _, e := range []*expression{c.forEach, c.count, c.lifecycle.enabled} {
		if e != nil {
			diags = append(diags, m.find(e, inKeys, c.eachAttrs)...)
		}
	}
	for _, d := range c.dependsOn {
		diags = append(diags, m.checkDependency(d)...)
	}
	if c.child == nil {
		return diags
	}
	c.child.flow.callers = append(c.child.flow.callers, caller{m, c})
	return append(diags, m.checkArguments(c)...)
}

// resolveArgument finds what an argument for a module reads. extra are
// attributes that the module reads of it.
func (m *Module) resolveArgument(c *call, a *attribute, extra map[string]bool) hcl.Diagnostics {
	diags := m.find(a.expr, inBlock, extra)
	for name := range a.expr.uses.eachAttrs {
		note(&c.eachAttrs, name)
	}
	if d := checkMeta(c.block, a.expr); d != nil {
		diags = append(diags, d)
	}
	if c.child != nil {
		if v := c.child.variables[a.schema.Name]; v != nil && v.sensitive {
			m.blank(a.expr)
		}
	}
	return diags
}

func (m *Module) checkArguments(c *call) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range c.attrs {
		if name := c.attrs[i].schema.Name; c.child.variables[name] == nil && !c.child.incomplete {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unsupported argument",
				Detail:   fmt.Sprintf("The module in %s has no variable %q.%s", c.child.path, name, suggestion(name, keys(c.child.variables))),
				Subject:  c.attrs[i].nameRange.Ptr(),
			})
		}
	}
	for _, name := range keys(c.child.variables) {
		if v := c.child.variables[name]; v.def == cty.NilVal && c.attrs.named(name) == nil && !m.incomplete {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Missing required argument",
				Detail:   fmt.Sprintf("The argument %q of %s is required: the variable has no default (%s).", name, c.address(), v.header),
				Subject:  c.header.Ptr(),
			})
		}
	}
	for _, name := range c.child.neededProviders() {
		if _, ok := c.providers[name]; !ok {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Provider not handed over",
				Detail: fmt.Sprintf("The module in %s works with a provider that it calls %s, which %s has to hand over: providers = { %s = … }.",
					c.child.path, name, c.address(), name),
				Subject: c.header.Ptr(),
			})
		}
	}
	for _, name := range keys(c.providers) {
		if base, alias, _ := strings.Cut(name, "."); schema.ProviderByName(base) == nil || alias != "" && !hclsyntax.ValidIdentifier(alias) {
			diags = append(diags, unknownProvider(base, c.providers[name].rng))
		}
	}
	return diags
}

// checkModuleDependency holds an element of depends_on to the called modules.
func (m *Module) checkModuleDependency(d dependency) hcl.Diagnostics {
	c := m.calls[d.ref.Module.Name()]
	switch {
	case c == nil && m.incomplete:
		return nil
	case c == nil:
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Reference to undeclared module",
			Detail:   fmt.Sprintf("There is no module %q in this configuration.%s", d.ref.Module.Name(), suggestion(d.ref.Module.Name(), keys(m.calls))),
			Subject:  &d.rng,
		}}
	case d.ref.Module.Key() != cty.NilVal && !c.multiple():
		return hcl.Diagnostics{noInstances(c.block, d.rng)}
	}
	return nil
}
