package config

import (
	"slices"

	"github.com/mailform/mailform/schema"
)

// numerous are the types of blocks of which there are as many as an organisation
// has people. Nothing hangs on one of them unless it names it.
var numerous = []string{"user", "alias"}

// narrowed leaves out of the blocks of a module the numerous ones that nobody
// wants to look at: neither Options.Narrow, nor what is looked at names them, be
// it in another module. One with keys that nothing names keeps the instances
// that are wanted.
func (e *evaluator) narrowed(ids []blockID) []blockID {
	if e.opts.Narrow == nil {
		return ids
	}
	if e.looked == nil {
		e.looked = map[sight]bool{}
		for _, o := range e.root.m.outputs {
			e.root.follow(o.value)
		}
		e.root.lookAround()
	}
	for _, id := range ids {
		b := e.blocks[id]
		if e.looked[sight{e, "", id}] && !e.looked[sight{e, byName, id}] && b.multiple() && slices.Contains(numerous, id.typ) {
			e.narrowKeys(b)
		}
	}
	return slices.DeleteFunc(ids, func(id blockID) bool { return !e.looked[sight{e, "", id}] })
}

// narrowKeys leaves a block, which nothing names, the instances that are wanted.
func (e *evaluator) narrowKeys(b *evaluated) {
	if !e.keys(b) || b.unknown {
		return
	}
	b.instances = slices.DeleteFunc(b.instances, func(i instance) bool {
		return !e.opts.Narrow(schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: i.key}.String())
	})
	b.indexKeys()
}

// A sight is something that was looked at: a block, or under a root word
// ("local") something else with a name.
type sight struct {
	in   *evaluator
	root string
	id   blockID
}

// byName is the root word of a block that something names.
const byName = "named"

// sees notes that something is looked at, and reports whether that is new.
func (e *evaluator) sees(root string, id blockID) bool {
	s := sight{e, root, id}
	if e.looked[s] {
		return false
	}
	e.looked[s] = true
	return true
}

// lookAround begins with what is looked at in any case, in this module and those
// that it calls.
func (e *evaluator) lookAround() {
	for id, b := range e.blocks {
		if !slices.Contains(numerous, id.typ) || e.opts.Narrow(e.path.Prefix()+b.address()) {
			e.lookAt(id)
		}
	}
	for _, c := range e.m.checks {
		for _, r := range c.rules {
			e.follow(r.condition, r.message)
		}
	}
	for name := range e.calls {
		for _, child := range e.instancesOf(e.calls[name]) {
			child.lookAround()
		}
	}
}

// lookAt looks at a block, and at all that it names.
func (e *evaluator) lookAt(id blockID) {
	b := e.blocks[id]
	if b == nil || !e.sees("", id) {
		return
	}
	e.lookInto(&b.body)
	e.follow(b.forEach, b.count, b.lifecycle.enabled)
	for _, r := range slices.Concat(b.lifecycle.pre, b.lifecycle.post) {
		e.follow(r.condition, r.message)
	}
	e.waitFor(b.block)
	for up := e; up.parent != nil; up = up.parent { // what the module waits for
		up.parent.waitFor(up.call.block)
	}
}

// waitFor looks at what a block depends on.
func (e *evaluator) waitFor(b *block) {
	for _, d := range b.dependsOn {
		if d.ref.Module == nil {
			e.name(blockID{d.ref.Type, d.ref.Name})
		} else if c := e.calls[d.ref.Module.Name()]; c != nil {
			for _, child := range e.instancesOf(c) {
				child.nameAll()
			}
		}
	}
}

// name looks at a block that something names: all of its instances are wanted.
func (e *evaluator) name(id blockID) {
	if e.sees(byName, id) {
		e.lookAt(id)
	}
}

// nameAll looks at everything in a module.
func (e *evaluator) nameAll() {
	if !e.sees("all", blockID{}) {
		return
	}
	for id := range e.blocks {
		e.name(id)
	}
	for name := range e.calls {
		for _, child := range e.instancesOf(e.calls[name]) {
			child.nameAll()
		}
	}
}

func (e *evaluator) lookInto(b *body) {
	for i := range b.attrs {
		e.follow(b.attrs[i].expr)
	}
	for _, list := range b.nested {
		for _, inner := range list {
			e.lookInto(&inner.body)
			if inner.generator != nil {
				e.follow(inner.generator.forEach)
			}
		}
	}
}

// follow looks at what expressions name: through local values, and out of the
// module by its variables and into others by their outputs.
func (e *evaluator) follow(list ...*expression) {
	for _, x := range list {
		if x == nil {
			continue
		}
		for _, r := range x.uses.blocks {
			e.name(r.id)
		}
		for _, r := range x.uses.roots {
			if !e.sees(r.root, blockID{name: r.name}) {
				continue
			}
			if l := e.locals[r.name]; r.root == "local" && l != nil {
				e.follow(l.expr)
			}
			if r.root == "var" && e.parent != nil {
				if a := e.call.attrs.named(r.name); a != nil {
					e.parent.follow(a.expr, e.call.forEach)
				}
			}
		}
		for name, r := range x.uses.modules {
			for _, child := range e.instancesOf(e.calls[name]) {
				for output := range r.outputs {
					if o := child.m.outputs[output]; o != nil && child.sees("output", blockID{name: output}) {
						child.follow(o.value)
					}
				}
			}
		}
	}
}
