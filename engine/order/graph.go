package order

// A graph holds who waits for whom. Its nodes are the items, followed by one
// node for each distinct DependsOn slice: an item waits for its slice, and the
// slice for its elements, so that a thousand instances which depend on a
// thousand others make two thousand edges and not a million.
type graph struct {
	items []Item
	// before lists for each node what has to be done before it.
	before [][]int
	state  []visited
	place  []place
	// stack is the way from where a visit began.
	stack []int
}

type visited uint8

const (
	untouched visited = iota
	underway
	finished
)

// A sliceID tells slices apart by what they are, not by what they hold.
type sliceID struct {
	first   *string
	length  int
	deletes bool
}

// newGraph returns nil where nothing depends on anything.
func newGraph(items []Item) *graph {
	depend := false
	for i := range items {
		if len(items[i].DependsOn) > 0 {
			depend = true
			break
		}
	}
	if !depend {
		return nil
	}
	g := &graph{items: items, before: make([][]int, len(items))}
	type name struct {
		address string
		deletes bool
	}
	index := make(map[name]int, len(items))
	for i := range items {
		index[name{items[i].Address, items[i].Delete}] = i
	}
	lists := map[sliceID]int{}
	for i := range items {
		it := &items[i]
		if len(it.DependsOn) == 0 {
			continue
		}
		id := sliceID{&it.DependsOn[0], len(it.DependsOn), it.Delete}
		list, ok := lists[id]
		if !ok {
			list = len(g.before)
			lists[id] = list
			g.before = append(g.before, nil)
			for _, address := range it.DependsOn {
				if dep, ok := index[name{address, it.Delete}]; ok {
					g.edge(list, dep, it.Delete)
				}
			}
		}
		g.edge(i, list, it.Delete)
	}
	g.state = make([]visited, len(g.before))
	g.place = make([]place, len(g.before))
	return g
}

// edge says that a depends on b.
func (g *graph) edge(a, b int, deletes bool) {
	if deletes {
		a, b = b, a
	}
	g.before[a] = append(g.before[a], b)
}

// visit finds the place of a node and of all before it. If it comes upon a
// cycle that it has not seen, it returns the items on it.
func (g *graph) visit(n int) []int {
	switch g.state[n] {
	case finished:
		return nil
	case underway:
		return g.path(n)
	}
	g.state[n] = underway
	g.stack = append(g.stack, n)
	var cycle []int
	at := place{rank: -1 << 31}
	for _, b := range g.before[n] {
		if c := g.visit(b); c != nil && cycle == nil {
			cycle = c
		}
		if g.place[b].compare(at) > 0 {
			at = g.place[b]
		}
	}
	if n < len(g.items) {
		at = g.wait(n, at)
	}
	g.place[n] = at
	g.stack = g.stack[:len(g.stack)-1]
	g.state[n] = finished
	return cycle
}

// wait is the place of an item that comes after another place.
func (g *graph) wait(n int, other place) place {
	rank := rankOf(&g.items[n])
	if other.rank < rank {
		return place{rank: rank}
	}
	return place{rank: other.rank, after: other.after + 1}
}

// path is the cycle that a node closes, without the nodes of slices.
func (g *graph) path(n int) []int {
	i := len(g.stack) - 1
	for g.stack[i] != n {
		i--
	}
	var items []int
	for _, m := range g.stack[i:] {
		if m < len(g.items) {
			items = append(items, m)
		}
	}
	// A deletion waits for its dependents: turn it round to speak of dependencies.
	if g.items[items[0]].Delete {
		for a, b := 0, len(items)-1; a < b; a, b = a+1, b-1 {
			items[a], items[b] = items[b], items[a]
		}
	}
	return items
}
