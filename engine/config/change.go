package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A move is a moved block.
type move struct {
	from, to dependency
	header   hcl.Range
}

// A taking is an import block: evaluated like a block with or without for_each.
type taking struct {
	*block
	to  schema.Ref // without its key
	key *expression
	id  *expression
	at  hcl.Range // of to
}

// A check is a check block.
type check struct {
	name   string
	rules  []rule
	header hcl.Range
}

func (m *Module) decodeMoved(hb *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(hb.Body, bodySchema(schema.BlockByType("moved").Attributes, nil, false))
	mv := move{header: hb.DefRange}
	for name, d := range map[string]*dependency{"from": &mv.from, "to": &mv.to} {
		a := content.Attributes[name]
		if a == nil {
			continue
		}
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		ref, rest := splitReference(staticTraversal(expr))
		if !addressable(ref) || len(rest) > 0 {
			diags = append(diags, invalidAddress(name, expr.Range()))
			continue
		}
		*d = dependency{ref, expr.Range()}
	}
	switch {
	case mv.from.ref == (schema.Ref{}) || mv.to.ref == (schema.Ref{}): // reported
	case (mv.from.ref.Type == "") != (mv.to.ref.Type == ""):
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Move to another type",
			Detail:   fmt.Sprintf("%s cannot become %s: of the two, one is a module and the other a block.", mv.from.ref, mv.to.ref),
			Subject:  &mv.to.rng,
		})
	case mv.from.ref.Type != mv.to.ref.Type:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Move to another type",
			Detail:   fmt.Sprintf("%s cannot become %s: a %s stays one.", mv.from.ref, mv.to.ref, mv.from.ref.Type),
			Subject:  &mv.to.rng,
		})
	default:
		m.moves = append(m.moves, mv)
	}
	return diags
}

// addressable reports whether an address is that of a block that describes
// something, or of a module.
func addressable(ref schema.Ref) bool {
	if ref.Type == "" {
		return ref.Module != nil
	}
	typ := schema.BlockByType(ref.Type)
	return ref.Name != "" && typ != nil && typ.Instances
}

func invalidAddress(name string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid address",
		Detail:   fmt.Sprintf("The argument %s names a block, a module, or one instance of those, such as user.alice, user.staff[\"bob\"] or module.acme.user.alice.", name),
		Subject:  &at,
	}
}

func (m *Module) decodeImport(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("import")
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, nil, false))
	t := taking{block: &block{typ: typ, header: hb.DefRange, lifecycle: usual}}
	expr := func(name string) *expression {
		a := content.Attributes[name]
		if a == nil {
			return nil
		}
		x, more := normalize(a.Expr)
		diags = append(diags, more...)
		return x
	}
	t.forEach, t.id = expr(metaForEach), expr("id")
	to := expr("to")
	if to == nil || t.id == nil {
		return diags
	}
	var rest hcl.Traversal
	t.at = to.Range()
	if x, ok := bare(to).(*hclsyntax.IndexExpr); ok { // user.staff[each.key]
		t.to, rest = splitReference(staticTraversal(x.Collection))
		t.key = &expression{Expression: x.Key, uses: noUses}
	} else {
		t.to, rest = splitReference(staticTraversal(to))
		if key := t.to.Key; key != cty.NilVal {
			t.key = &expression{Expression: &hclsyntax.LiteralValueExpr{Val: key, SrcRange: t.at}, uses: noUses}
			t.to.Key = cty.NilVal
		}
	}
	if !addressable(t.to) || t.to.Type == "" || len(rest) > 0 {
		return append(diags, invalidAddress("to", t.at))
	}
	m.takings = append(m.takings, t)
	return diags
}

func (m *Module) decodeCheck(hb *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(hb.Body, bodySchema(nil, schema.BlockByType("check").Blocks, false))
	c := check{name: hb.Labels[0], header: hb.DefRange}
	for _, other := range m.checks {
		if other.name == c.name {
			return append(diags, duplicate(fmt.Sprintf("A check named %q", c.name), other.header, c.header))
		}
	}
	for _, rb := range content.Blocks {
		r, more := decodeRule(rb)
		diags = append(diags, more...)
		if r != nil {
			c.rules = append(c.rules, *r)
		}
	}
	m.checks = append(m.checks, c)
	return diags
}

// resolveChanges finds what import and check blocks read.
func (m *Module) resolveChanges() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range m.takings {
		if t.forEach != nil {
			diags = append(diags, m.find(t.forEach, inKeys, nil)...)
		}
		for _, x := range []*expression{t.key, t.id} {
			if x == nil {
				continue
			}
			diags = append(diags, m.find(x, inBlock, nil)...)
			if d := checkMeta(t.block, x); d != nil {
				diags = append(diags, d)
			}
		}
	}
	for _, c := range m.checks {
		for _, r := range c.rules {
			diags = append(diags, m.find(r.condition, inLocal, nil)...)
			diags = append(diags, m.find(r.message, inLocal, nil)...)
		}
	}
	return diags
}

// exists reports whether an address is that of a block, a module, or an
// instance of those.
func (e *evaluator) exists(ref schema.Ref) bool {
	in, b, key := e.find(ref)
	if b == nil || !in.keys(b) || b.unknown {
		return false
	}
	if key == cty.NilVal {
		return !b.multiple() && len(b.instances) > 0
	}
	_, ok := b.find(key)
	return ok
}

// moved checks the moved blocks of all modules.
func (e *evaluator) moved() []Moved {
	var out []Moved
	seen := map[string]hcl.Range{}
	next := map[string]string{}
	e.eachModule(func(e *evaluator) {
		refuse := func(at hcl.Range, summary, format string, args ...any) {
			e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at})
		}
		for _, mv := range e.m.moves {
			m := Moved{From: e.in(mv.from.ref), To: e.in(mv.to.ref), Range: mv.header}
			from, to := m.From.String(), m.To.String()
			_, whole, key := e.find(mv.from.ref)
			other, twice := seen[from]
			switch {
			case from == to:
				refuse(mv.to.rng, "Move to the same place", "%s is moved to itself.", from)
				continue
			case twice:
				refuse(mv.from.rng, "Moved twice", "%s is moved at %s already.", from, other)
				continue
			case e.exists(mv.from.ref),
				whole != nil && whole.multiple() && key == cty.NilVal && withoutKey(m.To) != from:
				refuse(mv.from.rng, "Moved block is still there", "%s is moved to %s, and is still declared. Take one of the two out.", from, to)
				continue
			}
			seen[from], next[from] = mv.from.rng, to
			out = append(out, m)
		}
	})
	for _, mv := range out {
		at := mv.From.String()
		for steps := 0; at != "" && steps <= len(out); steps++ {
			at = next[at]
		}
		if at != "" {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Moved in a circle",
				Detail:   fmt.Sprintf("%s is moved back to itself in the end. Where it is now, no move may begin.", mv.From),
				Subject:  mv.Range.Ptr(),
			})
			return nil
		}
	}
	return out
}

// withoutKey is the address of all instances of a block or of a module.
func withoutKey(ref schema.Ref) string {
	if ref.Type == "" {
		return ref.Module.Call()
	}
	ref.Key = cty.NilVal
	return ref.String()
}

// imports evaluates the import blocks of all modules.
func (e *evaluator) imports() []Import {
	var out []Import
	e.eachModule(func(e *evaluator) {
		for _, t := range e.m.takings {
			out = append(out, e.importsOf(&t)...)
		}
	})
	return out
}

// importsOf evaluates one import block.
func (e *evaluator) importsOf(t *taking) []Import {
	b := &evaluated{block: t.block}
	if !e.keys(b) || b.unknown {
		return nil
	}
	in, named, _ := e.find(t.to)
	if named == nil && t.to.Module != nil && !e.mayBeUnknown() {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid import",
			Detail:   fmt.Sprintf("There is no %s in this configuration.", t.to),
			Subject:  &t.at,
		})
	}
	if named == nil && t.to.Module == nil {
		return e.undeclaredImport(t, b)
	}
	if named == nil || !in.keys(named) || named.unknown {
		return nil // reported, or not known without all variables
	}
	var out []Import
	failed := 0
	for i := range b.instances {
		imp, problem := e.importOf(t, b, named, i)
		if problem == nil {
			if imp.ID != "" {
				imp.To = e.in(imp.To)
				out = append(out, imp)
			}
			continue
		}
		e.report(problem)
		if failed++; failed == maxErrors {
			break
		}
	}
	return out
}

// undeclaredImport deals with an import block for a block that is not there: an
// error, unless that block is to be written.
func (e *evaluator) undeclaredImport(t *taking, b *evaluated) []Import {
	diags := e.m.undeclared(schema.BlockByType(t.to.Type), t.to.Name, t.at)
	switch {
	case len(diags) == 0: // it may be in a file that could not be read
	case e.in(t.to).Module != nil: // only the root module is written to
		e.report(diags...)
	case !e.opts.DraftImports:
		diags[0].Detail += " To have the block written, run mailform plan -generate-config-out=FILE."
		e.report(diags...)
	case t.forEach != nil || t.key != nil:
		diags[0].Detail += " Only blocks without for_each and count can be written: an import for each instance needs its block first."
		e.report(diags...)
	default:
		id, problem := e.importID(t, b, 0)
		if problem != nil {
			e.report(problem)
		} else if id != "" {
			return []Import{{To: t.to, ID: id, Range: t.header, Undeclared: true}}
		}
	}
	return nil
}

// importOf evaluates one instance of an import block. Its ID is empty where it
// is not known without all variables.
func (e *evaluator) importOf(t *taking, b, named *evaluated, i int) (Import, *hcl.Diagnostic) {
	imp := Import{To: t.to, Range: t.header}
	refuse := func(at hcl.Range, format string, args ...any) (Import, *hcl.Diagnostic) {
		return imp, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid import", Detail: fmt.Sprintf(format, args...), Subject: &at}
	}
	if t.key != nil {
		key, diags := e.value(t.key, e.instanceContext(b, t.key, e.context(t.key), i))
		switch {
		case diags.HasErrors():
			return imp, diags[0]
		case !key.IsMarked() && !key.IsKnown() && e.mayBeUnknown():
			return imp, nil
		case key.IsMarked() || !key.IsKnown() || key.IsNull() || key.Type() != cty.String && key.Type() != cty.Number:
			return refuse(t.at, "The key in the argument to has to be a known text or number that is not sensitive.")
		}
		imp.To.Key = key
	}
	if !e.exists(imp.To) {
		switch {
		case imp.To.Key == cty.NilVal && named.multiple():
			return refuse(t.at, "%s has instances with keys. Name the one that is meant.", imp.To)
		case imp.To.Key != cty.NilVal && !named.multiple():
			return imp, noInstances(named.block, t.at)
		}
		return imp, named.noSuchInstance(keyUse{imp.To.Key, t.at})
	}
	id, problem := e.importID(t, b, i)
	imp.ID = id
	return imp, problem
}

// importID evaluates the ID of one instance of an import block. It is empty
// where it is not known without all variables.
func (e *evaluator) importID(t *taking, b *evaluated, i int) (string, *hcl.Diagnostic) {
	id, diags := e.value(t.id, e.instanceContext(b, t.id, e.context(t.id), i))
	text, ok := plainString(id)
	switch {
	case diags.HasErrors():
		return "", diags[0]
	case !id.IsMarked() && !id.IsKnown() && e.mayBeUnknown():
		return "", nil
	case !ok || text == "":
		return "", &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid import",
			Detail:   "The argument id has to be a text that is known, not empty and not sensitive.",
			Subject:  t.id.Range().Ptr(),
		}
	}
	return text, nil
}

// checks looks at the conditions of check blocks. They stop nothing.
func (e *evaluator) checks() []CheckResult {
	var results []CheckResult
	for _, c := range e.m.checks {
		result := CheckResult{Module: e.path.String(), Name: c.name, Status: CheckPass}
		for _, r := range c.rules {
			ok, known, diags := e.verdict(r.condition, e.context(r.condition))
			switch {
			case diags.HasErrors():
				result.assertion(CheckError, diags[0].Summary)
			case !known:
				result.assertion(CheckUnknown, "")
			case !ok:
				text := e.message(r.message, e.context(r.message))
				result.assertion(CheckFail, text)
				diags = hcl.Diagnostics{{
					Summary: "Check failed",
					Detail:  fmt.Sprintf("%s\n\nThis is an assertion of the check %q.", text, c.name),
					Subject: r.condition.Range().Ptr(),
					Extra:   Failed{e.path.Prefix() + "check." + c.name},
				}}
			}
			for _, d := range diags {
				d.Severity = hcl.DiagWarning
			}
			e.report(diags...)
		}
		results = append(results, result)
	}
	return results
}
