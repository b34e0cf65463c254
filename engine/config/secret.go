package config

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// hide finds what must not be shown though nobody declared it sensitive: the
// variables, keys and arguments of modules that a sensitive argument is made of.
// The modules that are called have to come first.
func (m *Module) hide() {
	h := hider{m: m, locals: map[string]bool{}}
	if m.backend != nil {
		h.block(m.backend)
	}
	for _, b := range m.providers {
		h.block(b)
	}
	for _, b := range m.blocks {
		h.block(b)
	}
	for _, c := range m.calls {
		if c.child == nil {
			continue
		}
		for i := range c.attrs {
			if v := c.child.variables[c.attrs[i].schema.Name]; v != nil && (v.hidden || v.sensitive || v.ephemeral) {
				h.expression(c.attrs[i].expr, c.block)
			}
		}
	}
}

type hider struct {
	m      *Module
	locals map[string]bool // done
}

func (h *hider) block(b *block) {
	for i := range b.attrs {
		if a := &b.attrs[i]; a.schema.Sensitive {
			h.expression(a.expr, b)
		}
	}
}

// expression hides an expression and what it is made of. of is the block that
// it stands in; nil for a local value.
func (h *hider) expression(e *expression, of *block) {
	if e == nil || e.hidden {
		return
	}
	e.hidden = true
	if e.uses == nil {
		return
	}
	for _, r := range e.uses.roots {
		switch r.root {
		case "var":
			if v := h.m.variables[r.name]; v != nil {
				v.hidden = true
			}
		case "local":
			if l := h.m.locals[r.name]; l != nil && !h.locals[r.name] {
				h.locals[r.name] = true
				h.expression(l.expr, nil)
			}
		}
	}
	if of != nil && e.uses.each {
		h.expression(of.forEach, of)
	}
}

// holdsHash reports whether a value has a password hash anywhere within. Such a
// value is not shown, whatever it is declared as.
func holdsHash(v cty.Value) bool {
	found := false
	// The function below returns no errors.
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			text, _ := v.Unmark()
			found = found || schema.HoldsPasswordHash(text.AsString())
		}
		return !found, nil
	})
	return found
}
