package stage

import (
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A version is what a record set is at one time.
type version struct {
	ttl    int64
	values []string
}

func (v version) equal(o version) bool { return v.ttl == o.ttl && slices.Equal(v.values, o.values) }

// A set is a record set that is declared and there.
type set struct {
	id      schema.ID
	address string
	// name without trailing dot.
	name, rrtype string
	staging      *schema.Staging
	declared     cty.Value

	// want is what is declared, have what is there, due what it shall be for now.
	want, have, due version
	// cached are former versions that are not yet forgotten, gained is set where the
	// state does not know of all of them.
	cached []state.Version
	gained bool
	// drifted is set where the values are not those that were last applied.
	drifted bool
	// memory is what the state remembers; nil: nothing.
	memory *state.Staging

	// leaving is what the values led to that are there, and those declared do not.
	leaving []string
	// former is the same of versions that are cached, and retire when nobody is led
	// there any more.
	former []string
	retire time.Time
	steps  []Step
	kept   []schema.ID
	note   *Note
}

// set reads a record set; nil for what cannot be staged.
func (s *settler) set(r *schema.Resource) *set {
	if r.Kind != schema.KindRRset {
		return nil
	}
	id := r.ID()
	st := s.Prior.Resources[id]
	if r.Staging == nil && (st == nil || st.Staging == nil) {
		return nil
	}
	o := s.Observed(id)
	if o == nil || slices.Contains(r.IgnoreChanges, "ttl") || slices.Contains(r.IgnoreChanges, "values") {
		return nil
	}
	want, ok := versionOf(r.Attrs)
	have, there := versionOf(o.Attrs)
	if !ok || !there {
		return nil
	}
	x := &set{
		id: id, address: r.Address, staging: r.Staging, declared: r.Attrs, want: want, have: have, due: want,
		name: host(text(r.Attrs, "name")), rrtype: text(r.Attrs, "type"),
	}
	if x.staging == nil {
		return x
	}
	if st != nil && st.Staging != nil {
		x.memory = st.Staging
		for _, v := range st.Staging.Cached {
			if v.Until.After(s.Now) {
				x.cached = append(x.cached, v)
			}
		}
	}
	s.remember(x, st)
	return x
}

// remember adds what may be in caches without the state saying so: what was last
// applied, where that is no longer there; and where nobody knows what was there
// before, that what is there has been so for no time.
func (s *settler) remember(x *set, st *state.Resource) {
	until := func(ttl int64) time.Time {
		return ceil(s.Now.Add(time.Duration(ttl+x.staging.Margin) * time.Second))
	}
	if st == nil {
		if low := min(x.staging.TTL, x.want.ttl); x.have.ttl <= low && len(without(x.points(x.have.values), x.points(x.want.values))) > 0 {
			x.gained = true
			x.cached = append(x.cached, state.Version{TTL: x.want.ttl, Values: x.have.values, Until: until(x.want.ttl)})
		}
		return
	}
	was, ok := versionOf(st.Attrs)
	if !ok || was.equal(x.have) {
		return
	}
	// What a run switched to and could not write down, nobody else has changed.
	switched := x.memory != nil && x.memory.Next != nil && slices.Equal(x.memory.Next.Values, x.have.values)
	differs := !slices.Equal(was.values, x.have.values)
	x.drifted = differs && !switched
	if differs || was.ttl > x.have.ttl {
		x.gained = true
		x.cached = append(x.cached, state.Version{TTL: was.ttl, Values: was.values, Until: until(was.ttl)})
	}
}

// stirs reports whether there may be anything to decide about a resource.
func (s *settler) stirs(r *schema.Resource) bool {
	if r.Kind != schema.KindRRset {
		return false
	}
	id := r.ID()
	o, st := s.Observed(id), s.Prior.Resources[id]
	switch {
	case o == nil:
		return false
	case st == nil || st.Staging != nil || r.Staging == nil:
		return r.Staging != nil || st != nil && st.Staging != nil
	}
	for _, v := range [...]cty.Value{r.Attrs, st.Attrs} {
		if !sameNumber(attr(v, "ttl"), attr(o.Attrs, "ttl")) || !sameTexts(attr(v, "values"), attr(o.Attrs, "values")) {
			return true
		}
	}
	return false
}

// sameNumber reports whether two numbers are equal, as RawEquals does, which makes
// some more of them to find out.
func sameNumber(a, b cty.Value) bool {
	plain := func(v cty.Value) bool { return v.IsKnown() && !v.IsNull() && v.Type() == cty.Number }
	if !plain(a) || !plain(b) {
		return a.RawEquals(b)
	}
	return a.AsBigFloat().Cmp(b.AsBigFloat()) == 0
}

// sameTexts is the same for lists of strings. Both are asked of every record set
// there is.
func sameTexts(a, b cty.Value) bool {
	plain := func(v cty.Value) bool {
		return v.IsKnown() && !v.IsNull() && v.Type().IsListType() && v.Type().ElementType() == cty.String
	}
	if !plain(a) || !plain(b) || a.LengthInt() > len(indexes) {
		return a.RawEquals(b)
	}
	if a.LengthInt() != b.LengthInt() {
		return false
	}
	for _, i := range indexes[:a.LengthInt()] {
		if !a.Index(i).RawEquals(b.Index(i)) {
			return false
		}
	}
	return true
}

// indexes are the first numbers as values.
var indexes = func() (list [8]cty.Value) {
	for i := range list {
		list[i] = cty.NumberIntVal(int64(i))
	}
	return list
}()

// attr is an attribute of an object; null where it has none of that name.
func attr(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v.GetAttr(name)
}

func (x *set) isAddress() bool { return x.rrtype == "A" || x.rrtype == "AAAA" }

// points are what values lead to: hosts, addresses, or, of types that lead
// nowhere, the values themselves.
func (x *set) points(values []string) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		switch x.rrtype {
		case "MX", "NS":
			if target, ok := rdata.Target(x.rrtype, v); ok {
				out = append(out, host(string(target)))
			}
		default:
			out = append(out, v)
		}
	}
	return out
}

// protected is what resolvers may be led to that the declared values do not.
func (x *set) protected() []string { return append(slices.Clone(x.leaving), x.former...) }

// outlive has the last step wait for a time.
func (x *set) outlive(t time.Time) {
	if t.After(x.retire) {
		x.retire = t
	}
}

// latest is when the last resolver has forgotten the versions that lead to one of
// the points; zero: nobody has one.
func (x *set) latest(points []string) time.Time {
	var t time.Time
	for _, v := range x.cached {
		if v.Until.After(t) && len(without(points, x.points(v.Values))) < len(points) {
			t = v.Until
		}
	}
	return t
}

func (x *set) step(step string, at time.Time, v version) {
	if !at.IsZero() {
		at = ceil(at).UTC()
	}
	x.steps = append(x.steps, Step{
		Stage: state.Stage{Step: step, NotBefore: at, TTL: v.ttl, Values: v.values},
		Due:   at.IsZero(),
	})
}

// attrs is the declared set with another time to live and other values.
func (x *set) attrs(v version) cty.Value {
	vals := x.declared.AsValueMap()
	vals["ttl"], vals["values"] = cty.NumberIntVal(v.ttl), schema.StringList(v.values)
	return schema.KindByName(schema.KindRRset).Object(vals)
}

// versionOf reads a record set; false where it is not all known.
func versionOf(attrs cty.Value) (version, bool) {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.Type().IsObjectType() || !attrs.Type().HasAttribute("ttl") || !attrs.Type().HasAttribute("values") {
		return version{}, false
	}
	ttl, values := attrs.GetAttr("ttl"), attrs.GetAttr("values")
	if !ttl.IsWhollyKnown() || ttl.IsNull() || !values.IsWhollyKnown() || values.IsNull() {
		return version{}, false
	}
	v := version{values: make([]string, 0, values.LengthInt())}
	v.ttl, _ = ttl.AsBigFloat().Int64()
	for it := values.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			v.values = append(v.values, e.AsString())
		}
	}
	slices.Sort(v.values)
	return v, true
}

func versions(cached []state.Version) []version {
	out := make([]version, len(cached))
	for i, v := range cached {
		out[i] = version{v.TTL, v.Values}
	}
	return out
}

// without is a list but for what another has, too.
func without(list, other []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(other, s) {
			out = append(out, s)
		}
	}
	return out
}

// host is a name as listeners have it.
func host(name string) string { return strings.TrimSuffix(name, ".") }

// ceil is a time up to the next full second: what is written down has no more.
func ceil(t time.Time) time.Time {
	if down := t.Truncate(time.Second); !down.Equal(t) {
		return down.Add(time.Second)
	}
	return t
}

// text reads a string out of an object; empty where there is none.
func text(attrs cty.Value, name string) string {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() || !attrs.Type().HasAttribute(name) {
		return ""
	}
	v := attrs.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}
