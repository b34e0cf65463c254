package plan

import (
	"sort"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// drift lists what is no longer as it was last applied. Unless the plan only
// refreshes, what is on its way out has no drift that matters, and neither has
// what agrees with the files by now.
func (m *maker) drift() {
	for _, t := range m.remembered {
		id, st, obs, r := t.id, t.prior, t.observed, t.desired
		k := schema.KindByName(id.Kind)
		if k == nil || !m.selected.either(st.Address) {
			continue
		}
		if m.plan.Mode == Destroy || m.plan.Mode != RefreshOnly && r == nil || t.asWas {
			continue
		}
		d := Drift{Address: st.Address, ID: id, Action: Delete, Before: m.without(id, conform(k, st.Attrs)), After: cty.NullVal(k.Type())}
		if obs != nil {
			have := conform(k, obs.Attrs)
			now := m.without(id, have)
			if !drifted(k, d.Before, now) {
				continue
			}
			d.Action, d.After = Update, show(k, now)
			if m.plan.Mode != RefreshOnly {
				if _, changed := settle(k, declared(r, have), have, false); len(changed) == 0 {
					continue
				}
			}
		}
		d.Stage = m.staged.Notes[id]
		m.plan.Drift = append(m.plan.Drift, d)
	}
	sort.SliceStable(m.plan.Drift, func(i, j int) bool { return m.plan.Drift[i].Address < m.plan.Drift[j].Address })
}

// foreign lists what is not ours and stays as it is.
func (m *maker) foreign() {
	if m.selected.some || m.back != nil || m.plan.Unseen {
		return // whoever looks at a part does not want the whole
	}
	for t := range m.things.all() {
		declared := t.desired != nil && m.plan.Mode != Destroy
		if t.observed != nil && !declared && t.observed.Owner == "" && t.prior == nil && !m.removed[t.id] {
			m.plan.Foreign = append(m.plan.Foreign, Foreign{ID: t.id, Ignored: m.ignoredBy(t)})
		}
	}
	if m.plan.Mode != Destroy {
		for _, f := range m.beside {
			m.plan.Foreign = append(m.plan.Foreign, f)
		}
	}
	sort.Slice(m.plan.Foreign, func(i, j int) bool { return m.plan.Foreign[i].ID.Less(m.plan.Foreign[j].ID) })
}
