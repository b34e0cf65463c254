package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A selection is what -target and -exclude arguments leave of a plan. The zero value is all.
type selection struct {
	some bool
	// want holds what is made: what was named and what that depends on. take
	// holds what is taken away: what was named and what depends on that.
	want, take map[string]bool
}

func (s *selection) wants(address string) bool { return !s.some || s.want[address] }
func (s *selection) takes(address string) bool { return !s.some || s.take[address] }

func (s *selection) either(address string) bool { return s.wants(address) || s.takes(address) }

// A node is a resource with what it depends on, for the selection.
type node struct {
	address string
	id      schema.ID
	attrs   cty.Value
	deps    []string
}

func (m *maker) selectTargets() {
	if len(m.in.Targets) == 0 && len(m.in.Excludes) == 0 {
		return
	}
	var desired, ours []node
	for _, r := range m.desired {
		desired = append(desired, node{r.Address, r.ID(), r.Attrs, r.DependsOn})
	}
	for _, t := range m.ours() {
		if st := t.prior; st != nil {
			ours = append(ours, node{st.Address, t.id, st.Attrs, st.DependsOn})
		} else if o := t.observed; o != nil {
			ours = append(ours, node{o.Owner, t.id, o.Attrs, nil})
		}
	}
	needs, needed := dependencies(desired), dependencies(ours)
	m.selected = selection{some: true, want: m.choose(desired, needs), take: m.choose(ours, reverse(needed))}
	if excluded := newPatterns(m.in.Excludes); len(excluded) > 0 {
		// What needs the excluded cannot be made without it, and what it needs
		// cannot be taken from it.
		without(m.selected.want, closure(desired, excluded, reverse(needs)))
		without(m.selected.take, closure(ours, excluded, needed))
	}
	all := append(desired, ours...)
	m.unmatched(all, m.in.Targets, "Target")
	m.unmatched(all, m.in.Excludes, "Exclusion")
}

// choose is what the -target arguments leave, with all that is reached from it.
func (m *maker) choose(nodes []node, edges map[string][]string) map[string]bool {
	if len(m.in.Targets) > 0 {
		return closure(nodes, newPatterns(m.in.Targets), edges)
	}
	all := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		all[n.address] = true
	}
	return all
}

func without(set, out map[string]bool) {
	for a := range out {
		delete(set, a)
	}
}

// unmatched warns of arguments that name nothing.
func (m *maker) unmatched(nodes []node, args []string, what string) {
	for _, arg := range args {
		p := newPattern(arg)
		if !slices.ContainsFunc(nodes, func(n node) bool { return p.covers(n.address) }) {
			m.diags = append(m.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  what + " matches nothing",
				Detail:   fmt.Sprintf("No resource, neither in the files nor in the state, has an address that is or lies below %s.", arg),
			})
		}
	}
}

// closure collects the addresses that the arguments cover, and all that are
// reached from them.
func closure(nodes []node, args patterns, edges map[string][]string) map[string]bool {
	in := map[string]bool{}
	var todo []string
	for _, n := range nodes {
		if args.cover(n.address) {
			todo = append(todo, n.address)
		}
	}
	for len(todo) > 0 {
		a := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if in[a] {
			continue
		}
		in[a] = true
		todo = append(todo, edges[a]...)
	}
	return in
}

// dependencies says what each resource needs: what it names, and what the order
// of the kinds implies without naming it.
func dependencies(nodes []node) map[string][]string {
	type named struct{ target, kind, name string }
	holders := map[named]string{}
	processes := map[string][]string{}
	for _, n := range nodes {
		switch n.id.Kind {
		case schema.KindMailDomain, schema.KindZone:
			holders[named{n.id.Target, n.id.Kind, text(n.attrs, "name")}] = n.address
		case schema.KindProcess:
			processes[n.id.Target] = append(processes[n.id.Target], n.address)
		}
	}
	edges := make(map[string][]string, len(nodes))
	for _, n := range nodes {
		deps := append([]string(nil), n.deps...)
		if n.id.Kind != schema.KindProcess {
			deps = append(deps, processes[n.id.Target]...)
		}
		holder := named{target: n.id.Target}
		switch n.id.Kind {
		case schema.KindMailbox, schema.KindRoute:
			address := text(n.attrs, "address")
			holder.kind, holder.name = schema.KindMailDomain, address[strings.LastIndexByte(address, '@')+1:]
		case schema.KindRRset:
			holder.kind, holder.name = schema.KindZone, text(n.attrs, "zone")
		}
		if a, ok := holders[holder]; ok {
			deps = append(deps, a)
		}
		edges[n.address] = append(edges[n.address], deps...)
	}
	return edges
}

func reverse(edges map[string][]string) map[string][]string {
	back := make(map[string][]string, len(edges))
	for from, tos := range edges {
		for _, to := range tos {
			back[to] = append(back[to], from)
		}
	}
	return back
}

// text reads a string out of an object; empty where there is none.
func text(attrs cty.Value, name string) string {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() || !attrs.Type().HasAttribute(name) {
		return ""
	}
	v, _ := attrs.GetAttr(name).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}
