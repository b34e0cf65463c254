package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A taking is an import block: evaluated like a block with or without for_each.
type taking struct {
	*block
	to schema.Ref // without keys
	// keys are those in to, of the modules from the outside in and of the block;
	// nil for one that has none.
	keys []*expression
	id   *expression
	at   hcl.Range // of to
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
	t.at = to.Range()
	if !t.names(steps(to)) {
		return append(diags, invalidAddress("to", t.at))
	}
	m.takings = append(m.takings, t)
	return diags
}

// A step is a part of an address: a name, or a key that may be known later.
type step struct {
	name string
	key  *expression
}

// steps takes an address apart, with keys that are expressions:
// module.acme[each.key].user.staff["bob"]. It is nil for what is no address.
func steps(e hclsyntax.Expression) []step {
	switch t := bare(e).(type) {
	case *hclsyntax.IndexExpr:
		if before := steps(t.Collection); before != nil {
			return append(before, step{key: &expression{Expression: t.Key, uses: noUses}})
		}
	case *hclsyntax.RelativeTraversalExpr:
		if before := steps(t.Source); before != nil {
			return stepsOf(before, t.Traversal)
		}
	default:
		return stepsOf(nil, staticTraversal(e))
	}
	return nil
}

func stepsOf(before []step, t hcl.Traversal) []step {
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			before = append(before, step{name: s.Name})
		case hcl.TraverseAttr:
			before = append(before, step{name: s.Name})
		case hcl.TraverseIndex:
			literal := &hclsyntax.LiteralValueExpr{Val: s.Key, SrcRange: s.SrcRange}
			before = append(before, step{key: &expression{Expression: literal, uses: noUses}})
		default:
			return nil
		}
	}
	return before
}

// names reads what the address of an import block names, and reports whether
// that is a block.
func (t *taking) names(list []step) bool {
	for len(list) >= 2 && list[0].name != "" && list[1].name != "" {
		typ, name := list[0].name, list[1].name
		list = list[2:]
		var key *expression
		if len(list) > 0 && list[0].key != nil {
			key, list = list[0].key, list[1:]
		}
		t.keys = append(t.keys, key)
		if typ != "module" {
			t.to.Type, t.to.Name = typ, name
			return len(list) == 0 && addressable(t.to)
		}
		t.to.Module = t.to.Module.Child(name, cty.NilVal)
	}
	return false
}

// resolveImport finds what an import block reads.
func (m *Module) resolveImport(t *taking) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if t.forEach != nil {
		diags = append(diags, m.find(t.forEach, inKeys, nil)...)
	}
	for _, x := range append([]*expression{t.id}, t.keys...) {
		if x == nil {
			continue
		}
		diags = append(diags, m.find(x, inBlock, nil)...)
		if d := checkMeta(t.block, x); d != nil {
			diags = append(diags, d)
		}
	}
	return diags
}

// imports evaluates the import blocks of all modules.
func (e *evaluator) imports() []Import {
	var out []Import
	e.eachModule(func(e *evaluator) {
		for i := range e.m.takings {
			out = append(out, e.importsOf(&e.m.takings[i])...)
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
	if t.to.Module == nil && e.m.blocks[blockID{t.to.Type, t.to.Name}] == nil {
		return e.undeclaredImport(t, b)
	}
	var out []Import
	failed := 0
	for i := range b.instances {
		imp, problem := e.importOf(t, b, i)
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

// importTo evaluates the address of one instance of an import block. It reports
// false where that is not known without all variables.
func (e *evaluator) importTo(t *taking, b *evaluated, i int) (schema.Ref, bool, *hcl.Diagnostic) {
	keys := make([]cty.Value, len(t.keys))
	for j, x := range t.keys {
		if x == nil {
			continue
		}
		key, diags := e.value(x, e.instanceContext(b, x, e.context(x), i))
		switch {
		case diags.HasErrors():
			return t.to, false, diags[0]
		case !key.IsMarked() && !key.IsKnown() && e.mayBeUnknown():
			return t.to, false, nil
		case key.IsMarked() || !key.IsKnown() || key.IsNull() || key.Type() != cty.String && key.Type() != cty.Number:
			return t.to, false, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid import",
				Detail:   "The key in the argument to has to be a known text or number that is not sensitive.",
				Subject:  &t.at,
			}
		}
		keys[j] = key
	}
	to := schema.Ref{Type: t.to.Type, Name: t.to.Name, Key: keys[len(keys)-1]}
	var names []string
	for m := t.to.Module; m != nil; m = m.Parent() {
		names = append(names, m.Name())
	}
	for j := range names {
		to.Module = to.Module.Child(names[len(names)-1-j], keys[j])
	}
	return to, true, nil
}

// importOf evaluates one instance of an import block. Its ID is empty where it
// is not known without all variables.
func (e *evaluator) importOf(t *taking, b *evaluated, i int) (Import, *hcl.Diagnostic) {
	imp := Import{Range: t.header}
	refuse := func(at hcl.Range, format string, args ...any) (Import, *hcl.Diagnostic) {
		return imp, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid import", Detail: fmt.Sprintf(format, args...), Subject: &at}
	}
	to, known, problem := e.importTo(t, b, i)
	if !known {
		return imp, problem
	}
	imp.To = to
	in, named, _ := e.find(to)
	switch {
	case named == nil && e.mayBeUnknown():
		return imp, nil // reported, or not known without all variables
	case named == nil:
		return refuse(t.at, "There is no %s in this configuration.", to)
	case !in.keys(named) || named.unknown:
		return imp, nil
	}
	if !e.exists(to) {
		switch {
		case to.Key == cty.NilVal && named.multiple():
			return refuse(t.at, "%s has instances with keys. Name the one that is meant.", to)
		case to.Key != cty.NilVal && !named.multiple():
			return imp, noInstances(named.block, t.at)
		}
		return imp, named.noSuchInstance(keyUse{to.Key, t.at})
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

// undeclaredImport deals with an import block for a block that is not there: an
// error, unless that block is to be written.
func (e *evaluator) undeclaredImport(t *taking, b *evaluated) []Import {
	diags := e.m.undeclared(schema.BlockByType(t.to.Type), t.to.Name, t.at)
	switch {
	case len(diags) == 0: // it may be in a file that could not be read
	case e.path != nil: // only the root module is written to
		e.report(diags...)
	case !e.opts.DraftImports:
		diags[0].Detail += " To have the block written, run mailform plan -generate-config-out=FILE."
		e.report(diags...)
	case t.forEach != nil || slices.ContainsFunc(t.keys, func(x *expression) bool { return x != nil }):
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
