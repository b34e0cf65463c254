package plan

import (
	"strings"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// conform makes an object of the kind's type of what a provider or a state
// holds: what is missing, or does not fit, is null.
func conform(k *schema.Kind, v cty.Value) cty.Value {
	if v != cty.NilVal && v.Type().Equals(k.Type()) && v.IsKnown() && !v.IsNull() {
		return v
	}
	vals := make(map[string]cty.Value, len(k.Attributes))
	for _, a := range k.Attributes {
		vals[a.Name] = cty.NullVal(a.Type)
		if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(a.Name) {
			continue
		}
		if got, err := convert.Convert(v.GetAttr(a.Name), a.Type); err == nil {
			vals[a.Name] = got
		}
	}
	return k.Object(vals)
}

// settle brings together what is declared for a resource that is there with
// what it has. It returns the object to reach and the attributes that differ.
//
// What the target decides, and what is declared only after apply, stays as it
// is; but if the source of an unknown value changes, the value stays unknown.
// The sensitive values in it are the real ones, as far as either side has them:
// a state has only fingerprints.
func settle(k *schema.Kind, want, have cty.Value, sourceChanges bool) (cty.Value, []string) {
	var (
		vals    map[string]cty.Value // made once something differs from have
		changed []string
		secrets []string
	)
	for i := range k.Attributes {
		a := &k.Attributes[i]
		if a.Info {
			continue
		}
		w, h := want.GetAttr(a.Name), have.GetAttr(a.Name)
		switch {
		case a.Computed && (w.IsNull() || !w.IsKnown()):
			continue
		case !w.IsWhollyKnown():
			if !sourceChanges {
				continue
			}
		case schema.Equal(w, h):
			continue
		case a.Sensitive && state.Fingerprint(w).RawEquals(state.Fingerprint(h)):
			// The same. Where only what is wanted has the value, it is to be taken
			// from there.
			if !w.RawEquals(state.Fingerprint(w)) {
				secrets = append(secrets, a.Name)
			}
			continue
		}
		if vals == nil {
			vals = have.AsValueMap()
		}
		vals[a.Name] = w
		changed = append(changed, a.Name)
	}
	if vals == nil {
		return have, nil
	}
	for _, name := range secrets {
		vals[name] = want.GetAttr(name)
	}
	return k.Object(vals), changed
}

// Conform makes an object of the kind's type of what a provider has observed.
func Conform(kind string, attrs cty.Value) cty.Value {
	return conform(schema.KindByName(kind), attrs)
}

// Differences are the attributes in which something that is there is not as
// declared, and those among them that cannot be changed without making it anew.
func Differences(r *schema.Resource, obs *providers.Observed) (differ, fixed []string) {
	k := schema.KindByName(r.Kind)
	have := conform(k, obs.Attrs)
	want := *r
	want.Attrs, _ = r.Attrs.UnmarkDeep()
	want.Attrs = conform(k, want.Attrs)
	_, differ = settle(k, declared(&want, have), have, false)
	for _, name := range differ {
		if k.Attribute(name).Immutable {
			fixed = append(fixed, name)
		}
	}
	return differ, fixed
}

// declared is what the files say of a resource that is there, with what it has
// where changes are ignored.
func declared(r *schema.Resource, have cty.Value) cty.Value {
	if len(r.IgnoreChanges) == 0 {
		return r.Attrs
	}
	vals := r.Attrs.AsValueMap()
	for _, name := range r.IgnoreChanges {
		vals[name] = have.GetAttr(name)
	}
	return cty.ObjectVal(vals)
}

// born is what a new resource will be: as declared, and unknown where the
// target decides.
func born(k *schema.Kind, want cty.Value) cty.Value {
	var vals map[string]cty.Value
	for i := range k.Attributes {
		a := &k.Attributes[i]
		if !a.Computed || !a.Info && want.GetAttr(a.Name).IsKnown() && !want.GetAttr(a.Name).IsNull() {
			continue
		}
		if vals == nil {
			vals = want.AsValueMap()
		}
		if a.Info {
			vals[a.Name] = cty.NullVal(a.Type)
		} else {
			vals[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	if vals == nil {
		return want
	}
	return k.Object(vals)
}

// drifted reports whether a thing differs from what the state remembers of it.
// An attribute that the state does not have says nothing: the kind may have
// gained it since.
func drifted(k *schema.Kind, was, have cty.Value) bool {
	for i := range k.Attributes {
		a := &k.Attributes[i]
		if w := was.GetAttr(a.Name); !a.Info && !w.IsNull() && !schema.Equal(w, shown(a, have.GetAttr(a.Name))) {
			return true
		}
	}
	return false
}

// shown is the value of an attribute as it leaves the process.
func shown(a *schema.KindAttribute, v cty.Value) cty.Value {
	if a.Sensitive {
		return state.Fingerprint(v)
	}
	return v
}

// showKnown is show for something that the state remembers as was, if at all,
// and reports whether it still is as it was. In a large world nearly all is, and
// what is there need not be copied.
func showKnown(k *schema.Kind, st *state.Resource, have cty.Value) (v cty.Value, as bool) {
	if st == nil || !st.Attrs.Type().Equals(k.Type()) {
		return show(k, have), false
	}
	for i := range k.Attributes {
		a := &k.Attributes[i]
		w := st.Attrs.GetAttr(a.Name)
		if a.Info && !w.IsNull() || !a.Info && !schema.Equal(w, shown(a, have.GetAttr(a.Name))) {
			return show(k, have), false
		}
	}
	return st.Attrs, true
}

// show is an object as a plan holds it: without secrets, and without what
// changes by itself.
func show(k *schema.Kind, v cty.Value) cty.Value { return state.Keep(k.Name, v) }

// showAll is the same with what changes by itself, for what is to be deleted.
func showAll(k *schema.Kind, v cty.Value) cty.Value { return state.Redact(k.Name, v) }

func withAttrs(r *schema.Resource, attrs cty.Value) *schema.Resource {
	c := *r
	c.Attrs = attrs
	return &c
}

// sourceChanges reports whether a value that r leaves unknown will be born by
// this plan. Otherwise it has been born before and stays what it is.
func (m *maker) sourceChanges(r *schema.Resource) bool {
	if r.Attrs.IsWhollyKnown() {
		return false
	}
	sources := 0
	seen := map[string]bool{r.Address: true}
	todo := append([]string(nil), r.DependsOn...)
	for len(todo) > 0 {
		d := m.declaredAs(todo[0])
		todo = todo[1:]
		if d == nil || seen[d.Address] {
			continue
		}
		seen[d.Address] = true
		todo = append(todo, d.DependsOn...)
		if gives(d.Kind) {
			sources++
			if m.givesAnew(d) {
				return true
			}
		}
	}
	if sources > 0 {
		return false
	}
	// The order of the kinds may say enough, so that no dependency is named.
	for _, d := range m.desired {
		if gives(d.Kind) && m.givesAnew(d) {
			return true
		}
	}
	return false
}

// gives reports whether resources of a kind have values that others are made of.
func gives(kind string) bool { return computes(schema.KindByName(kind)) }

// computes reports whether the target decides attributes of a kind that do not
// change by themselves.
func computes(k *schema.Kind) bool {
	for i := range k.Attributes {
		if a := &k.Attributes[i]; a.Computed && !a.Info {
			return true
		}
	}
	return false
}

// givesAnew reports whether the plan makes the resource, for the first time or
// another time.
func (m *maker) givesAnew(r *schema.Resource) bool {
	obs := m.things.at(r.ID()).observed
	return obs == nil || Reborn(r, obs.Attrs) || m.asked(r)
}

// Reborn reports whether a declared resource takes the place of one that has the
// same identity and the attributes have: an attribute differs that cannot be
// changed. What is computed for the old one is not true of the new one then, so
// that whoever makes values of it must take them for unknown.
func Reborn(r *schema.Resource, have cty.Value) bool {
	k := schema.KindByName(r.Kind)
	if k == nil {
		return false
	}
	want, have := conform(k, r.Attrs), conform(k, have)
	for _, a := range k.Attributes {
		if w := want.GetAttr(a.Name); a.Immutable && w.IsWhollyKnown() && !schema.Equal(w, have.GetAttr(a.Name)) {
			return true
		}
	}
	return false
}

func isFalse(v cty.Value) bool { return v.IsKnown() && !v.IsNull() && v.False() }

// list writes names as a sentence has them: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
