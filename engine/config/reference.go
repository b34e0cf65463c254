package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// identity is the attribute that holds the reference itself where a block is
// seen as an object with attributes. It is no identifier, so that nobody can
// read it by name.
const identity = "(reference)"

// reference is what a block looks like to an expression that reads these
// attributes of it: a reference where it reads none, else an object; and an
// object or a tuple of those for a block with for_each or count.
func (e *evaluator) reference(r *reads) cty.Value {
	b := e.blocks[r.id]
	attrs := make([]string, 0, len(r.attrs))
	for name := range r.attrs {
		attrs = append(attrs, name)
	}
	sort.Strings(attrs)
	if !e.keys(b) || b.unknown {
		return cty.DynamicVal
	}
	for _, k := range r.keys {
		if _, ok := b.find(k.key); !ok {
			e.report(b.noSuchInstance(k))
			return cty.DynamicVal
		}
	}
	for _, name := range attrs {
		if b.typ.HasPart(name) {
			continue
		}
		if c := b.typ.ComputedAttribute(name); c != nil && !c.Derived {
			continue
		}
		if col := e.column(b, name); col.state != done {
			return cty.DynamicVal // a cycle, which is reported
		}
	}
	key := b.address() + "|" + strings.Join(attrs, "|")
	if v, ok := e.seen[key]; ok {
		return v
	}
	v := e.see(b, attrs)
	e.seen[key] = v
	return v
}

// see builds the value of a reference, for all instances.
func (e *evaluator) see(b *evaluated, attrs []string) cty.Value {
	one := func(i int) cty.Value {
		ref := schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}
		if len(attrs) == 0 {
			return schema.RefVal(ref)
		}
		values := make(map[string]cty.Value, len(attrs)+1)
		values[identity] = schema.RefVal(ref)
		for _, name := range attrs {
			values[name] = e.readAttribute(b, i, ref, name)
		}
		return cty.ObjectVal(values)
	}
	switch {
	case !b.multiple() && len(b.instances) == 0: // not enabled
		return cty.NullVal(cty.DynamicPseudoType)
	case b.forEach != nil:
		all := make(map[string]cty.Value, len(b.instances))
		for i := range b.instances {
			all[b.instances[i].key.AsString()] = one(i)
		}
		return cty.ObjectVal(all)
	case b.count != nil:
		all := make([]cty.Value, len(b.instances))
		for i := range b.instances {
			all[i] = one(i)
		}
		return cty.TupleVal(all)
	default:
		return one(0)
	}
}

// readAttribute is one attribute of one instance, whatever sort it is of.
func (e *evaluator) readAttribute(b *evaluated, i int, ref schema.Ref, name string) cty.Value {
	if b.typ.HasPart(name) {
		ref.Part = name
		return schema.RefVal(ref)
	}
	c := b.typ.ComputedAttribute(name)
	if c == nil || c.Derived {
		return e.column(b, name).at(i)
	}
	known, ok := e.computed[ref.String()]
	if ok && known != cty.NilVal && known.IsKnown() && !known.IsNull() && known.Type().IsObjectType() && known.Type().HasAttribute(name) {
		return known.GetAttr(name)
	}
	return cty.UnknownVal(c.Type)
}

func (b *evaluated) noSuchInstance(k keyUse) *hcl.Diagnostic {
	const most = 10
	ref := schema.Ref{Type: b.typ.Type, Name: b.name, Key: k.key}
	var names, shown []string
	for i := range b.instances {
		key := b.instances[i].key
		if key.Type() == cty.String {
			names = append(names, key.AsString())
		}
		if i < most {
			shown = append(shown, schema.IndexString(key))
		}
	}
	detail := fmt.Sprintf("There is no %s.", ref)
	switch near := suggestionForKey(k.key, names); {
	case near != "":
		detail += near
	case len(b.instances) == 0:
		detail += fmt.Sprintf(" %s has no instances.", b.address())
	case len(b.instances) > most:
		detail += fmt.Sprintf(" The keys of %s are %s, and %d more.", b.address(), strings.Join(shown, ", "), len(b.instances)-most)
	default:
		detail += fmt.Sprintf(" The keys of %s are %s.", b.address(), strings.Join(shown, ", "))
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Reference to undeclared instance",
		Detail:   detail,
		Subject:  &k.rng,
	}
}

func suggestionForKey(key cty.Value, names []string) string {
	if key.Type() != cty.String {
		return ""
	}
	return suggestion(key.AsString(), names)
}

// asRef finds the reference in a value: the value itself, or the identity of a
// block that is seen with attributes.
func asRef(v cty.Value) (schema.Ref, bool) {
	if ref, ok := schema.AsRef(v); ok {
		return ref, true
	}
	v, _ = v.Unmark()
	if t := v.Type(); t.IsObjectType() && v.IsKnown() && !v.IsNull() && t.HasAttribute(identity) {
		return schema.AsRef(v.GetAttr(identity))
	}
	return schema.Ref{}, false
}

// flattenRefs lists the references in a value that may be a block with
// for_each or count named bare. It reports false for anything else.
func flattenRefs(v cty.Value) ([]cty.Value, bool) {
	if ref, ok := asRef(v); ok {
		return []cty.Value{schema.RefVal(ref)}, true
	}
	v, _ = v.Unmark()
	t := v.Type()
	if !v.IsKnown() || v.IsNull() || !t.IsObjectType() && !t.IsTupleType() {
		return nil, false
	}
	refs := []cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		ref, ok := asRef(item)
		if !ok {
			return nil, false
		}
		refs = append(refs, schema.RefVal(ref))
	}
	return refs, true
}

// refTypes describes what an attribute may refer to: "a user or an alias".
func refTypes(refs []string) string {
	words := make([]string, len(refs))
	for i, r := range refs {
		article := "a"
		if strings.IndexByte("aeio", r[0]) >= 0 {
			article = "an"
		}
		if typ, part, ok := strings.Cut(r, "."); ok {
			words[i] = fmt.Sprintf("the %s of a %s", part, typ)
			continue
		}
		words[i] = article + " " + r
	}
	return schema.Or(words)
}

// exampleRef is a reference as one would write it.
func exampleRef(refs []string) string {
	typ, part, ok := strings.Cut(refs[0], ".")
	if ok {
		return typ + ".NAME." + part
	}
	return typ + ".NAME"
}

// checkRef explains why a reference is not of the sort that an attribute takes;
// "" where it is.
func checkRef(ref schema.Ref, refs []string) string {
	typ := ref.Type
	if ref.Part != "" {
		typ += "." + ref.Part
	}
	if slices.Contains(refs, typ) {
		return ""
	}
	for _, r := range refs { // the block is right, and its part was forgotten or is too much
		if base, part, ok := strings.Cut(r, "."); ok && base == ref.Type && ref.Part == "" {
			return fmt.Sprintf("%s is a %s. Write %s.%s.", ref, ref.Type, ref, part)
		}
	}
	if ref.Part != "" {
		return fmt.Sprintf("%s is the %s of a %s.", ref, ref.Part, ref.Type)
	}
	return fmt.Sprintf("%s is %s.", ref, refTypes([]string{ref.Type}))
}
