package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Outputs evaluates the outputs, ordered by name, of a configuration that
// Evaluate of the same module returned. computed holds what expansion and apply
// know. The values have no marks; Sensitive says of which they are made. A
// reference to a block is its address.
func (m *Module) Outputs(cfg *Config, computed Computed) ([]Output, hcl.Diagnostics) {
	if cfg == nil || cfg.evaluator == nil {
		return nil, nil
	}
	e := cfg.evaluator
	e.again(computed)
	var out []Output
	for _, name := range keys(m.outputs) {
		o := m.outputs[name]
		if o.value == nil {
			continue // reported
		}
		if o.ephemeral {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Output of an ephemeral value",
				Detail:   fmt.Sprintf("The output %q is remembered, as all outputs of the root module. Only that of a called module can be ephemeral.", name),
				Subject:  o.header.Ptr(),
			})
			continue
		}
		v, diags := e.value(o.value, e.context(o.value))
		e.report(diags...)
		v, marks := v.UnmarkDeep()
		if _, ok := marks[Ephemeral]; ok {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Output of an ephemeral value",
				Detail:   fmt.Sprintf("The value of the output %q is made of ephemeral values, and outputs are remembered. ephemeralasnull() leaves such values out.", name),
				Subject:  o.value.Range().Ptr(),
			})
			continue
		}
		if len(marks) > 0 && !o.sensitive {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Output of a sensitive value",
				Detail:   fmt.Sprintf("The value of the output %q is made of sensitive values. To have it all the same, hidden where it is shown, set sensitive = true.", name),
				Subject:  o.value.Range().Ptr(),
			})
			continue
		}
		out = append(out, Output{
			Name:        name,
			Value:       withoutRefs(v),
			Description: o.description,
			Sensitive:   o.sensitive,
			Range:       o.header,
		})
	}
	return out, sortDiagnostics(e.diags)
}

// again forgets what is made of computed attributes, which may be others now,
// and what was reported.
func (e *evaluator) again(computed Computed) {
	e.computed, e.diags, e.told = computed, nil, map[string]bool{}
	e.eachModule(func(e *evaluator) {
		e.seen, e.outs = map[string]cty.Value{}, map[string]*outcome{}
	})
}

// withoutRefs puts addresses in the place of references.
func withoutRefs(v cty.Value) cty.Value {
	if ref, ok := asRef(v); ok {
		return cty.StringVal(ref.String())
	}
	t := v.Type()
	switch {
	case t.Equals(schema.RefType):
		if v.IsNull() {
			return cty.NullVal(cty.String)
		}
		return cty.UnknownVal(cty.String)
	case v.IsNull() || !v.IsKnown():
		if !holdsRefs(t) {
			return v
		}
		if v.IsNull() {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		return cty.DynamicVal
	case t.IsObjectType() || t.IsMapType():
		if !holdsRefs(t) {
			return v
		}
		values := v.AsValueMap()
		for name, item := range values {
			values[name] = withoutRefs(item)
		}
		return cty.ObjectVal(values)
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		if !holdsRefs(t) {
			return v
		}
		values := v.AsValueSlice()
		for i, item := range values {
			values[i] = withoutRefs(item)
		}
		return cty.TupleVal(values)
	}
	return v
}

// holdsRefs reports whether a type has references anywhere within.
func holdsRefs(t cty.Type) bool {
	switch {
	case t.Equals(schema.RefType):
		return true
	case t.IsCollectionType():
		return holdsRefs(t.ElementType())
	case t.IsTupleType():
		for _, et := range t.TupleElementTypes() {
			if holdsRefs(et) {
				return true
			}
		}
	case t.IsObjectType():
		for _, at := range t.AttributeTypes() {
			if holdsRefs(at) {
				return true
			}
		}
	}
	return false
}
