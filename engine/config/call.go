package config

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An evaluatedCall is a module block, evaluated as other blocks are: its keys
// once, each argument for all instances in one go. What is in the module is
// evaluated for each instance on its own.
type evaluatedCall struct {
	evaluated
	call      *call
	arguments map[string]*column
	children  []*evaluator // one for each instance; nil: not made yet
}

// An outcome is an output as the caller of the module sees it.
type outcome struct {
	state state
	value cty.Value
}

// maxModules bounds the instances of modules: more is a mistake, and would fill
// the memory before anything else could say so.
const maxModules = 200_000

// instancesOf makes the evaluators of a call, one for each instance. There are
// none where its keys hang on themselves.
func (e *evaluator) instancesOf(c *evaluatedCall) []*evaluator {
	if c.children != nil || c.call.child == nil || !e.keys(&c.evaluated) {
		return c.children
	}
	if len(e.modules)+len(c.instances) > maxModules {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Too many modules",
			Detail:   fmt.Sprintf("With the instances of %s, there are more than %d instances of modules.", c.address(), maxModules),
			Subject:  c.header.Ptr(),
		})
		return nil
	}
	inherited := e.dependencies(&c.evaluated)
	c.children = make([]*evaluator, len(c.instances))
	for i := range c.instances {
		child := e.evaluator(c.call.child, e.path.Child(c.name, c.instances[i].key))
		child.parent, child.call, child.index = e, c, i
		child.vars = make(map[string]cty.Value, len(child.m.variables))
		child.unknown = e.unknown || c.unknown
		child.inherited = inherited
		c.children[i], e.modules[child.path] = child, child
	}
	for i, child := range c.children {
		child.handedOver = e.handOver(c, i)
	}
	return c.children
}

// evaluatorOf finds the evaluator of a module that some reference leads to.
func (e *evaluator) evaluatorOf(m *schema.ModuleInstance) *evaluator {
	if m == nil {
		return e.root
	}
	return e.modules[m]
}

// expandCall evaluates a module for all instances of a call.
func (e *evaluator) expandCall(cfg *Config, c *evaluatedCall) {
	e.keys(&c.evaluated)
	if e.opts.Narrow == nil {
		for i := range c.attrs {
			e.argument(c, c.attrs[i].schema.Name)
		}
	}
	failed := 0
	for _, child := range e.instancesOf(c) {
		before := len(e.diags)
		child.all(cfg)
		if hcl.Diagnostics(e.diags[before:]).HasErrors() {
			if failed++; failed == maxErrors {
				return
			}
		}
	}
}

// all evaluates everything in an instance of a module.
func (e *evaluator) all(cfg *Config) {
	if e.opts.Narrow != nil {
		e.expandAll(cfg)
		return
	}
	for _, name := range keys(e.m.variables) {
		e.variable(name)
	}
	e.validate()
	for _, name := range keys(e.locals) {
		e.local(name)
	}
	e.expandAll(cfg)
	for _, name := range keys(e.m.outputs) {
		e.output(name)
	}
}

// argument evaluates an argument of a call for all its instances.
func (e *evaluator) argument(c *evaluatedCall, name string) *column {
	col := c.arguments[name]
	if col == nil {
		col = &column{}
		c.arguments[name] = col
	}
	a := c.attrs.named(name)
	if !e.enter(&col.state, c.address()+".var."+name, a.nameRange) {
		return col
	}
	defer e.leave(&col.state)
	col.values = []cty.Value{cty.DynamicVal}
	if !e.keys(&c.evaluated) {
		return col
	}
	ctx := e.context(a.expr)
	if !a.expr.ownKeys() {
		v, diags := e.value(a.expr, ctx)
		e.report(diags...)
		col.values[0] = v
		return col
	}
	col.values = make([]cty.Value, len(c.instances))
	failed := 0
	for i := range c.instances {
		if failed == maxErrors {
			col.values[i] = cty.DynamicVal
			continue
		}
		v, diags := e.value(a.expr, e.instanceContext(&c.evaluated, a.expr, ctx, i))
		if diags.HasErrors() {
			failed++
		}
		e.report(diags...)
		col.values[i] = v
	}
	return col
}

// variable is the value of a variable: in a called module, what the caller
// gives, made what the variable says.
func (e *evaluator) variable(name string) cty.Value {
	if v, ok := e.vars[name]; ok {
		return v
	}
	v := e.m.variables[name]
	if v == nil || e.parent == nil {
		return cty.DynamicVal // reported
	}
	val, known := e.given(v)
	if v.sensitive {
		val = val.Mark(Sensitive)
	}
	if v.ephemeral {
		val = val.Mark(Ephemeral)
	}
	if known {
		e.vars[name] = val
	}
	return val
}

// given is what the caller of the module gives for a variable. It reports false
// where that hangs on itself.
func (e *evaluator) given(v *variable) (cty.Value, bool) {
	a := e.call.attrs.named(v.name)
	if a == nil {
		if v.def == cty.NilVal {
			return cty.UnknownVal(v.typ), true // reported
		}
		return v.def, true
	}
	col := e.parent.argument(e.call, v.name)
	if col.state != done {
		return cty.UnknownVal(v.typ), false
	}
	raw := col.at(e.index)
	if v.deprecated != "" {
		e.parent.report(&hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Value for deprecated variable",
			Detail:   fmt.Sprintf("The variable %q of %s (%s) is deprecated: %s", v.name, e.path.Call(), v.header, v.deprecated),
			Subject:  a.expr.Range().Ptr(),
		})
	}
	val, err := v.convert(raw)
	if err == nil && val.IsNull() && !v.nullable {
		if v.def != cty.NilVal {
			return v.def, true
		}
		err = fmt.Errorf("null is not allowed")
	}
	if err == nil {
		return val, true
	}
	why := conversionError(err)
	if _, ok := flattenRefs(raw); ok {
		why = "it is a reference to a block, which takes the type any"
	}
	owner := e.path.Call()
	if a.expr.ownKeys() {
		owner = e.path.String()
	}
	e.parent.report(&hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid value for variable",
		Detail:   fmt.Sprintf("The argument %q of %s does not fit the type of the variable (%s): %s.", v.name, owner, v.header, why),
		Subject:  a.expr.Range().Ptr(),
	})
	return cty.UnknownVal(v.typ), true
}

// output is the value of an output, as the caller of the module sees it.
func (e *evaluator) output(name string) cty.Value {
	o := e.m.outputs[name]
	if o == nil || o.value == nil {
		return cty.DynamicVal // reported
	}
	out := e.outs[name]
	if out == nil {
		out = &outcome{value: cty.DynamicVal}
		e.outs[name] = out
	}
	if !e.enter(&out.state, name, o.header) {
		return out.value
	}
	defer e.leave(&out.state)
	v, diags := e.value(o.value, e.context(o.value))
	if e.report(diags...); diags.HasErrors() {
		return out.value
	}
	if o.sensitive {
		v = v.Mark(Sensitive)
	}
	if o.ephemeral {
		v = v.Mark(Ephemeral)
	}
	out.value = v
	return v
}

// module is what a called module looks like to an expression that reads these
// outputs of it: an object of outputs, and an object or a tuple of those for a
// call with for_each or count.
func (e *evaluator) module(name string, r *moduleReads) cty.Value {
	c := e.calls[name]
	if c == nil || !e.keys(&c.evaluated) || c.call.child == nil || c.unknown {
		return cty.DynamicVal
	}
	for _, k := range r.keys {
		if _, ok := c.find(k.key); !ok {
			e.report(c.noSuchInstance(k))
			return cty.DynamicVal
		}
	}
	children := e.instancesOf(c)
	if len(children) < len(c.instances) {
		return cty.DynamicVal
	}
	outputs := keys(r.outputs)
	if !r.whole && c.forEach != nil { // only these, however many there are
		some := make(map[string]cty.Value, len(r.keys))
		for _, k := range r.keys {
			i, _ := c.find(k.key)
			some[k.key.AsString()] = children[i].object(outputs)
		}
		return cty.ObjectVal(some)
	}
	seen := "module." + name
	for _, o := range outputs {
		seen += "|" + o
	}
	if v, ok := e.seen[seen]; ok {
		return v
	}
	var v cty.Value
	switch {
	case !c.multiple() && len(children) == 0: // not enabled
		v = cty.NullVal(cty.DynamicPseudoType)
	case c.forEach != nil:
		all := make(map[string]cty.Value, len(children))
		for i, child := range children {
			all[c.instances[i].key.AsString()] = child.object(outputs)
		}
		v = cty.ObjectVal(all)
	case c.count != nil:
		all := make([]cty.Value, len(children))
		for i, child := range children {
			all[i] = child.object(outputs)
		}
		v = cty.TupleVal(all)
	default:
		v = children[0].object(outputs)
	}
	for _, child := range children {
		for _, o := range outputs {
			if out := child.outs[o]; out != nil && out.state == running {
				return v // part of a cycle, which is reported
			}
		}
	}
	e.seen[seen] = v
	return v
}

// object is an object of outputs.
func (e *evaluator) object(outputs []string) cty.Value {
	values := make(map[string]cty.Value, len(outputs))
	for _, name := range outputs {
		values[name] = e.output(name)
	}
	return cty.ObjectVal(values)
}

// find follows an address, as this module writes it, to the block or the call
// that it names, and says which key it has. It is nil where there is none.
func (e *evaluator) find(ref schema.Ref) (*evaluator, *evaluated, cty.Value) {
	if ref.Type != "" {
		in := e.within(ref.Module)
		if in == nil {
			return nil, nil, cty.NilVal
		}
		return in, in.blocks[blockID{ref.Type, ref.Name}], ref.Key
	}
	in := e.within(ref.Module.Parent())
	if in == nil || in.calls[ref.Module.Name()] == nil {
		return nil, nil, cty.NilVal
	}
	return in, &in.calls[ref.Module.Name()].evaluated, ref.Module.Key()
}

// within follows the address of a module, as this module writes it.
func (e *evaluator) within(m *schema.ModuleInstance) *evaluator {
	if m == nil {
		return e
	}
	in := e.within(m.Parent())
	if in == nil || in.calls[m.Name()] == nil {
		return nil
	}
	c := in.calls[m.Name()]
	children := in.instancesOf(c)
	i, ok := c.find(m.Key())
	if !ok || c.unknown || i >= len(children) {
		return nil
	}
	return children[i]
}

// eachModule visits the evaluators of all modules, the callers first, in the
// order of their addresses.
func (e *evaluator) eachModule(visit func(*evaluator)) {
	visit(e)
	names := make([]string, 0, len(e.calls))
	for name := range e.calls {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, child := range e.calls[name].children {
			if !child.unknown {
				child.eachModule(visit)
			}
		}
	}
}

// in is an address that a module writes as all see it.
func (e *evaluator) in(ref schema.Ref) schema.Ref {
	ref.Module = ref.Module.In(e.path)
	return ref
}
