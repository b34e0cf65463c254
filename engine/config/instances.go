package config

import (
	"fmt"
	"math/big"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// maxCount bounds count: more is a mistake, and would fill the memory before
// anything else could say so.
const maxCount = 100_000

// keys evaluates for_each or count, once. It reports false for a block whose
// keys hang on themselves.
func (e *evaluator) keys(b *evaluated) bool {
	word := metaForEach
	if b.count != nil {
		word = metaCount
	}
	if !e.enter(&b.state, b.address()+" ("+word+")", b.header) {
		return b.state == done
	}
	defer e.leave(&b.state)
	switch {
	case b.forEach != nil:
		e.forEach(b)
	case b.count != nil:
		e.count(b)
	default:
		e.isEnabled(b)
	}
	if b.multiple() {
		b.indexKeys()
	}
	return true
}

func (b *evaluated) indexKeys() {
	b.index = make(map[string]int, len(b.instances))
	for i := range b.instances {
		b.index[keyString(b.instances[i].key)] = i
	}
}

// keyString is an instance key as a key of a Go map.
func keyString(key cty.Value) string {
	if key == cty.NilVal {
		return ""
	}
	return schema.IndexString(key)
}

// unknownKeys leaves a block with one instance that only serves to check its
// arguments.
func (b *evaluated) unknownKeys() {
	b.unknown = true
	own := map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal}
	if b.count != nil {
		own = map[string]cty.Value{"index": cty.UnknownVal(cty.Number)}
	}
	b.instances = []instance{{key: cty.NilVal, own: cty.ObjectVal(own)}}
}

func (e *evaluator) forEach(b *evaluated) {
	ctx := e.context(b.forEach)
	if list, ok := keyed(b.forEach, ctx); ok {
		b.instances = list
		return
	}
	v, diags := e.value(b.forEach, ctx)
	if diags.HasErrors() {
		e.report(diags...)
		b.unknownKeys()
		return
	}
	if problem := e.checkForEach(v); problem != "" {
		e.reportKeys(b, b.forEach, "Invalid for_each", problem)
		return
	}
	if !v.IsKnown() || v.Type().IsSetType() && !v.IsWhollyKnown() {
		b.unknownKeys()
		return
	}
	set := v.Type().IsSetType()
	b.instances = make([]instance, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if set {
			key = value
		}
		if key.IsNull() {
			e.reportKeys(b, b.forEach, "Invalid for_each", "The set holds a null.")
			return
		}
		own := cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
		b.instances = append(b.instances, instance{key, own})
	}
	slices.SortStableFunc(b.instances, byKey)
}

// checkForEach explains what is wrong with a value of for_each; "" for nothing.
func (e *evaluator) checkForEach(v cty.Value) string {
	const expected = "It has to be a map, an object, or a set of strings"
	switch t := v.Type(); {
	case v.HasMark(Ephemeral):
		return "The value is ephemeral, and its keys would have to be remembered."
	case v.IsMarked():
		return "The value is sensitive. Its keys would be shown as addresses, so it cannot be used. Where the keys are no secret, nonsensitive() says so."
	case v.IsNull():
		return expected + ", and is null. For no instances, use {}."
	case !v.IsKnown() && e.mayBeUnknown():
		return ""
	case !v.IsKnown():
		return "The keys are not known before apply. Keys have to be known when the plan is made; only the values of arguments may follow later."
	case t.IsListType() || t.IsTupleType():
		return expected + ", and is a list, whose elements have no names that last. Use toset() for a list of strings, or { for x in list : x.name => x }."
	case t.IsSetType() && !t.ElementType().Equals(cty.String) && !(t.ElementType() == cty.DynamicPseudoType && v.LengthInt() == 0):
		return expected + fmt.Sprintf(", and is a set of %s.", t.ElementType().FriendlyName())
	case t.IsSetType():
		under, marks := v.UnmarkDeep()
		if _, ok := marks[Ephemeral]; ok {
			return "The set holds ephemeral values, which would have to be remembered."
		}
		if len(marks) > 0 {
			return "The set holds sensitive values, which would be shown as addresses."
		}
		if !under.IsWhollyKnown() && !e.mayBeUnknown() {
			return "The set holds values that are not known before apply. Keys have to be known when the plan is made."
		}
		return ""
	case !t.IsMapType() && !t.IsObjectType():
		return expected + fmt.Sprintf(", and is a %s.", t.FriendlyName())
	}
	if _, ok := asRef(v); ok {
		return expected + ". A block that is named bare is one only if it has for_each itself."
	}
	return ""
}

// mayBeUnknown reports whether keys may be unknown without an error of their own:
// because a variable is not set, or because what they hang on failed already.
func (e *evaluator) mayBeUnknown() bool {
	return e.opts.AllowUnset || e.m.failed || e.diags.HasErrors()
}

func (e *evaluator) count(b *evaluated) {
	v, diags := e.value(b.count, e.context(b.count))
	if diags.HasErrors() {
		e.report(diags...)
		b.unknownKeys()
		return
	}
	n, problem := 0, ""
	switch num, err := convert.Convert(v, cty.Number); {
	case v.HasMark(Ephemeral):
		problem = "The value is ephemeral, and would have to be remembered."
	case v.IsMarked():
		problem = "The value is sensitive. It would be shown as addresses, so it cannot be used."
	case err != nil:
		problem = fmt.Sprintf("It has to be a number: %s.", err)
	case num.IsNull():
		problem = "It has to be a number, and is null. For no instances, use 0."
	case !num.IsKnown() && e.mayBeUnknown():
		b.unknownKeys()
		return
	case !num.IsKnown():
		problem = "The number is not known before apply. It has to be known when the plan is made."
	case num.AsBigFloat().Sign() < 0:
		problem = fmt.Sprintf("It is negative: %s.", num.AsBigFloat().Text('f', -1))
	case !num.AsBigFloat().IsInt():
		problem = fmt.Sprintf("It is not a whole number: %s.", num.AsBigFloat().Text('f', -1))
	case num.AsBigFloat().Cmp(big.NewFloat(maxCount)) > 0:
		problem = fmt.Sprintf("It is more than %d.", maxCount)
	default:
		i, _ := num.AsBigFloat().Int64()
		n = int(i)
	}
	if problem != "" {
		e.reportKeys(b, b.count, "Invalid count", problem)
		return
	}
	b.instances = make([]instance, n)
	for i := range n {
		index := cty.NumberIntVal(int64(i))
		b.instances[i] = instance{index, cty.ObjectVal(map[string]cty.Value{"index": index})}
	}
}

func (e *evaluator) reportKeys(b *evaluated, x *expression, summary, problem string) {
	b.unknownKeys()
	word := metaForEach
	if b.count != nil {
		word = metaCount
	}
	e.report(&hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   fmt.Sprintf("The argument %s of %s cannot be used. %s", word, b.address(), problem),
		Subject:  x.Range().Ptr(),
	})
}

// expand evaluates all arguments of a block, and appends its instances to a
// list. A block whose keys are unknown has none, but is checked.
func (e *evaluator) expand(list []Instance, b *evaluated) []Instance {
	if !e.keys(b) {
		return list
	}
	for i := range b.typ.Attributes {
		e.column(b, b.typ.Attributes[i].Name)
	}
	for i := range b.typ.Blocks {
		e.column(b, b.typ.Blocks[i].Type)
	}
	dependsOn := e.dependencies(b)
	e.conditions(b)
	if b.unknown || e.unknown {
		return list
	}
	list = slices.Grow(list, len(b.instances))
	for i := range b.instances {
		b.instances[i].own = cty.NilVal // no longer needed, and large
		list = append(list, Instance{
			Ref:            schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key},
			Body:           Body{of: b, row: i},
			DependsOn:      dependsOn,
			PreventDestroy: b.lifecycle.preventDestroy,
			IgnoreChanges:  b.lifecycle.ignore,
			IgnoreAll:      b.lifecycle.ignoreAll,
			Range:          b.header,
			Source:         b.block,
		})
	}
	return list
}

// dependencies checks the instances in depends_on, and adds what the module
// that they stand in depends on. They are sorted.
func (e *evaluator) dependencies(b *evaluated) []schema.Ref {
	if len(b.dependsOn) == 0 {
		return e.inherited
	}
	refs := slices.Clone(e.inherited)
	for _, d := range b.dependsOn {
		in, other, key := e.find(d.ref)
		if other == nil || !in.keys(other) {
			continue // reported
		}
		if key != cty.NilVal && !other.multiple() {
			continue // reported
		}
		if key != cty.NilVal && !other.unknown {
			if _, ok := other.find(key); !ok {
				e.report(other.noSuchInstance(keyUse{key, d.rng}))
				continue
			}
		}
		refs = append(refs, e.in(d.ref))
	}
	sort.Slice(refs, func(i, j int) bool { return refs[i].String() < refs[j].String() })
	return refs
}
