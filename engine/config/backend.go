package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Backend says where the state is kept.
type Backend struct {
	// Type is the label of the block: "http".
	Type string
	// Value is an object by the block type's schema. Values may be marked
	// sensitive, and unknown under AllowUnset.
	Value cty.Value
	Range hcl.Range
}

// backendHeader lets a backend block stand in the block mailform.
var backendHeader = hcl.BlockHeaderSchema{Type: "backend", LabelNames: []string{"type"}}

func (m *Module) decodeBackend(hb *hcl.Block) hcl.Diagnostics {
	name := hb.Labels[0]
	typ := schema.BackendByName(name)
	if typ == nil {
		var known []string
		for _, b := range schema.Backends() {
			known = append(known, b.Label)
		}
		m.incomplete = true // nobody knows where the state is
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Unknown backend",
			Detail:   fmt.Sprintf("There is no backend %q. A state can be kept in %s.%s", name, schema.Or(known), suggestion(name, known)),
			Subject:  hb.LabelRanges[0].Ptr(),
		}}
	}
	if m.backend != nil {
		return hcl.Diagnostics{duplicate("A backend", m.backend.header, hb.DefRange)}
	}
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, nil, false))
	b := &block{typ: typ, name: name, header: hb.DefRange, lifecycle: usual}
	diags = append(diags, b.decode(content, typ.Attributes, nil)...)
	m.redact(b)
	m.backend = b
	return diags
}

// resolveEarly holds the arguments of the blocks backend and encryption to what is
// known before the state is: variables, functions, and locals that are made of
// those.
func (m *Module) resolveEarly() hcl.Diagnostics {
	var diags hcl.Diagnostics
	if m.backend != nil {
		diags = m.resolveEarlyBody(&m.backend.body, "a backend", "whose state the backend keeps")
	}
	if m.encryption != nil {
		diags = append(diags, m.resolveEarlyBody(&m.encryption.body, "the block encryption", "whose state it encrypts")...)
	}
	return diags
}

func (m *Module) resolveEarlyBody(b *body, of, whose string) hcl.Diagnostics {
	diags := m.resolveBody(b, inLocal, nil)
	for _, body := range append([]*body{b}, bodies(b)...) {
		for i := range body.attrs {
			a := &body.attrs[i]
			at, found := m.readsBlock(a.expr, map[string]bool{})
			if !found {
				continue
			}
			a.expr.broken = true
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid reference",
				Detail: fmt.Sprintf("The arguments of %s are read before everything else. They can be made of variables, functions and local values, and not of %s, %s.",
					of, at, whose),
				Subject: a.expr.Range().Ptr(),
			})
		}
	}
	return diags
}

// bodies are those of the blocks in a body.
func bodies(b *body) []*body {
	var all []*body
	for _, name := range slices.Sorted(maps.Keys(b.nested)) {
		for _, n := range b.nested[name] {
			all = append(all, &n.body)
		}
	}
	return all
}

// readsBlock finds a block that an expression is made of, directly or through
// local values.
func (m *Module) readsBlock(e *expression, seen map[string]bool) (address string, found bool) {
	for _, r := range sortedReads(e.uses.blocks) {
		return r.id.typ + "." + r.id.name, true
	}
	for _, name := range keys(e.uses.modules) {
		return "module." + name, true
	}
	for _, r := range e.uses.roots {
		l := m.locals[r.name]
		if r.root != "local" || l == nil || seen[r.name] {
			continue
		}
		seen[r.name] = true
		if address, found = m.readsBlock(l.expr, seen); found {
			return address, true
		}
	}
	return "", false
}

// Backend evaluates where the state is kept. It is nil where no block says it:
// then it is in a file of the directory. Nothing else of the module has to be
// right for it, unless the files could not be read in full.
func (m *Module) Backend(opts Options) (*Backend, hcl.Diagnostics) {
	b := m.backend
	if b == nil {
		return nil, nil
	}
	e, diags := m.earlyEvaluator(opts)
	values, more := e.early(&b.body, b.typ.Attributes, slot{owner: fmt.Sprintf("the backend %q", b.name)}, "a backend")
	diags = append(append(diags, more...), e.diags...)
	return &Backend{Type: b.name, Value: cty.ObjectVal(values), Range: b.header}, sortDiagnostics(diags)
}

// earlyEvaluator evaluates what is made of variables, functions and locals.
func (m *Module) earlyEvaluator(opts Options) (*evaluator, hcl.Diagnostics) {
	lenient := opts
	lenient.AllowUnset = true // only what is read has to be set
	vars, said := m.variableValues(lenient)
	var diags hcl.Diagnostics // warnings are for evaluation to tell
	for _, d := range said {
		if d.Severity == hcl.DiagError {
			diags = append(diags, d)
		}
	}
	e := newRun(m, opts, nil)
	e.vars = vars
	return e, diags
}

// early evaluates the arguments of a block that is read before everything else. In
// is a slot without its attribute.
func (e *evaluator) early(b *body, attrs []schema.Attribute, in slot, of string) (map[string]cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	values := map[string]cty.Value{}
	for i := range attrs {
		s := &attrs[i]
		a := b.attrs.named(s.Name)
		switch {
		case a == nil:
			values[s.Name] = defaultOf(s)
			continue
		case a.expr.broken:
			values[s.Name] = cty.UnknownVal(s.Type)
			continue
		}
		v, more := e.value(a.expr, e.context(a.expr))
		diags = append(diags, more...)
		if more.HasErrors() {
			values[s.Name] = cty.UnknownVal(s.Type)
			continue
		}
		p := in
		p.attr = a
		if values[s.Name], more = p.finish(v); more.HasErrors() {
			diags = append(diags, more...)
			continue
		}
		if !e.opts.AllowUnset && !values[s.Name].IsWhollyKnown() {
			diags = append(diags, p.problem(fmt.Sprintf("Value of %s is not known", of), a.expr.Range(),
				"has to be known before anything else. Set the variables that it is made of: with -var, -var-file, or in the environment as %sNAME.", EnvPrefix)...)
		}
	}
	return values, diags
}

// Incomplete reports whether a file could not be read in full, so that not even
// the backend is known for certain.
func (m *Module) Incomplete() bool { return m.incomplete }
