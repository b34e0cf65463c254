package config

import (
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A flow is what is known of where the values of a module come from and go to,
// beyond a single expression. A block that is named bare is handed on as its
// identity; which of its attributes have to be evaluated for that hangs on what
// is read of it elsewhere: behind a local value, or on the other side of a
// module's border.
type flow struct {
	callers []caller
	// wanted are the attributes that are read of what has a name.
	wanted map[want]map[string]bool
	// read are the outputs of called modules that something reads which is not an
	// output itself.
	read map[*output]*outputRead
	// dirty are names of which more is wanted than their expression knows; of the
	// root module, for all modules.
	dirty []dirt
}

// A caller is a module block somewhere.
type caller struct {
	m *Module
	c *call
}

// An outputRead says that an output of a called module is read.
type outputRead struct {
	attrs map[string]bool // of what the output is, as far as it may be a block
	rng   hcl.Range
}

// A want names something that an expression can read.
type want struct {
	root string // "local", "var" or "output"
	name string
}

type dirt struct {
	m *Module
	want
}

// wants notes that attributes are read of something with a name in m.
func (m *Module) wants(root, name string, attrs ...string) {
	if len(attrs) == 0 {
		return
	}
	w := want{root, name}
	have := m.flow.wanted[w]
	grown := false
	for _, a := range attrs {
		if have[a] {
			continue
		}
		if have == nil {
			have = map[string]bool{}
			if m.flow.wanted == nil {
				m.flow.wanted = map[want]map[string]bool{}
			}
			m.flow.wanted[w] = have
		}
		have[a], grown = true, true
	}
	if grown {
		m.root.flow.dirty = append(m.root.flow.dirty, dirt{m, w})
	}
}

// settle hands on what is read of names, until nothing is wanted that is not
// known where the value comes from. What it reports again is left out later.
func (m *Module) settle() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for len(m.flow.dirty) > 0 {
		d := m.flow.dirty[0]
		m.flow.dirty = m.flow.dirty[1:]
		wanted := d.m.flow.wanted[d.want]
		switch d.root {
		case "local":
			if l := d.m.locals[d.name]; l != nil {
				diags = append(diags, d.m.find(l.expr, inLocal, wanted)...)
			}
		case "output":
			if o := d.m.outputs[d.name]; o != nil && o.value != nil {
				diags = append(diags, d.m.findOutput(o, wanted)...)
			}
		case "var":
			for _, by := range d.m.flow.callers {
				a := by.c.attrs.named(d.name)
				if a == nil {
					continue
				}
				before := len(by.c.eachAttrs)
				diags = append(diags, by.m.resolveArgument(by.c, a, wanted)...)
				if by.c.forEach != nil && len(by.c.eachAttrs) > before {
					diags = append(diags, by.m.find(by.c.forEach, inKeys, by.c.eachAttrs)...)
				}
			}
		}
	}
	for _, one := range m.all {
		diags = append(diags, one.settleOutputs()...)
	}
	return diags
}

// settleOutputs finds out whether what is read of the outputs of called modules
// is computed by others in the end.
func (m *Module) settleOutputs() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for o, read := range m.flow.read {
		computed, only := o.reaches(read.attrs, map[*output]bool{})
		m.usesComputed = m.usesComputed || computed
		if only {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid reference",
				Detail:   fmt.Sprintf("The output %q of the module is made of everything else in the configuration. Only an output can read it.", o.name),
				Subject:  &read.rng,
			})
		}
	}
	return diags
}

// reaches reports whether an output, of which these attributes are read, is
// made of what others compute, and of what only outputs can be made of.
func (o *output) reaches(attrs map[string]bool, seen map[*output]bool) (computed, only bool) {
	if seen[o] || o.value == nil {
		return false, false
	}
	seen[o] = true
	computed, only = o.computed, o.only
	for _, typ := range o.bare {
		for name := range attrs {
			if c := typ.ComputedAttribute(name); c != nil && !c.Derived {
				computed, only = true, only || c.OutputOnly
			}
		}
	}
	for other, read := range o.reads {
		all := maps.Clone(attrs)
		if all == nil {
			all = map[string]bool{}
		}
		maps.Copy(all, read.attrs)
		c, x := other.reaches(all, seen)
		computed, only = computed || c, only || x
	}
	return computed, only
}

// moduleReads are what an expression reads of the instances of a called module.
type moduleReads struct {
	outputs map[string]bool
	keys    []keyUse // keys that are written out
	whole   bool     // there is a use without such a key
	rng     hcl.Range
}

// module takes in a traversal that starts from module. then is what is read
// behind an index that is not written out: module.acme[each.key].then; nil for
// none.
func (s *scan) module(t, then hcl.Traversal) {
	if s.where == inCheck {
		s.refuse(t, validationReads)
		return
	}
	name, key, rest := namedStep(t[1:])
	if name == "" {
		s.refuse(t, "A reference to a module names an output of it: module.NAME.OUTPUT.")
		return
	}
	c := s.m.calls[name]
	at := t.SourceRange()
	if c == nil {
		s.broken = true
		if !s.m.incomplete {
			s.diags = append(s.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Reference to undeclared module",
				Detail:   fmt.Sprintf("There is no module %q in this configuration.%s", name, suggestion(name, keys(s.m.calls))),
				Subject:  &at,
			})
		}
		return
	}
	if s.uses.modules == nil {
		s.uses.modules = map[string]*moduleReads{}
	}
	r := s.uses.modules[name]
	if r == nil {
		r = &moduleReads{outputs: map[string]bool{}, rng: at}
		s.uses.modules[name] = r
	}
	if key != cty.NilVal {
		if !c.multiple() {
			s.diags = append(s.diags, noInstances(c.block, at))
			return
		}
		r.keys = append(r.keys, keyUse{key, at})
	} else {
		r.whole = true
	}
	if c.child == nil {
		return // reported
	}
	if key == cty.NilVal && c.multiple() && len(rest) == 0 {
		rest = then
	}
	var output string
	if len(rest) > 0 {
		switch step := rest[0].(type) {
		case hcl.TraverseAttr:
			output = step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				output = step.Key.AsString()
			}
		}
	}
	switch {
	case output == "": // all of it
		for name, o := range c.child.outputs {
			r.outputs[name] = true
			s.readOutput(c.child, o, at)
		}
	case c.multiple() && key == cty.NilVal && then == nil:
		example := "each.key"
		if c.count != nil {
			example = "0"
		}
		s.refuse(t, fmt.Sprintf("%[1]s has instances with keys. Name the one that is meant, such as %[1]s[%[2]s].%[3]s.", c.address(), example, output))
	case c.child.outputs[output] == nil && c.child.incomplete:
		s.broken = true
	case c.child.outputs[output] == nil:
		s.diags = append(s.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Reference to undeclared output",
			Detail:   fmt.Sprintf("The module in %s has no output %q.%s", c.child.path, output, suggestion(output, keys(c.child.outputs))),
			Subject:  &at,
		})
	default:
		r.outputs[output] = true
		s.readOutput(c.child, c.child.outputs[output], at, attributesOf(rest[1:])...)
	}
}

// readOutput notes who reads an output of a called module, and what of it.
func (s *scan) readOutput(of *Module, o *output, at hcl.Range, attrs ...string) {
	reads := s.m.flow.read
	if s.output != nil {
		reads = s.output.reads
	}
	r := reads[o]
	if r == nil {
		if reads == nil {
			reads = map[*output]*outputRead{}
			if s.output != nil {
				s.output.reads = reads
			} else {
				s.m.flow.read = reads
			}
		}
		r = &outputRead{rng: at}
		reads[o] = r
	}
	if comparePlaces(&at, &r.rng) < 0 {
		r.rng = at
	}
	for _, name := range attrs {
		note(&r.attrs, name)
	}
	of.wants("output", o.name, attrs...)
	s.later = append(s.later, laterRead{of, o, r})
}

// A laterRead is an output of which the rest of the expression may read more.
type laterRead struct {
	of   *Module
	o    *output
	read *outputRead
}

// attributesOf are the names of attributes in a traversal.
func attributesOf(t hcl.Traversal) []string {
	var names []string
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				names = append(names, step.Key.AsString())
			}
		}
	}
	return names
}
