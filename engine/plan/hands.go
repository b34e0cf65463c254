package plan

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// hands find what the files say of zones beside their records.
type hands map[holder]*ignore.Zone

func newHands(zones []*ignore.Zone) hands {
	h := make(hands, len(zones))
	for _, z := range zones {
		h[holder{z.Target, string(z.Name)}] = z
	}
	return h
}

// zone is what is said of the zone that a record set lies in; nil: nothing.
func (h hands) zone(target string, attrs cty.Value) *ignore.Zone {
	if len(h) == 0 {
		return nil
	}
	return h[holder{target, text(attrs, "zone")}]
}

// divide parts the values of a record set into those that are ignored and the
// others. Both are nil where they are not known.
func divide(z *ignore.Zone, attrs cty.Value) (ignored, rest []string) {
	values, ok := valuesOf(attrs)
	if !ok {
		return nil, nil
	}
	return z.Keep(rdata.Name(text(attrs, "name")), text(attrs, "type"), values)
}

// valuesOf are the values of a record set, if they are known.
func valuesOf(attrs cty.Value) ([]string, bool) {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() || !attrs.Type().HasAttribute("values") {
		return nil, false
	}
	v, _ := attrs.GetAttr("values").UnmarkDeep()
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return nil, false
	}
	out := make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		out = append(out, el.AsString())
	}
	return out, true
}

// withValues is a record set with other values, sorted.
func withValues(attrs cty.Value, values []string) cty.Value {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	vals := attrs.AsValueMap()
	vals["values"] = schema.StringList(values)
	return cty.ObjectVal(vals)
}

// KeepIgnored copies what is there of declared record sets and is ignored into
// what is declared, so that it stays. Observed finds what is there, nil for what
// is not. The resources are changed in place.
func KeepIgnored(desired []schema.Resource, zones []*ignore.Zone, observed func(schema.ID) *providers.Observed) {
	h := newHands(zones)
	if len(h) == 0 {
		return
	}
	for i := range desired {
		r := &desired[i]
		if kept, _ := h.kept(r, observed(r.ID())); len(kept) > 0 {
			want, _ := valuesOf(r.Attrs)
			r.Attrs = withValues(r.Attrs, slices.Concat(want, kept))
		}
	}
}

// kept are the values of a declared record set that are there, ignored and not
// declared, and the rule about the first of them.
func (h hands) kept(r *schema.Resource, obs *providers.Observed) ([]string, *ignore.Rule) {
	if r.Kind != schema.KindRRset || obs == nil {
		return nil, nil
	}
	z := h.zone(r.Target, r.Attrs)
	if z == nil || len(z.Rules) == 0 {
		return nil, nil
	}
	want, known := valuesOf(r.Attrs)
	if !known {
		return nil, nil // a round later it is known
	}
	there, _ := divide(z, obs.Attrs)
	kept := slices.DeleteFunc(there, func(v string) bool { return slices.Contains(want, v) })
	if len(kept) == 0 {
		return nil, nil
	}
	return kept, ruleOf(z, obs.Attrs, kept[0])
}

// ruleOf is the rule about a value of a record set that is ignored.
func ruleOf(z *ignore.Zone, attrs cty.Value, value string) *ignore.Rule {
	rrtype := text(attrs, "type")
	return ignore.First(z.Set(rdata.Name(text(attrs, "name")), rrtype), rrtype, value)
}

// hand applies the rules of the zones to what is declared.
func (m *maker) hand() {
	m.hands = newHands(m.in.Zones)
	if len(m.hands) == 0 {
		return
	}
	m.beside = map[schema.ID]Foreign{}
	for i, r := range m.desired {
		if r.Kind != schema.KindRRset {
			continue
		}
		t := m.things.at(r.ID())
		if m.back != nil {
			// What was ignored then is as it is now.
			r = withAttrs(r, m.without(t.id, r.Attrs))
			m.desired[i], t.desired = r, r
		}
		if kept, by := m.hands.kept(r, t.observed); len(kept) > 0 {
			want, _ := valuesOf(r.Attrs)
			if typ := text(r.Attrs, "type"); typ == "CNAME" || typ == "DNAME" {
				m.errorf(r, "Record of somebody else in the way",
					"%s is to be a %s to %s, and is one to %s, which the ignore block at %s leaves to others. A name has one %s. Make the block narrower, or give up the record.",
					plainName(text(r.Attrs, "name")), typ, want[0], kept[0], place(by.Range), typ)
				continue
			}
			r = withAttrs(r, withValues(r.Attrs, slices.Concat(want, kept)))
			m.desired[i], t.desired = r, r
			m.beside[t.id] = Foreign{ID: t.id, Values: kept, Ignored: place(by.Range)}
		}
	}
}

// without is a record set without what is ignored in it.
func (m *maker) without(id schema.ID, attrs cty.Value) cty.Value {
	if id.Kind != schema.KindRRset || attrs.IsNull() {
		return attrs
	}
	z := m.hands.zone(id.Target, attrs)
	if z == nil {
		return attrs
	}
	ignored, rest := divide(z, attrs)
	if len(ignored) == 0 {
		return attrs
	}
	return withValues(attrs, rest)
}

// release plans what becomes of a record set that is to go and has values that
// are ignored: these stay, and are nobody's of ours. It reports false where there
// are none.
func (m *maker) release(c *Change) bool {
	if c.Observed == nil || c.ID.Kind != schema.KindRRset {
		return false
	}
	z := m.hands.zone(c.ID.Target, c.Observed.Attrs)
	if z == nil || m.plan.Mode == Destroy && m.goes(z) {
		return false
	}
	ignored, rest := divide(z, c.Observed.Attrs)
	if len(ignored) == 0 {
		return false
	}
	k := schema.KindByName(c.ID.Kind)
	have := conform(k, c.Observed.Attrs)
	c.Before = show(k, have)
	rule := ruleOf(z, have, ignored[0])
	if len(rest) == 0 {
		c.Action, c.After = Forget, cty.NullVal(k.Type())
		c.Notes = []string{fmt.Sprintf("it is ignored, by the block at %s, so it stays as it is, and is no longer managed", place(rule.Range))}
		return true
	}
	left := withValues(have, ignored)
	c.Action, c.Release, c.After = Update, true, show(k, left)
	c.Wanted = &schema.Resource{Target: c.ID.Target, Kind: c.ID.Kind, Key: c.ID.Key, Attrs: left}
	c.Notes = []string{fmt.Sprintf("what is left is ignored, by the block at %s, and not managed", place(rule.Range))}
	return true
}

// goes reports whether a zone is ours and is destroyed, with all that is in it.
func (m *maker) goes(z *ignore.Zone) bool {
	id := schema.ID{Target: z.Target, Kind: schema.KindZone, Key: z.Name.Host()}
	t := m.things.at(id)
	return t.observed != nil && (t.prior != nil || t.observed.Owner != "") && !m.leaves(t.prior)
}

// exclusive plans the end of what nobody has declared in zones that are declared
// as a whole.
func (m *maker) exclusive() {
	if m.plan.Unseen || len(m.hands) == 0 {
		return
	}
	var gone []*thing
	for t := range m.things.all() {
		if t.id.Kind != schema.KindRRset || t.observed == nil || t.desired != nil || t.observed.Owner != "" || t.prior != nil {
			continue
		}
		z := m.hands.zone(t.id.Target, t.observed.Attrs)
		if z == nil || !z.Exclusive {
			continue
		}
		// What only a name server makes is nobody's to declare or to delete.
		if _, err := rdata.ParseType(text(t.observed.Attrs, "type")); err == nil {
			gone = append(gone, t)
		}
	}
	slices.SortFunc(gone, byIdentity)
	m.removed = make(map[schema.ID]bool, len(gone))
	for _, t := range gone {
		id, o := t.id, t.observed
		z := m.hands.zone(id.Target, o.Attrs)
		k := schema.KindByName(id.Kind)
		c := Change{
			Action: Delete, ID: id, PrevID: id, Observed: o,
			Address: fmt.Sprintf("%s.foreign[%q]", z.Address, plainName(text(o.Attrs, "name"))+"/"+text(o.Attrs, "type")),
		}
		if !m.selected.takes(c.Address) {
			continue
		}
		if m.release(&c) {
			if c.Action == Forget {
				continue // all of it is ignored, and it is listed as that
			}
		} else {
			c.Before = showAll(k, conform(k, o.Attrs))
			c.After = cty.NullVal(k.Type())
		}
		c.Notes = append([]string{fmt.Sprintf("nothing declares it, and the zone is exclusive, by %s", place(z.Range))}, c.Notes...)
		m.plan.Changes = append(m.plan.Changes, c)
		m.removed[id] = true
	}
}

// holdsIgnored reports whether something of a record set that is there is ignored.
func (m *maker) holdsIgnored(t *thing) bool {
	if t.id.Kind != schema.KindRRset {
		return false
	}
	z := m.hands.zone(t.id.Target, t.observed.Attrs)
	if z == nil {
		return false
	}
	ignored, _ := divide(z, t.observed.Attrs)
	return len(ignored) > 0
}

// ignoredBy is the place of the rule that a whole foreign record set falls under;
// empty for none.
func (m *maker) ignoredBy(t *thing) string {
	if t.id.Kind != schema.KindRRset {
		return ""
	}
	z := m.hands.zone(t.id.Target, t.observed.Attrs)
	if z == nil {
		return ""
	}
	ignored, rest := divide(z, t.observed.Attrs)
	if len(ignored) == 0 || len(rest) > 0 {
		return ""
	}
	return place(ruleOf(z, t.observed.Attrs, ignored[0]).Range)
}

// place is where something stands in the files.
func place(r hcl.Range) string {
	if r.Filename == "" {
		return "the files"
	}
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}
