package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Graph is nodes, some of them in groups, and edges between them.
type Graph struct {
	Nodes  []Node // in no group
	Groups []Group
	Edges  []Edge
}

// A Group is nodes that belong together.
type Group struct {
	Label string
	Nodes []Node
}

// A Node has a name of its own, and lines that are shown.
type Node struct {
	Name  string
	Lines []string
}

// An Edge leads from what waits to what it waits for.
type Edge struct {
	From, To string // names of nodes
	Style    Style
}

// Style says what an edge is.
type Style int

// The styles.
const (
	Reads     Style = iota // an attribute is read: evaluated before
	Names                  // only the identity is named
	DependsOn              // depends_on, or a dependency between resources
	After                  // nothing but the order of the phases
)

// Blocks draws the blocks of the files: a node for each, however many instances
// it has, grouped by module.
func Blocks(names []string, refs []config.Reference, cfg *config.Config) *Graph {
	count := map[string]int{}
	for i := range cfg.Instances {
		count[blockOf(cfg.Instances[i].Ref)]++
	}
	keyed := map[string]bool{}
	for i := range cfg.Instances {
		if ref := cfg.Instances[i].Ref; ref.Key != cty.NilVal || keyedModule(ref.Module) {
			keyed[blockOf(ref)] = true
		}
	}
	g := &Graph{}
	groups := map[string]*Group{}
	var order []string
	for _, name := range names {
		n := Node{Name: name, Lines: []string{name}}
		if keyed[name] {
			n.Lines = append(n.Lines, plan.Count(int64(count[name]), "instance"))
		}
		module := moduleOf(name)
		if module == "" {
			g.Nodes = append(g.Nodes, n)
			continue
		}
		if groups[module] == nil {
			groups[module] = &Group{Label: module}
			order = append(order, module)
		}
		groups[module].Nodes = append(groups[module].Nodes, n)
	}
	for _, module := range order {
		g.Groups = append(g.Groups, *groups[module])
	}
	for _, r := range refs {
		e := Edge{From: r.From, To: r.To, Style: Names}
		switch {
		case r.DependsOn:
			e.Style = DependsOn
		case r.Reads:
			e.Style = Reads
		}
		g.Edges = append(g.Edges, e)
	}
	return g
}

// blockOf is the address of a block without keys, its own and those of modules.
func blockOf(ref schema.Ref) string {
	prefix := ""
	for m := ref.Module; m != nil; m = m.Parent() {
		prefix = "module." + m.Name() + "." + prefix
	}
	return prefix + ref.Type + "." + ref.Name
}

func keyedModule(m *schema.ModuleInstance) bool {
	for ; m != nil; m = m.Parent() {
		if m.Key() != cty.NilVal {
			return true
		}
	}
	return false
}

// moduleOf is the module that a block without keys is in.
func moduleOf(name string) string {
	module := ""
	for strings.HasPrefix(name, "module.") {
		parts := strings.SplitN(name, ".", 3)
		if len(parts) < 3 {
			break
		}
		module, name = module+"."+parts[0]+"."+parts[1], parts[2]
	}
	return strings.TrimPrefix(module, ".")
}

// Plan draws what a plan does: a group for each batch, in the order of the phases,
// and in it a node for each change; or, unless all are wanted, one for all
// changes of a sort that come from one block with keys.
func Plan(p *plan.Plan, all bool) *Graph {
	g := &Graph{}
	nodeOf := map[string]string{} // by the address of a resource that is made
	first := ""                   // node of the phase before
	for n, ph := range p.Phases {
		for _, b := range ph.Batches {
			group := Group{Label: fmt.Sprintf("phase %d of %d: %s", n+1, len(p.Phases), b.Target)}
			nodes := map[string]*Node{}
			var order []string
			counts := map[string]int{}
			for _, i := range b.Changes {
				c := &p.Changes[i]
				word := string(c.Action)
				if b.Deletes {
					word = "delete"
				}
				label := c.Address
				if !all {
					label = withoutKey(c.Address)
				}
				name := fmt.Sprintf("%d %s %s %s", n+1, b.Target, word, label)
				if nodes[name] == nil {
					nodes[name] = &Node{Name: name, Lines: []string{label, word}}
					order = append(order, name)
				}
				if counts[name]++; counts[name] > 1 {
					nodes[name].Lines[1] = fmt.Sprintf("%s × %d", word, counts[name])
				} else if !all {
					nodes[name].Lines[0] = c.Address
				}
				if counts[name] == 2 {
					nodes[name].Lines[0] = label
				}
				if !b.Deletes {
					nodeOf[c.Address] = name
				}
			}
			for _, name := range order {
				group.Nodes = append(group.Nodes, *nodes[name])
			}
			g.Groups = append(g.Groups, group)
		}
		if len(ph.Batches) == 0 {
			continue
		}
		now := g.Groups[len(g.Groups)-len(ph.Batches)].Nodes[0].Name
		if first != "" {
			g.Edges = append(g.Edges, Edge{From: now, To: first, Style: After})
		}
		first = now
	}
	seen := map[Edge]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
		from, ok := nodeOf[c.Address]
		if !ok {
			continue
		}
		for _, dep := range c.DependsOn {
			if to, ok := nodeOf[dep]; ok && to != from {
				seen[Edge{From: from, To: to, Style: DependsOn}] = true
			}
		}
	}
	var edges []Edge
	for e := range seen {
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	g.Edges = append(g.Edges, edges...)
	return g
}

// withoutKey puts a star in the place of the keys of instances in an address.
func withoutKey(address string) string {
	ref := plan.ParseAddress(address)
	if ref.Key == cty.NilVal && ref.Module == nil {
		return address
	}
	out := ""
	for m := ref.Module; m != nil; m = m.Parent() {
		one := "module." + m.Name()
		if m.Key() != cty.NilVal {
			one += "[*]"
		}
		out = one + "." + out
	}
	out += ref.Type + "." + ref.Name
	if ref.Key != cty.NilVal {
		out += "[*]"
	}
	if ref.Part != "" {
		out += "." + ref.Part
	}
	return out
}
