package config

import (
	"slices"

	"github.com/mailform/mailform/schema"
)

// numerous are the types of blocks of which there are as many as an organisation
// has people. Nothing hangs on one of them unless it names it.
var numerous = []string{"user", "alias"}

// narrowed leaves out of the blocks of a module the numerous ones that nobody
// wants to look at: neither Options.Narrow, nor what is looked at names them.
// Where modules are called, all are looked at: they hand one another anything.
func (e *evaluator) narrowed(ids []blockID) []blockID {
	if e.opts.Narrow == nil || len(e.root.calls) > 0 {
		return ids
	}
	n := narrowing{e: e, blocks: map[blockID]bool{}, locals: map[string]bool{}, named: map[blockID]bool{}}
	for _, id := range ids {
		if !slices.Contains(numerous, id.typ) || e.opts.Narrow(e.blocks[id].address()) {
			n.block(id)
		}
	}
	for _, o := range e.m.outputs {
		n.expressions(o.value)
	}
	for _, id := range ids {
		if b := e.blocks[id]; n.blocks[id] && !n.named[id] && b.multiple() && slices.Contains(numerous, id.typ) {
			e.narrowKeys(b)
		}
	}
	return slices.DeleteFunc(ids, func(id blockID) bool { return !n.blocks[id] })
}

// narrowKeys leaves a block, which nothing names, the instances that are wanted.
func (e *evaluator) narrowKeys(b *evaluated) {
	if !e.keys(b) || b.unknown {
		return
	}
	b.instances = slices.DeleteFunc(b.instances, func(i instance) bool {
		return !e.opts.Narrow(schema.Ref{Type: b.typ.Type, Name: b.name, Key: i.key}.String())
	})
	b.indexKeys()
}

// A narrowing collects blocks, with all that they name.
type narrowing struct {
	e      *evaluator
	blocks map[blockID]bool
	locals map[string]bool
	named  map[blockID]bool // by one of them, or by an output
}

func (n *narrowing) block(id blockID) {
	b := n.e.blocks[id]
	if b == nil || n.blocks[id] {
		return
	}
	n.blocks[id] = true
	n.body(&b.body)
	n.expressions(b.forEach, b.count, b.lifecycle.enabled)
	for _, r := range slices.Concat(b.lifecycle.pre, b.lifecycle.post) {
		n.expressions(r.condition, r.message)
	}
	for _, d := range b.dependsOn {
		n.name(blockID{d.ref.Type, d.ref.Name})
	}
}

func (n *narrowing) name(id blockID) {
	n.named[id] = true
	n.block(id)
}

func (n *narrowing) body(b *body) {
	for i := range b.attrs {
		n.expressions(b.attrs[i].expr)
	}
	for _, list := range b.nested {
		for _, inner := range list {
			n.body(&inner.body)
			if inner.generator != nil {
				n.expressions(inner.generator.forEach)
			}
		}
	}
}

func (n *narrowing) expressions(list ...*expression) {
	for _, x := range list {
		if x == nil {
			continue
		}
		for _, r := range x.uses.blocks {
			n.name(r.id)
		}
		for _, r := range x.uses.roots {
			if l := n.e.locals[r.name]; r.root == "local" && l != nil && !n.locals[r.name] {
				n.locals[r.name] = true
				n.expressions(l.expr)
			}
		}
	}
}
