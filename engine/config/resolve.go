package config

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// resolve finds what each expression of the module reads, and reports what does
// not exist.
func (m *Module) resolve() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, v := range m.variables {
		for _, rule := range v.rules {
			diags = append(diags, m.find(rule.condition, inCheck, nil)...)
			diags = append(diags, m.find(rule.message, inCheck, nil)...)
			if !rule.condition.broken && !rule.condition.uses.reads("var", v.name) {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "Invalid condition",
					Detail:   fmt.Sprintf("The condition of a validation of the variable %q says nothing about its value: it has to read var.%[1]s.", v.name),
					Subject:  rule.condition.Range().Ptr(),
				})
				rule.condition.broken = true
			}
		}
	}
	for _, l := range m.locals {
		diags = append(diags, m.find(l.expr, inLocal, nil)...)
	}
	for _, o := range m.outputs {
		if o.value != nil {
			diags = append(diags, m.findOutput(o, nil)...)
		}
	}
	for _, p := range m.providers {
		diags = append(diags, m.resolveProvider(p)...)
	}
	for _, name := range keys(m.calls) {
		diags = append(diags, m.resolveCall(m.calls[name])...)
	}
	for _, b := range m.blocks {
		diags = append(diags, m.resolveBlock(b)...)
	}
	diags = append(diags, m.resolveChanges()...)
	// After the locals: it looks through them.
	return append(diags, m.resolveEarly()...)
}

func (m *Module) resolveBlock(b *block) hcl.Diagnostics {
	diags := m.resolveBody(&b.body, inBlock, b)
	for _, e := range []*expression{b.forEach, b.count} {
		if e != nil {
			diags = append(diags, m.find(e, inKeys, b.eachAttrs)...)
		}
	}
	diags = append(diags, m.resolveLifecycle(b)...)
	for _, d := range b.dependsOn {
		diags = append(diags, m.checkDependency(d)...)
	}
	if a := b.attrs.named("provider"); a != nil {
		diags = append(diags, m.resolveNamedProviders(b, a)...)
	}
	return diags
}

func (m *Module) resolveBody(b *body, where place, of *block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range b.attrs {
		a := &b.attrs[i]
		if a.schema.Providers {
			continue
		}
		diags = append(diags, m.findWith(a.expr, where, b.each)...)
		if of == nil {
			continue
		}
		for name := range a.expr.uses.eachAttrs {
			note(&of.eachAttrs, name)
		}
		if d := checkMeta(of, a.expr); d != nil {
			diags = append(diags, d)
		}
	}
	for _, list := range b.nested {
		for _, n := range list {
			if n.generator != nil {
				diags = append(diags, m.resolveDynamic(n, where, of)...)
				continue
			}
			diags = append(diags, m.resolveBody(&n.body, where, of)...)
		}
	}
	return diags
}

// checkMeta holds each and count to the blocks that have them.
func checkMeta(b *block, e *expression) *hcl.Diagnostic {
	var name, needs string
	switch {
	case e.uses.each && b.forEach == nil:
		name, needs = "each", metaForEach
	case e.uses.count && b.count == nil:
		name, needs = "count", metaCount
	default:
		return nil
	}
	e.broken = true
	subject := e.Range()
	for _, t := range e.Variables() {
		if t.RootName() == name {
			subject = t.SourceRange()
			break
		}
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid reference",
		Detail:   fmt.Sprintf("%q can only be used in a block with %s, which %s does not have.", name, needs, b.address()),
		Subject:  &subject,
	}
}

func (m *Module) checkDependency(d dependency) hcl.Diagnostics {
	if d.ref.Module != nil {
		return m.checkModuleDependency(d)
	}
	typ := schema.BlockByType(d.ref.Type)
	if typ == nil || !typ.Instances {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid depends_on",
			Detail:   fmt.Sprintf("%s cannot be depended on: only blocks that describe something can, such as server.main.", d.ref.Block()),
			Subject:  &d.rng,
		}}
	}
	b := m.blocks[blockID{d.ref.Type, d.ref.Name}]
	if b == nil {
		return m.undeclared(typ, d.ref.Name, d.rng)
	}
	if d.ref.Key != cty.NilVal && !b.multiple() {
		return hcl.Diagnostics{noInstances(b, d.rng)}
	}
	return nil
}

func (m *Module) undeclared(typ *schema.BlockType, name string, at hcl.Range) hcl.Diagnostics {
	if m.incomplete {
		return nil
	}
	if m.names == nil { // all errors look through the same names
		m.names = map[string][]string{}
		for id := range m.blocks {
			m.names[id.typ] = append(m.names[id.typ], id.name)
		}
	}
	names := m.names[typ.Type]
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Reference to undeclared " + noun(typ),
		Detail:   fmt.Sprintf("There is no %s %q in this configuration.%s", noun(typ), name, suggestion(name, names)),
		Subject:  &at,
	}}
}

func noInstances(b *block, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid reference",
		Detail:   fmt.Sprintf("%s has neither for_each nor count, so it has no instances with keys. Refer to it as %s.", b.address(), b.address()),
		Subject:  &at,
	}
}

// reference takes in a reference to a block.
func (s *scan) reference(typ *schema.BlockType, t hcl.Traversal) {
	ref, rest := splitReference(t)
	if ref.Name == "" {
		s.refuse(t, fmt.Sprintf("A reference names a block: %s.NAME.", typ.Type))
		return
	}
	id := blockID{ref.Type, ref.Name}
	b := s.m.blocks[id]
	if b == nil {
		s.broken = true
		s.diags = append(s.diags, s.m.undeclared(typ, ref.Name, t.SourceRange())...)
		return
	}
	r := s.uses.of(id)
	if r == nil {
		r = &reads{id: id, rng: t.SourceRange()}
		s.uses.blocks = append(s.uses.blocks, r)
	}
	if ref.Key != cty.NilVal {
		if !b.multiple() {
			s.diags = append(s.diags, noInstances(b, t.SourceRange()))
			return
		}
		r.keys = append(r.keys, keyUse{ref.Key, t.SourceRange()})
	}
	if len(rest) == 0 {
		s.bare = append(s.bare, r)
		return
	}
	attr, ok := rest[0].(hcl.TraverseAttr)
	if !ok { // user.staff["a"]["quota"]
		s.bare = append(s.bare, r)
		s.steps(rest)
		return
	}
	switch {
	case b.multiple() && ref.Key == cty.NilVal:
		key := "each.key"
		if b.count != nil {
			key = "0"
		}
		s.refuse(t, fmt.Sprintf("%[1]s has instances with keys. Name the one that is meant, such as %[1]s[%[2]s].%[3]s.", b.address(), key, attr.Name))
	case !isReadable(typ, attr.Name):
		s.diags = append(s.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unsupported attribute",
			Detail:   fmt.Sprintf("A %s has no attribute %q.%s", noun(typ), attr.Name, suggestion(attr.Name, readableNames(typ))),
			Subject:  attr.SrcRange.Ptr(),
		})
	default:
		s.diags = append(s.diags, s.read(r, attr.Name, t.SourceRange())...)
	}
}

// read notes that an attribute of a block is read.
func (s *scan) read(r *reads, name string, at hcl.Range) hcl.Diagnostics {
	note(&r.attrs, name)
	return s.readComputed(s.m.blocks[r.id].typ, name, at)
}

// readComputed notes that what others compute is read, if it is.
func (s *scan) readComputed(typ *schema.BlockType, name string, at hcl.Range) hcl.Diagnostics {
	c := typ.ComputedAttribute(name)
	if c == nil || c.Derived {
		return nil
	}
	if s.where == inOutput {
		if s.output != nil && !s.again {
			s.output.computed = true
			s.output.only = s.output.only || c.OutputOnly
		}
		return nil
	}
	if c.OutputOnly {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid reference",
			Detail:   fmt.Sprintf("The attribute %q of a %s is made of everything else in the configuration. Only an output can read it.", name, typ.Type),
			Subject:  &at,
		}}
	}
	s.m.usesComputed = true
	return nil
}

// root takes in a traversal that does not start from a block.
func (s *scan) root(root string, t hcl.Traversal) {
	name := ""
	if len(t) > 1 {
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			name = step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				name = step.Key.AsString()
			}
		}
	}
	use := rootUse{root, name, t.SourceRange()}
	switch root {
	case "var":
		if s.named(use, t, "variable", "var.NAME", s.m.variables[name] != nil, func() []string { return keys(s.m.variables) }) {
			s.uses.roots = append(s.uses.roots, use)
			s.m.wants(root, name, attributesOf(t[2:])...)
		}
	case "local":
		if s.named(use, t, "local value", "local.NAME", s.m.locals[name] != nil, func() []string { return keys(s.m.locals) }) {
			s.uses.roots = append(s.uses.roots, use)
			s.m.wants(root, name, attributesOf(t[2:])...)
		}
	case "module":
		s.module(t, nil)
	case "path":
		s.known(t, name, "module", "root", "cwd")
	case "mailform":
		s.known(t, name, "workspace")
	case "self":
		if s.selfBlock == nil {
			s.refuse(t, "\"self\" can only be used in a postcondition, where it is the instance itself.")
			return
		}
		typ := s.selfBlock.typ
		if !isReadable(typ, name) {
			s.diags = append(s.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unsupported attribute",
				Detail:   fmt.Sprintf("A %s has no attribute %q.%s", noun(typ), name, suggestion(name, readableNames(typ))),
				Subject:  &use.rng,
			})
			return
		}
		note(&s.uses.self, name)
		s.diags = append(s.diags, s.readComputed(typ, name, use.rng)...)
	case "each":
		s.uses.each = true
		if s.known(t, name, "key", "value") && s.where != inBlock {
			s.refuse(t, "\"each\" can only be used in the arguments of a block with for_each.")
		}
		if name == "value" {
			s.wholeEach = s.wholeEach || len(t) == 2
			for _, step := range t[2:] {
				if attr, ok := step.(hcl.TraverseAttr); ok {
					note(&s.uses.eachAttrs, attr.Name)
				}
			}
		}
	case "count":
		s.uses.count = true
		if s.known(t, name, "index") && s.where != inBlock {
			s.refuse(t, "\"count\" can only be used in the arguments of a block with count.")
		}
	default:
		s.unknownRoot(root, t)
	}
}

// named reports whether something that is referred to by its name is there.
func (s *scan) named(use rootUse, t hcl.Traversal, what, form string, exists bool, names func() []string) bool {
	switch {
	case use.name == "":
		s.refuse(t, fmt.Sprintf("A reference names a %s: %s.", what, form))
	case !exists && s.m.incomplete:
		s.broken = true
	case !exists:
		s.diags = append(s.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Reference to undeclared " + what,
			Detail:   fmt.Sprintf("There is no %s %q in this configuration.%s", what, use.name, suggestion(use.name, names())),
			Subject:  &use.rng,
		})
	default:
		return true
	}
	return false
}

// known holds the second part of a traversal to a few names.
func (s *scan) known(t hcl.Traversal, name string, names ...string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = t.RootName() + "." + n
	}
	what := t.RootName()
	if name != "" {
		what += "." + name
	}
	s.refuse(t, fmt.Sprintf("There is no %s. There is %s.%s", what, schema.Or(full), suggestion(name, names)))
	return false
}

// unknownRoot words an error about a name that stands for nothing.
func (s *scan) unknownRoot(root string, t hcl.Traversal) {
	names := []string{"var", "local", "module", "path", "mailform", "each", "count"}
	for _, b := range schema.Blocks() {
		if b.Instances {
			names = append(names, b.Type)
		}
	}
	detail := fmt.Sprintf("%q is not the name of anything that can be referred to.%s", root, suggestion(root, names))
	if len(t) == 1 && suggestion(root, names) == "" {
		detail = fmt.Sprintf("%q stands for nothing here. A reference has a type and a name, such as user.%s; a text stands in quotation marks.", root, root)
	}
	s.refuse(t, detail)
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
