package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// An Item is one thing to be done.
type Item struct {
	// Address of the resource. A create and a delete may share one: the two
	// halves of a replacement.
	Address string
	// Target is the provider instance that does it.
	Target string
	// Rank as schema.RankOf says: creates and updates go by rising rank, deletes
	// by falling rank.
	Rank   int
	Delete bool
	// Early marks a delete that goes in the phase of creates of its rank, for what
	// cannot be there while they are, or at once before those of a higher one. It
	// depends on nothing.
	Early bool
	// DependsOn holds addresses of what has to be there before this, and must go
	// after it. An address that is no item of the same sort (create or update,
	// delete) is as it should be already, and is ignored.
	DependsOn []string
	// Range is where the item is declared, for errors.
	Range hcl.Range
}

// A Phase is a set of batches that run side by side, one for each target. It
// begins when the one before has ended. Where a target has a second batch, the
// first takes away what makes room for it: a provider gets both at once.
type Phase struct {
	Batches []Batch
}

// A Batch is what one target does in one phase.
type Batch struct {
	Target  string
	Deletes bool
	// Items are indexes into the argument of [Phases], rising.
	Items []int
}

// Phases puts items into an order: first all creates and updates, by rising
// rank, then all deletes, by falling rank, but for the early ones. What depends on something comes in a
// later phase, or in an earlier one if both go away. Things that wait in the
// same place keep the order of their ranks.
//
// The only errors are cycles of dependencies; each is explained by its path.
// The result depends on nothing but the items and their order, and takes time
// in proportion to their number and to that of the distinct DependsOn slices'
// elements: items that share a slice share the work.
func Phases(items []Item) ([]Phase, hcl.Diagnostics) {
	g := newGraph(items)
	if g != nil {
		if diags := g.arrange(); diags.HasErrors() {
			return nil, diags
		}
	}
	slots := map[slot]*Phase{}
	var order []slot
	for i := range items {
		it := &items[i]
		s := slot{deletes: it.Delete, at: place{rank: rankOf(it)}, rank: rankOf(it)}
		switch {
		case it.Early:
			s = slot{at: place{rank: it.Rank}, rank: it.Rank}
		case g != nil:
			s.at = g.place[i]
		}
		p := slots[s]
		if p == nil {
			p = &Phase{}
			slots[s] = p
			order = append(order, s)
		}
		p.add(it, i)
	}
	slices.SortFunc(order, slot.compare)
	phases := make([]Phase, len(order))
	for i, s := range order {
		phases[i] = *slots[s]
		slices.SortFunc(phases[i].Batches, func(a, b Batch) int {
			if a.Target == b.Target && a.Deletes {
				return -1
			}
			return cmp.Compare(a.Target, b.Target)
		})
	}
	return phases, nil
}

// add puts an item into the batch of its target and sort. Targets are few.
func (p *Phase) add(it *Item, i int) {
	for b := range p.Batches {
		if p.Batches[b].Target == it.Target && p.Batches[b].Deletes == it.Delete {
			p.Batches[b].Items = append(p.Batches[b].Items, i)
			return
		}
	}
	p.Batches = append(p.Batches, Batch{Target: it.Target, Deletes: it.Delete, Items: []int{i}})
}

// rankOf is the rank by which an item rises.
func rankOf(it *Item) int {
	if it.Delete {
		return -it.Rank
	}
	return it.Rank
}

// A place is a position in the order: with a rank, or after so many others that
// had to wait for something of that rank.
type place struct{ rank, after int }

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.after, b.after))
}

// A slot is what becomes a phase.
type slot struct {
	deletes bool
	at      place
	rank    int
}

func (a slot) compare(b slot) int {
	if a.deletes != b.deletes {
		if b.deletes {
			return -1
		}
		return 1
	}
	return cmp.Or(a.at.compare(b.at), cmp.Compare(a.rank, b.rank))
}

// arrange finds the places of all nodes, and reports cycles on the way.
func (g *graph) arrange() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range g.items {
		if path := g.visit(i); path != nil {
			diags = append(diags, g.explain(path))
		}
	}
	return diags
}

// explain words a cycle. The path has items only, each waits for the next, and
// the last one for the first.
func (g *graph) explain(path []int) *hcl.Diagnostic {
	// The cycle has no beginning: start where it reads the same in each run.
	first := 0
	for i := range path {
		if g.items[path[i]].Address < g.items[path[first]].Address {
			first = i
		}
	}
	path = append(slices.Clone(path[first:]), path[:first]...)
	var b strings.Builder
	for _, i := range path {
		b.WriteString(g.items[i].Address + " → ")
	}
	start := &g.items[path[0]]
	detail := fmt.Sprintf("%s%s: each of these waits for the one after it, so none can ever begin. Take one of the depends_on away.", b.String(), start.Address)
	if len(path) == 1 {
		detail = fmt.Sprintf("%s depends on itself. Take it out of its own depends_on.", start.Address)
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Dependency cycle", Detail: detail}
	if start.Range != (hcl.Range{}) {
		d.Subject = start.Range.Ptr()
	}
	return d
}
