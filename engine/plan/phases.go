package plan

import (
	"strings"

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
	crowded, going, handed := m.crowded(), m.goingZones(), m.handOvers()
	m.handOn(handed)
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if !c.Reaches() {
			continue
		}
		it := order.Item{Address: c.Address, Target: c.ID.Target, Rank: rank(c), DependsOn: c.DependsOn}
		if c.Wanted != nil {
			it.Range = c.Wanted.Range
		}
		if crowded[ownerOf(c.ID)] {
			it.Rank = schema.RankPointer
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
			if z := (owner{c.PrevID.Target, text(c.Before, "zone")}); c.PrevID.Kind == schema.KindRRset && going[z] {
				old.Rank = schema.KindByName(schema.KindZone).Rank
			}
			switch {
			case handed[c.PrevID]:
				old.Early, old.Rank, old.DependsOn = true, rankHandOver, nil
			case c.HandedOver: // while it still knows whose mail is in its queue
				old.Rank, old.DependsOn = rankHandOver, nil
			}
			if crowded[ownerOf(c.PrevID)] {
				old.Early, old.Rank, old.DependsOn = true, schema.RankPointer, nil
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

// An owner is a name in a zone at a target.
type owner struct{ target, name string }

// ownerOf is the name of a record set, with its zone; of other kinds it is empty.
func ownerOf(id schema.ID) owner {
	if i := strings.LastIndexByte(id.Key, '/'); id.Kind == schema.KindRRset && i >= 0 {
		return owner{id.Target, id.Key[:i]}
	}
	return owner{}
}

// crowded finds the names at which a CNAME makes room for other records, or they
// for a CNAME. A name has never both (RFC 1034 §3.6.2), and servers leave out in
// silence what would make it so (RFC 2136 §3.4.2.2). So whatever happens at such
// a name happens at once: what goes is not left for the end, and nobody finds
// the name without any records in between.
func (m *maker) crowded() map[owner]bool {
	const cname, other = 1, 2
	sort := func(id schema.ID) int {
		if strings.HasSuffix(id.Key, "/CNAME") {
			return cname
		}
		return other
	}
	goes := map[owner]int{}
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if c.ID.Kind == schema.KindRRset && (c.Action == Delete || c.Action == Replace) {
			goes[ownerOf(c.PrevID)] |= sort(c.PrevID)
		}
	}
	found := map[owner]bool{}
	if len(goes) == 0 {
		return found
	}
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if c.ID.Kind != schema.KindRRset || c.Action == Delete || !c.Reaches() {
			continue
		}
		if o := ownerOf(c.ID); goes[o] != 0 && goes[o]|sort(c.ID) == cname|other {
			found[o] = true
		}
	}
	return found
}

// goingZones finds the zones that are deleted. What is in them goes with them, at
// once: no server lets go of the last name server of a zone that is still there,
// nor of that one's address.
func (m *maker) goingZones() map[owner]bool {
	going := map[owner]bool{}
	for i := range m.plan.Changes {
		if c := &m.plan.Changes[i]; c.PrevID.Kind == schema.KindZone && c.Action == Delete {
			going[owner{c.PrevID.Target, text(c.Before, "name")}] = true
		}
	}
	return going
}

func rank(c *Change) int {
	rrtype := text(c.After, "type")
	if rrtype == "" {
		rrtype = text(c.Before, "type")
	}
	return schema.RankOf(c.ID.Kind, rrtype)
}
