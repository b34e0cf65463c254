package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// sourceOf is the source of a call: what is known before anything is evaluated.
// It is empty where it could not be told and that is reported elsewhere.
func (l *loader) sourceOf(m *Module, c *call) (string, hcl.Diagnostics) {
	refuse := func(summary, format string, args ...any) (string, hcl.Diagnostics) {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: c.source.Range().Ptr()}}
	}
	v, diags := l.static(m, c.source, map[string]bool{})
	if diags.HasErrors() {
		return "", diags
	}
	bare, marks := v.UnmarkDeep()
	switch {
	case len(marks) > 0:
		return refuse("Invalid source", "The source of %s is made of a sensitive or ephemeral value. It would be shown and remembered.", c.address())
	case !bare.IsKnown() && m.incomplete:
		return "", nil
	case !bare.IsKnown():
		return refuse("Source is not known", "The source of %s is needed before anything else. Set the variables that it is made of: with -var, -var-file, or in the environment as %sNAME.", c.address(), EnvPrefix)
	case bare.IsNull() || bare.Type() != cty.String:
		return refuse("Invalid source", "The source of %s has to be a text, such as \"./customer\".", c.address())
	}
	return bare.AsString(), nil
}

// static evaluates an expression that is needed before anything is: it can be
// made of variables and of local values that are made of those.
func (l *loader) static(m *Module, e *expression, around map[string]bool) (cty.Value, hcl.Diagnostics) {
	refuse := func(at hcl.Range, detail string) (cty.Value, hcl.Diagnostics) {
		e.broken = true
		return cty.DynamicVal, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid reference", Detail: detail, Subject: &at}}
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	found := map[string]map[string]cty.Value{}
	for _, t := range e.Variables() {
		name := ""
		if len(t) > 1 {
			if step, ok := t[1].(hcl.TraverseAttr); ok {
				name = step.Name
			}
		}
		root := t.RootName()
		v := cty.DynamicVal
		switch {
		case root == "path":
			ctx.Variables[root] = m.pathOf()
			continue
		case root == "mailform":
			ctx.Variables[root] = m.workspaceOf(l.opts.Environ)
			continue
		case root == "var" && m.variables[name] != nil && m == l.root:
			v = l.variable(name)
		case root == "var" && m.variables[name] != nil:
			if early, ok := m.early[name]; ok {
				v = early
			}
		case root == "local" && m.locals[name] != nil:
			if around[name] {
				return refuse(t.SourceRange(), fmt.Sprintf("local.%s is made of itself.", name))
			}
			around[name] = true
			var diags hcl.Diagnostics
			if v, diags = l.static(m, m.locals[name].expr, around); diags.HasErrors() {
				return v, diags
			}
			delete(around, name)
		case (root == "var" || root == "local") && m.incomplete: // may be declared in what could not be read
		case root == "var":
			return refuse(t.SourceRange(), fmt.Sprintf("There is no variable %q in this configuration.%s", name, suggestion(name, keys(m.variables))))
		case root == "local":
			return refuse(t.SourceRange(), fmt.Sprintf("There is no local value %q in this configuration.%s", name, suggestion(name, keys(m.locals))))
		default:
			return refuse(t.SourceRange(), "The source of a module is read before everything else. It can be made of variables, functions, and local values that are made of those.")
		}
		if found[root] == nil {
			found[root] = map[string]cty.Value{}
		}
		found[root][name] = v
	}
	for root, names := range found {
		ctx.Variables[root] = cty.ObjectVal(names)
	}
	ctx.Functions = functions(l.root.dir, l.opts)
	ev := &evaluator{m: m}
	return ev.value(e, ctx)
}

// variable is a variable of the root module, unknown where it is not set; what
// is wrong with it is told when everything is evaluated.
func (l *loader) variable(name string) cty.Value {
	if l.vars == nil {
		opts := l.opts
		opts.AllowUnset = true
		l.vars, _ = l.root.variableValues(opts)
	}
	return l.vars[name]
}

// early finds the values that a call gives for the variables that sources in
// the called module are made of.
func (l *loader) early(m *Module, c *call, child *Module) (map[string]cty.Value, hcl.Diagnostics) {
	needed := map[string]bool{}
	for _, inner := range child.calls {
		if inner.source != nil {
			child.madeOf(inner.source, needed, map[string]bool{})
		}
	}
	values := make(map[string]cty.Value, len(needed))
	for _, name := range keys(needed) {
		v, a := child.variables[name], c.attrs.named(name)
		if v == nil {
			continue // reported
		}
		val := cty.UnknownVal(v.typ)
		switch {
		case a != nil:
			given, diags := l.static(m, a.expr, map[string]bool{})
			if diags.HasErrors() {
				for _, d := range diags {
					d.Detail += fmt.Sprintf(" A source in that module is made of the argument %q of %s.", name, c.address())
				}
				return nil, diags
			}
			if converted, err := v.convert(given); err == nil { // else reported with the other arguments
				val = converted
			}
		case v.def != cty.NilVal:
			val = v.def
		}
		if v.sensitive || v.ephemeral {
			val = val.Mark(Sensitive)
		}
		values[name] = val
	}
	return values, nil
}

// madeOf finds the variables that an expression is made of, directly or through
// local values.
func (m *Module) madeOf(e *expression, names, seen map[string]bool) {
	for _, t := range e.Variables() {
		name := ""
		if len(t) > 1 {
			if step, ok := t[1].(hcl.TraverseAttr); ok {
				name = step.Name
			}
		}
		switch l := m.locals[name]; {
		case t.RootName() == "var":
			names[name] = true
		case t.RootName() == "local" && l != nil && !seen[name]:
			seen[name] = true
			m.madeOf(l.expr, names, seen)
		}
	}
}

// earlyKey tells apart the values that sources are made of; it is empty for none.
func earlyKey(values map[string]cty.Value) string {
	key := ""
	for _, name := range keys(values) {
		v, _ := values[name].UnmarkDeep()
		key += fmt.Sprintf("\x00%s=%#v", name, v)
	}
	return key
}
