package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const blockData = "data"

func isData(typ *schema.BlockType) bool { return strings.HasPrefix(typ.Type, schema.DataType) }

// noun is what a sentence calls a block of a type.
func noun(typ *schema.BlockType) string {
	if isData(typ) {
		return typ.Label + " data block"
	}
	return typ.Type
}

// decodeData takes in a data block.
func (m *Module) decodeData(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.DataSourceByName(hb.Labels[0])
	if typ == nil {
		return hcl.Diagnostics{unknownData(hb.Labels[0], hb.LabelRanges[0])}
	}
	diags := m.decodeBlock(hb, typ, hb.Labels[1])
	b := m.blocks[blockID{typ.Type, hb.Labels[1]}]
	if b == nil || b.header != hb.DefRange {
		return diags
	}
	for _, d := range b.dependsOn {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid depends_on",
			Detail:   fmt.Sprintf("%s is read when the plan is made, before anything is changed, so that it cannot wait for another block.", b.address()),
			Subject:  &d.rng,
		})
	}
	b.dependsOn = nil
	if b.lifecycle.preventDestroy || b.lifecycle.ignoreAll || len(b.lifecycle.ignore) > 0 {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid lifecycle",
			Detail:   fmt.Sprintf("%s is only read: there is nothing that could be changed or destroyed. Of lifecycle it takes enabled, precondition and postcondition.", b.address()),
			Subject:  &b.header,
		})
	}
	return diags
}

func unknownData(name string, at hcl.Range) *hcl.Diagnostic {
	var known []string
	for _, d := range schema.DataSources() {
		known = append(known, d.Label)
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Unknown data source",
		Detail:   fmt.Sprintf("There is no data source named %q. There are: %s.%s", name, strings.Join(known, ", "), suggestion(name, known)),
		Subject:  &at,
	}
}

// data takes in a reference to a data block: data.dns.mx.
func (s *scan) data(t hcl.Traversal) {
	if s.where == inCheck {
		s.refuse(t, validationReads)
		return
	}
	var step hcl.TraverseAttr
	if len(t) > 1 {
		step, _ = t[1].(hcl.TraverseAttr)
	}
	if step.Name == "" {
		s.refuse(t, "A reference names a data block: data.TYPE.NAME.")
		return
	}
	typ := schema.DataSourceByName(step.Name)
	if typ == nil {
		s.diags = append(s.diags, unknownData(step.Name, step.SrcRange))
		return
	}
	root := hcl.TraverseRoot{Name: typ.Type, SrcRange: hcl.RangeBetween(t[0].SourceRange(), step.SrcRange)}
	s.reference(typ, append(hcl.Traversal{root}, t[2:]...))
}

// lookUp has the data blocks of all modules answered at once, but for those that
// others are made of: these are answered when they are needed, with all that
// wait by then.
func (e *evaluator) lookUp() {
	for _, m := range e.m.all {
		for id := range m.blocks {
			if isData(m.blocks[id].typ) {
				e.ask()
				e.answer()
				return
			}
		}
	}
}

// ask puts what the data blocks of a module and of those that it calls ask for
// among the open questions.
func (e *evaluator) ask() {
	for _, id := range sortedBlocks(e.blocks) {
		if b := e.blocks[id]; isData(b.typ) {
			e.questions(b)
		}
	}
	for _, name := range keys(e.calls) {
		for _, child := range e.instancesOf(e.calls[name]) {
			child.ask()
		}
	}
}

// A question is what one instance of a data block asks for.
type question struct {
	e     *evaluator
	b     *evaluated
	i     int
	marks cty.ValueMarks
	query DataQuery
}

// questions prepares a data block for its answers, which are unknown until they
// come, and puts what it asks for among the open questions. There is nothing to
// ask where that was done, or where something that it hangs on is not known.
func (e *evaluator) questions(b *evaluated) {
	if b.answers != nil || !e.keys(b) {
		return
	}
	columns := make(map[string]*column, len(b.typ.Attributes))
	for i := range b.typ.Attributes {
		name := b.typ.Attributes[i].Name
		columns[name] = e.column(b, name)
		if columns[name].state != done {
			return // a cycle, which is reported
		}
	}
	unknown := map[string]cty.Value{}
	for _, c := range b.typ.Computed {
		unknown[c.Name] = cty.UnknownVal(c.Type)
	}
	b.answers = make([]cty.Value, len(b.instances))
	for i := range b.instances {
		b.answers[i] = cty.ObjectVal(unknown)
		args := make(map[string]cty.Value, len(columns))
		for name, c := range columns {
			args[name] = c.at(i)
		}
		v, marks := cty.ObjectVal(args).UnmarkDeep()
		if e.opts.Data == nil || b.unknown || !v.IsWhollyKnown() {
			continue
		}
		ref := schema.Ref{Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}
		q := DataQuery{Address: ref.String(), Source: b.typ.Label, Args: v}
		if v.Type().HasAttribute("provider") {
			q.Providers = e.named(v.GetAttr("provider"), b.header)
		}
		e.asked = append(e.asked, &question{e, b, i, marks, q})
	}
}

// named finds providers by their targets.
func (e *evaluator) named(targets cty.Value, at hcl.Range) []Provider {
	declared := e.providers(at)
	var out []Provider
	for it := targets.ElementIterator(); it.Next(); {
		_, target := it.Element()
		p := Provider{Value: cty.NullVal(cty.DynamicPseudoType)}
		p.Name, p.Alias, _ = strings.Cut(target.AsString(), ".")
		for i := range declared {
			if declared[i].Target() == target.AsString() {
				p = declared[i]
			}
		}
		out = append(out, p)
	}
	return out
}

// answer asks the open questions, and takes in the answers.
func (e *evaluator) answer() {
	asked := e.asked
	e.asked = nil
	if len(asked) == 0 {
		return
	}
	queries := make([]DataQuery, len(asked))
	for i, q := range asked {
		queries[i] = q.query
	}
	for i, a := range e.opts.Data(queries) {
		q := asked[i]
		if a.Err == nil && a.Value == cty.NilVal {
			continue
		}
		if a.Err == nil {
			q.b.answers[q.i] = a.Value.WithMarks(q.marks)
			continue
		}
		ref := schema.Ref{Module: q.e.path, Type: q.b.typ.Type, Name: q.b.name, Key: q.b.instances[q.i].key}
		problem := a.Err.Error()
		if len(q.marks) > 0 {
			problem = "the reason is not shown, because an argument is sensitive"
		}
		q.e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Cannot read data",
			Detail:   fmt.Sprintf("%s could not be read: %s.", ref, strings.TrimSuffix(problem, ".")),
			Subject:  &q.b.header,
		})
	}
}

// dataColumn is what a data block has been answered.
func (e *evaluator) dataColumn(b *evaluated, name string) []cty.Value {
	e.questions(b)
	e.answer()
	unknown := cty.UnknownVal(b.typ.ComputedAttribute(name).Type)
	if b.answers == nil {
		return []cty.Value{unknown}
	}
	values := make([]cty.Value, len(b.answers))
	for i, a := range b.answers {
		bare, marks := a.Unmark()
		values[i] = bare.GetAttr(name).WithMarks(marks)
	}
	return values
}
