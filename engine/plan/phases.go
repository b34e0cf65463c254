package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/order"
	"github.com/mailform/mailform/schema"
)

// phases puts what reaches providers into its order. A replacement is made in
// one place and takes away the old thing in another, unless both have the same
// identity: then the provider does both at once.
func (m *maker) phases() {
	var (
		items   []order.Item
		changes []int // by item
	)
	add := func(i int, it order.Item) {
		items, changes = append(items, it), append(changes, i)
	}
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if !c.Reaches() {
			continue
		}
		it := order.Item{Address: c.Address, Target: c.ID.Target, Rank: rank(c), DependsOn: c.DependsOn}
		if c.Wanted != nil {
			it.Range = c.Wanted.Range
		}
		if c.Action != Delete {
			add(i, it)
		}
		if c.Action == Delete || c.Action == Replace && c.PrevID != c.ID {
			old := it
			old.Target, old.Delete, old.Range = c.PrevID.Target, true, hcl.Range{}
			if st := m.prior.Resources[c.PrevID]; st != nil {
				old.DependsOn = st.DependsOn
			}
			add(i, old)
		}
	}
	phases, diags := order.Phases(items)
	m.diags = append(m.diags, diags...)
	for _, p := range phases {
		var out Phase
		for _, b := range p.Batches {
			idx := make([]int, len(b.Items))
			for i, item := range b.Items {
				idx[i] = changes[item]
			}
			out.Batches = append(out.Batches, Batch{Target: b.Target, Deletes: b.Deletes, Changes: idx})
		}
		m.plan.Phases = append(m.plan.Phases, out)
	}
}

func rank(c *Change) int {
	rrtype := text(c.After, "type")
	if rrtype == "" {
		rrtype = text(c.Before, "type")
	}
	return schema.RankOf(c.ID.Kind, rrtype)
}
