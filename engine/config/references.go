package config

import (
	"cmp"
	"maps"
	"slices"
)

// A Reference is a way in which one block of the files hangs together with
// another. Blocks are named without the keys of their instances.
type Reference struct {
	From, To string
	// Reads: an attribute of the other block is read, so that it is evaluated
	// first. Otherwise only its identity is named.
	Reads bool
	// DependsOn: it is written so, and comes of no argument.
	DependsOn bool
}

// BlockNames are the addresses of the blocks that describe something or look
// something up, those of called modules too, sorted.
func (m *Module) BlockNames() []string {
	var names []string
	m.eachModule("", nil, func(w *tracer) {
		for _, b := range w.m.blocks {
			names = append(names, w.prefix+b.address())
		}
	})
	slices.Sort(names)
	return names
}

// References are the references between the blocks of the files, sorted, each
// once. What lies between two blocks (locals, variables and outputs of modules)
// is looked through.
func (m *Module) References() []Reference {
	found := map[Reference]bool{}
	m.eachModule("", nil, func(w *tracer) {
		for _, b := range w.m.blocks {
			from := w.prefix + b.address()
			for to, reads := range w.ofBlock(b) {
				found[Reference{From: from, To: to, Reads: reads}] = true
			}
			for _, d := range b.dependsOn {
				if to := w.prefix + d.ref.Type + "." + d.ref.Name; d.ref.Type != "module" {
					found[Reference{From: from, To: to, DependsOn: true}] = true
				}
			}
		}
	})
	for r := range found {
		if r.Reads { // to read something is to name it, too
			delete(found, Reference{From: r.From, To: r.To})
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), -compareBool(a.Reads, b.Reads), compareBool(a.DependsOn, b.DependsOn))
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// A tracer finds what expressions of one module come from.
type tracer struct {
	m      *Module
	prefix string // "module.acme."
	caller *tracer
	call   *call
	memo   map[string]map[string]bool // of locals, variables and outputs
}

// eachModule visits a module and those that it calls.
func (m *Module) eachModule(prefix string, by *tracer, visit func(*tracer)) {
	w := &tracer{m: m, prefix: prefix, caller: by, memo: map[string]map[string]bool{}}
	w.visitAll(visit)
}

func (w *tracer) visitAll(visit func(*tracer)) {
	visit(w)
	for _, name := range keys(w.m.calls) {
		if c := w.m.calls[name]; c.child != nil {
			w.into(name).visitAll(visit)
		}
	}
}

// into is the tracer of a called module.
func (w *tracer) into(name string) *tracer {
	c := w.m.calls[name]
	return &tracer{m: c.child, prefix: w.prefix + "module." + name + ".", caller: w, call: c, memo: map[string]map[string]bool{}}
}

// ofBlock is what all arguments of a block come from: true for a block of which
// an attribute is read.
func (w *tracer) ofBlock(b *block) map[string]bool {
	found := map[string]bool{}
	for _, x := range []*expression{b.forEach, b.count, b.lifecycle.enabled} {
		w.add(found, x)
	}
	w.ofBody(found, &b.body)
	return found
}

func (w *tracer) ofBody(found map[string]bool, b *body) {
	for i := range b.attrs {
		if !b.attrs[i].schema.Providers {
			w.add(found, b.attrs[i].expr)
		}
	}
	for _, list := range b.nested {
		for _, n := range list {
			if n.generator != nil {
				w.add(found, n.generator.forEach)
			}
			w.ofBody(found, &n.body)
		}
	}
}

// add adds what an expression comes from.
func (w *tracer) add(found map[string]bool, x *expression) {
	if x == nil || x.uses == nil {
		return
	}
	for _, r := range x.uses.blocks {
		b := w.m.blocks[r.id]
		if b == nil {
			continue // reported
		}
		name := w.prefix + b.address()
		found[name] = found[name] || len(r.attrs) > 0
	}
	for _, r := range x.uses.roots {
		w.through(found, r.root+"."+r.name, func(found map[string]bool) {
			if r.root == "local" {
				if l := w.m.locals[r.name]; l != nil {
					w.add(found, l.expr)
				}
			} else if w.caller != nil {
				if a := w.call.attrs.named(r.name); a != nil {
					w.caller.add(found, a.expr)
				}
			}
		})
	}
	for name, r := range x.uses.modules {
		if c := w.m.calls[name]; c == nil || c.child == nil {
			continue
		}
		child := w.into(name)
		for output := range r.outputs {
			w.through(found, "module."+name+"."+output, func(found map[string]bool) {
				if o := child.m.outputs[output]; o != nil {
					child.add(found, o.value)
				}
			})
		}
	}
}

// through adds what something in between comes from, found once. What hangs on
// itself, which is an error, comes from nothing more.
func (w *tracer) through(found map[string]bool, name string, find func(map[string]bool)) {
	inner, ok := w.memo[name]
	if !ok {
		inner = map[string]bool{}
		w.memo[name] = inner
		find(inner)
	}
	for to, reads := range inner {
		found[to] = found[to] || reads
	}
}
