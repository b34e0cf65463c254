package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// declaredProvider is a provider block of the root module, with its keys
// evaluated; nil where there is none.
func (e *evaluator) declaredProvider(id providerID) *evaluated {
	root := e.root
	p := root.m.providers[id]
	if p == nil {
		return nil
	}
	ev := root.declared[id]
	if ev == nil {
		ev = &evaluated{block: p}
		root.declared[id] = ev
	}
	root.keys(ev)
	return ev
}

// providers evaluates the provider blocks of the root module, once. at is what
// asks for them.
func (e *evaluator) providers(at hcl.Range) []Provider {
	e = e.root
	if !e.enter(&e.configured, "the provider blocks", at) {
		return e.providerList
	}
	defer e.leave(&e.configured)
	var out []Provider
	for id, p := range e.m.providers {
		ev := e.declaredProvider(id)
		if ev.unknown && len(ev.instances) > 0 { // only to find errors
			e.providerInstance(ev, id, 0)
			continue
		}
		for i := range ev.instances {
			out = append(out, Provider{Name: id.name, Alias: id.alias, Key: ev.instances[i].key, Value: e.providerInstance(ev, id, i), Range: p.header})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Target() < out[j].Target() })
	e.providerList = out
	return out
}

// providerInstance evaluates the arguments of one instance of a provider.
func (e *evaluator) providerInstance(b *evaluated, id providerID, i int) cty.Value {
	values := e.providerBody(b, &b.body, b.typ.Attributes, slot{owner: fmt.Sprintf("provider %q", id.name), provider: true}, i)
	for j := range b.typ.Blocks {
		n := &b.typ.Blocks[j]
		values[n.Type] = cty.NullVal(n.ImpliedType())
		for _, written := range b.nested[n.Type] {
			p := slot{owner: fmt.Sprintf("provider %q", id.name), within: n.Type, provider: true}
			values[n.Type] = cty.ObjectVal(e.providerBody(b, &written.body, n.Attributes, p, i))
		}
	}
	return cty.ObjectVal(values)
}

// providerBody evaluates the arguments of a provider or of a block in one. p says
// where they stand.
func (e *evaluator) providerBody(b *evaluated, in *body, attrs []schema.Attribute, p slot, i int) map[string]cty.Value {
	values := make(map[string]cty.Value, len(attrs)+len(b.typ.Blocks))
	for j := range attrs {
		s := &attrs[j]
		a := in.attrs.named(s.Name)
		if a == nil {
			values[s.Name] = defaultOf(s)
			if s.Required { // reported
				values[s.Name] = cty.UnknownVal(s.Type)
			}
			continue
		}
		v, diags := e.value(a.expr, e.instanceContext(b, a.expr, e.context(a.expr), i))
		if diags.HasErrors() {
			e.report(diags...)
			values[s.Name] = cty.UnknownVal(s.Type)
			continue
		}
		p.attr = a
		values[s.Name], diags = p.finish(v)
		e.report(diags...)
	}
	return values
}

// defaultProvider is the one of blocks that name none.
const defaultProvider = "embedded"

// providerColumn evaluates the argument provider of a block. It is null where
// none is named, and the default one is meant that the root module knows.
func (e *evaluator) providerColumn(b *evaluated, a *attribute, s *schema.Attribute) []cty.Value {
	if a == nil {
		target, ok := e.target(providerRef{providerID: providerID{name: defaultProvider}, rng: b.header}, nil)
		switch {
		case !ok:
			return []cty.Value{cty.UnknownVal(s.Type)}
		case target == defaultProvider:
			return e.defaults(s)
		}
		return []cty.Value{cty.ListVal([]cty.Value{cty.StringVal(target)})}
	}
	own := false
	for _, ref := range a.named {
		for _, x := range ref.expressions() {
			own = own || x.ownKeys()
		}
	}
	rows := 1
	if own {
		rows = len(b.instances)
	}
	values := make([]cty.Value, rows)
	for i := range values {
		values[i] = e.targets(b, a, i)
	}
	return values
}

// targets are the providers that an instance of a block names.
func (e *evaluator) targets(b *evaluated, a *attribute, i int) cty.Value {
	targets := make([]cty.Value, 0, len(a.named))
	seen := map[string]bool{}
	for _, ref := range a.named {
		meant, ok := e.meant(b, ref, i)
		if !ok {
			return cty.UnknownVal(cty.List(cty.String))
		}
		if !meant {
			continue
		}
		var ctx *hcl.EvalContext
		if ref.key != nil && len(b.instances) > 0 {
			ctx = e.instanceContext(b, ref.key, e.context(ref.key), i)
		}
		target, ok := e.target(ref, ctx)
		if !ok {
			return cty.UnknownVal(cty.List(cty.String))
		}
		if seen[target] {
			e.report(providerTwice(target, ref.rng))
			continue
		}
		seen[target] = true
		targets = append(targets, cty.StringVal(target))
	}
	if len(targets) == 0 { // reported
		return cty.UnknownVal(cty.List(cty.String))
	}
	return cty.ListVal(targets)
}

// meant reports whether the conditions on a provider are as they have to be.
// The second result is false where that cannot be told, which is reported.
func (e *evaluator) meant(b *evaluated, ref providerRef, i int) (bool, bool) {
	for _, side := range ref.when {
		ctx := e.context(side.condition)
		if len(b.instances) > 0 {
			ctx = e.instanceContext(b, side.condition, ctx, i)
		}
		v, diags := e.value(side.condition, ctx)
		if !diags.HasErrors() && (v.IsMarked() || v.IsKnown()) {
			if v, err := convert.Convert(v, cty.Bool); err == nil && !v.IsMarked() && !v.IsNull() {
				if v.True() != side.is {
					return false, true
				}
				continue
			}
		}
		if side.is { // the other side would say the same
			e.report(diags...)
			if !diags.HasErrors() && !(e.mayBeUnknown() && !v.IsMarked() && !v.IsKnown()) {
				e.report(&hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "Invalid provider",
					Detail:   "What chooses a provider has to be true or false, known when the plan is made, and not sensitive.",
					Subject:  side.condition.Range().Ptr(),
				})
			}
		}
		return false, false
	}
	return true, true
}

// target is what the root module calls a provider that this module names. It
// reports false where that cannot be told. ctx is what the key sees.
func (e *evaluator) target(ref providerRef, ctx *hcl.EvalContext) (string, bool) {
	key := cty.NilVal
	if ref.key != nil {
		v, diags := e.value(ref.key, ctx)
		e.report(diags...)
		switch {
		case diags.HasErrors():
			return "", false
		case !v.IsMarked() && !v.IsKnown() && e.mayBeUnknown():
			return "", false
		case v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String:
			e.reportProvider(ref, "The key of the provider %s has to be a text that is known when the plan is made and not sensitive.", ref)
			return "", false
		}
		key = v
	}
	id, target, known := e.handed(ref.providerID)
	if !known {
		return "", false
	}
	p := e.declaredProvider(id)
	if p == nil || p.forEach == nil || strings.HasSuffix(target, "]") { // one alone, or one that was handed over
		if ref.key != nil && e.parent == nil {
			return "", false // reported
		}
		if ref.key != nil {
			e.reportProvider(ref, "What is called %s here is the provider %s, which has no instances with keys.", ref, target)
			return "", false
		}
		return target, true
	}
	if p.unknown {
		return "", false
	}
	if key == cty.NilVal {
		e.reportProvider(ref, "The provider %s has instances with keys. Name the one that is meant, such as %s[each.key].", ref, ref)
		return "", false
	}
	if _, ok := p.find(key); !ok {
		problem := p.noSuchInstance(keyUse{key, ref.rng}) // as it says of a block
		problem.Summary = "Invalid provider"
		problem.Detail = strings.ReplaceAll(problem.Detail, "provider."+p.name, p.name)
		e.report(problem)
		return "", false
	}
	return target + schema.IndexString(key), true
}

func (e *evaluator) reportProvider(ref providerRef, format string, args ...any) {
	e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid provider", Detail: fmt.Sprintf(format, args...), Subject: ref.rng.Ptr()})
}

// handed follows a provider to the root module: which block it is, and what it
// is called there.
func (e *evaluator) handed(id providerID) (providerID, string, bool) {
	if e.parent == nil {
		return id, id.String(), true
	}
	name := id.String()
	h, ok := e.handedOver[name]
	if !ok {
		if id.alias != "" {
			return id, "", false // reported
		}
		return e.parent.handed(id)
	}
	return h.id, h.target, h.target != ""
}

// A handed provider. Its target is empty where it could not be told.
type handedProvider struct {
	id     providerID
	target string
}

// handOver finds the providers that an instance of a call gets.
func (e *evaluator) handOver(c *evaluatedCall, i int) map[string]handedProvider {
	if len(c.call.providers) == 0 {
		return nil
	}
	out := make(map[string]handedProvider, len(c.call.providers))
	for name, p := range c.call.providers {
		id, target, ok := e.handed(p.expr.providerID)
		if ok && p.expr.key != nil {
			target, ok = e.target(p.expr, e.instanceContext(&c.evaluated, p.expr.key, e.context(p.expr.key), i))
		}
		if !ok {
			target = ""
		}
		out[name] = handedProvider{id, target}
	}
	return out
}
