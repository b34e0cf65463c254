package schema

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A ModuleInstance is one instance of a module that is called:
// module.acme["x"].module.staff. Nil is the root module, the directory that a
// command works in. An instance is made once and shared by all references into
// it, so that its text is too.
type ModuleInstance struct {
	parent *ModuleInstance
	name   string
	key    cty.Value
	prefix string
}

// Child is an instance of a module that m calls. key is its key under for_each
// (a string) or count (a number); cty.NilVal for a call with neither.
func (m *ModuleInstance) Child(name string, key cty.Value) *ModuleInstance {
	var b strings.Builder
	b.WriteString(m.Prefix())
	b.WriteString("module.")
	b.WriteString(name)
	if key != cty.NilVal {
		b.WriteString(IndexString(key))
	}
	b.WriteByte('.')
	return &ModuleInstance{parent: m, name: name, key: key, prefix: b.String()}
}

// Parent is the module that calls m; nil for one that the root module calls.
func (m *ModuleInstance) Parent() *ModuleInstance { return m.parent }

// String is the address, empty for the root module.
func (m *ModuleInstance) String() string { return strings.TrimSuffix(m.Prefix(), ".") }

// Prefix is what stands before the address of a block in the module:
// module.acme["x"]. with its dot, empty for the root module.
func (m *ModuleInstance) Prefix() string {
	if m == nil {
		return ""
	}
	return m.prefix
}

// Call is the address of all instances of the call that m is an instance of:
// module.acme for module.acme["x"].
func (m *ModuleInstance) Call() string {
	return m.parent.Prefix() + "module." + m.name
}

// Declared is the address without any keys: where in the files the module is
// called.
func (m *ModuleInstance) Declared() string {
	if m == nil {
		return ""
	}
	around := m.parent.Declared()
	if around != "" {
		around += "."
	}
	return around + "module." + m.name
}

// In is the same instance as seen from further up: what is module.b below outer
// is outer.module.b.
func (m *ModuleInstance) In(outer *ModuleInstance) *ModuleInstance {
	if m == nil || outer == nil {
		if m == nil {
			return outer
		}
		return m
	}
	return m.parent.In(outer).Child(m.name, m.key)
}

// Name is the label of the call, Key the key of the instance, cty.NilVal for a
// call without keys.
func (m *ModuleInstance) Name() string   { return m.name }
func (m *ModuleInstance) Key() cty.Value { return m.key }
