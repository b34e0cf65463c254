package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type providerID struct{ name, alias string }

// String is how the provider is named by others: embedded.second.
func (id providerID) String() string {
	if id.alias == "" {
		return id.name
	}
	return id.name + "." + id.alias
}

// A providerRef names a provider: embedded, embedded.second, or with a key
// embedded.node["a"].
type providerRef struct {
	providerID
	key *expression // nil for none
	rng hcl.Range
	// when are the conditions under which it is meant, as cond ? a : b has them.
	when []branch
}

// A branch is one side of a condition.
type branch struct {
	condition *expression
	is        bool
}

// expressions are those that say whether a provider is meant, and which instance.
func (r providerRef) expressions() []*expression {
	var list []*expression
	for _, b := range r.when {
		list = append(list, b.condition)
	}
	if r.key != nil {
		list = append(list, r.key)
	}
	return list
}

func (m *Module) decodeProvider(hb *hcl.Block) hcl.Diagnostics {
	name := hb.Labels[0]
	typ := schema.ProviderByName(name)
	if typ == nil {
		return hcl.Diagnostics{unknownProvider(name, hb.LabelRanges[0])}
	}
	allowed := bodySchema(typ.Attributes, typ.Blocks, false)
	allowed.Attributes = append(allowed.Attributes, hcl.AttributeSchema{Name: metaForEach})
	content, diags := contentOf(hb.Body, allowed)
	b := &block{typ: typ, name: name, header: hb.DefRange, lifecycle: usual}
	diags = append(diags, b.decode(content, typ.Attributes, typ.Blocks)...)
	m.redact(b)
	id := providerID{name: name}
	if a := content.Attributes["alias"]; a != nil {
		more := staticValue(a, cty.String, &id.alias)
		diags = append(diags, more...)
		if id.alias != "" && !hclsyntax.ValidIdentifier(id.alias) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid name",
				Detail:   fmt.Sprintf("The alias %q cannot be used in a reference. A name begins with a letter or an underscore, and holds letters, digits, underscores and hyphens.", id.alias),
				Subject:  a.Expr.Range().Ptr(),
			})
		}
		b.name = id.String()
	}
	if a := content.Attributes[metaForEach]; a != nil {
		var more hcl.Diagnostics
		b.forEach, more = normalize(a.Expr)
		diags = append(diags, more...)
		if id.alias == "" {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Provider with for_each and without alias",
				Detail:   fmt.Sprintf("The instances of a provider with for_each are named by its alias and their keys: alias = \"node\" makes them %s.node[\"key\"].", name),
				Subject:  a.NameRange.Ptr(),
			})
		}
	}
	if other := m.providers[id]; other != nil {
		what := fmt.Sprintf("The provider %q without an alias", name)
		if id.alias != "" {
			what = fmt.Sprintf("The provider %q with the alias %q", name, id.alias)
		}
		return append(diags, duplicate(what, other.header, hb.DefRange))
	}
	m.providers[id] = b
	return diags
}

func unknownProvider(name string, at hcl.Range) *hcl.Diagnostic {
	known := schema.Providers()
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Unknown provider",
		Detail:   fmt.Sprintf("There is no provider named %q. This version of mailform has: %s.%s", name, strings.Join(known, ", "), suggestion(name, known)),
		Subject:  at.Ptr(),
	}
}

// namedProvider reads the name of one provider: embedded, embedded.second,
// embedded.node["a"], embedded.node[each.key].
func namedProvider(e hclsyntax.Expression) (providerRef, hcl.Diagnostics) {
	at := e.Range()
	ref := providerRef{rng: at}
	var t hcl.Traversal
	if x, ok := bare(e).(*hclsyntax.IndexExpr); ok {
		t, ref.key = staticTraversal(x.Collection), &expression{Expression: x.Key, uses: noUses}
	} else {
		t = staticTraversal(e)
		if n := len(t) - 1; n > 0 {
			if index, ok := t[n].(hcl.TraverseIndex); ok {
				t, ref.key = t[:n], &expression{Expression: &hclsyntax.LiteralValueExpr{Val: index.Key, SrcRange: index.SrcRange}, uses: noUses}
			}
		}
	}
	names := attrNames(t)
	if len(names) == 0 || len(names) > 2 || ref.key != nil && len(names) != 2 {
		return ref, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid provider",
			Detail:   fmt.Sprintf("A provider is named by a bare word, with its alias where it has one: %[1]s, %[1]s.second; or by a list of them; or by a choice, var.far ? %[1]s.second : %[1]s.", schema.Providers()[0]),
			Subject:  &at,
		}}
	}
	if schema.ProviderByName(names[0]) == nil && slices.Contains([]string{"var", "local", "each", "module", "data"}, names[0]) {
		return ref, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid provider",
			Detail:   fmt.Sprintf("Which provider it is has to stand in the file, by its name: %[1]s. It cannot come from elsewhere, because the plan is made for it. A condition can choose: var.far ? %[1]s.second : %[1]s.", schema.Providers()[0]),
			Subject:  &at,
		}}
	}
	if schema.ProviderByName(names[0]) == nil {
		return ref, hcl.Diagnostics{unknownProvider(names[0], at)}
	}
	ref.name = names[0]
	if len(names) > 1 {
		ref.alias = names[1]
	}
	return ref, nil
}

// namedProviders reads one name, or a list of them, or a choice of two such by a
// condition.
func namedProviders(e hclsyntax.Expression) ([]providerRef, hcl.Diagnostics) {
	if choice, ok := bare(e).(*hclsyntax.ConditionalExpr); ok {
		condition := &expression{Expression: choice.Condition, uses: noUses}
		yes, diags := namedProviders(choice.TrueResult)
		no, more := namedProviders(choice.FalseResult)
		return slices.Concat(chosen(yes, condition, true), chosen(no, condition, false)), append(diags, more...)
	}
	var diags hcl.Diagnostics
	var refs []providerRef
	seen := map[string]bool{}
	for _, item := range elements(e) {
		ref, more := namedProvider(item)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		if seen[ref.String()] && ref.key == nil {
			diags = append(diags, providerTwice(ref.String(), item.Range()))
			continue
		}
		seen[ref.String()] = true
		refs = append(refs, ref)
	}
	if len(refs) == 0 && len(diags) == 0 {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid provider",
			Detail:   "The list of providers is empty. Leave the argument out for the embedded one.",
			Subject:  e.Range().Ptr(),
		})
	}
	return refs, diags
}

// chosen are providers that are meant where a condition is as it says.
func chosen(refs []providerRef, condition *expression, is bool) []providerRef {
	for i := range refs {
		refs[i].when = append([]branch{{condition, is}}, refs[i].when...) // the outer one is judged first
	}
	return refs
}

func providerTwice(target string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Provider named twice",
		Detail:   fmt.Sprintf("The provider %s is in the list already.", target),
		Subject:  &at,
	}
}

// decodePassed reads the argument providers of a module block.
func (c *call) decodePassed(a *hcl.Attribute) hcl.Diagnostics {
	e, diags := native(a.Expr)
	object, ok := bare(e).(*hclsyntax.ObjectConsExpr)
	if !ok {
		return append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid providers",
			Detail:   "The argument providers says for what the module calls a provider which one that is: { embedded = embedded.second }.",
			Subject:  a.Expr.Range().Ptr(),
		})
	}
	for _, item := range object.Items {
		key := item.KeyExpr
		if k, ok := key.(*hclsyntax.ObjectConsKeyExpr); ok {
			key = k.Wrapped
		}
		name, more := namedProvider(key)
		diags = append(diags, more...)
		to, further := namedProvider(item.ValueExpr)
		diags = append(diags, further...)
		if more.HasErrors() || further.HasErrors() {
			continue
		}
		what := ""
		switch _, twice := c.providers[name.String()]; {
		case name.key != nil:
			what = "A provider is handed over as a whole, with all its keys, or one of its instances under a name of its own."
		case name.name != to.name:
			what = fmt.Sprintf("%s cannot stand for %s, which is of another sort.", to, name)
		case twice:
			what = fmt.Sprintf("%s is handed over already.", name)
		default:
			c.providers[name.String()] = passed{to, item.ValueExpr.Range()}
			continue
		}
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid providers", Detail: what, Subject: item.KeyExpr.Range().Ptr()})
	}
	return diags
}

// neededProviders are those with an alias that the module works with: its
// callers have to hand them over.
func (m *Module) neededProviders() []string {
	needed := map[string]bool{}
	for _, b := range m.blocks {
		if a := b.attrs.named("provider"); a != nil {
			for _, ref := range a.named {
				needed[ref.String()] = needed[ref.String()] || ref.alias != ""
			}
		}
	}
	for _, c := range m.calls {
		for _, p := range c.providers {
			needed[p.expr.String()] = needed[p.expr.String()] || p.expr.alias != ""
		}
	}
	var names []string
	for _, name := range keys(needed) {
		if needed[name] {
			names = append(names, name)
		}
	}
	return names
}

// resolveProvider finds what a provider block reads.
func (m *Module) resolveProvider(p *block) hcl.Diagnostics {
	if p.forEach == nil {
		return m.resolveBody(&p.body, inLocal, nil)
	}
	diags := m.resolveBody(&p.body, inBlock, p)
	return append(diags, m.find(p.forEach, inKeys, p.eachAttrs)...)
}

// resolveNamedProviders finds what the argument provider of a block reads.
func (m *Module) resolveNamedProviders(b *block, a *attribute) hcl.Diagnostics {
	var diags hcl.Diagnostics
	found := map[*expression]bool{} // a condition has two sides
	for _, ref := range a.named {
		for _, x := range ref.expressions() {
			if found[x] {
				continue
			}
			found[x] = true
			diags = append(diags, m.find(x, inBlock, nil)...)
			if d := checkMeta(b, x); d != nil {
				diags = append(diags, d)
			}
		}
		diags = append(diags, m.checkProvider(ref)...)
	}
	return diags
}

// checkProvider holds the name of a provider to those that there are. A called
// module has those that it is handed.
func (m *Module) checkProvider(ref providerRef) hcl.Diagnostics {
	if m != m.root || m.incomplete || ref.alias == "" {
		return nil
	}
	p := m.providers[ref.providerID]
	refuse := func(summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: ref.rng.Ptr()}}
	}
	switch {
	case p == nil:
		return refuse("Reference to undeclared provider", "There is no block provider %q with alias = %q.", ref.name, ref.alias)
	case p.forEach == nil && ref.key != nil:
		return refuse("Invalid provider", "The provider %s has no for_each, so it has no instances with keys.", ref)
	}
	return nil
}
