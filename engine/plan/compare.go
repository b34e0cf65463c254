package plan

import (
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/zclconf/go-cty/cty"
)

// A comparison is what a declared resource and what is there come to. It is empty
// where nothing is there, or where the resource is not selected.
type comparison struct {
	// have is what is there, want what is to be, before what a plan shows of have.
	have, want, before cty.Value
	changed            []string
	// as is set where it is what the state remembers.
	as bool
}

// compareAll compares all that is declared with what is there: nothing in it
// depends on anything else of it.
func (m *maker) compareAll() []comparison {
	out := make([]comparison, len(m.desired))
	parallel.Each(len(out), func(i int) {
		if r := m.desired[i]; m.selected.wants(r.Address) {
			out[i] = m.compare(r)
		}
	})
	return out
}

// compare only reads what the maker has.
func (m *maker) compare(r *schema.Resource) (c comparison) {
	t := m.things.at(r.ID())
	if t.observed == nil {
		return c
	}
	k := schema.KindByName(r.Kind)
	c.have = conform(k, t.observed.Attrs)
	c.want, c.changed = settle(k, declared(r, c.have), c.have, m.sourceChanges(r))
	c.before, c.as = showKnown(k, t.prior, c.have)
	return c
}
