package markdown

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/plan"
)

// counts are what a plan does to one domain.
type counts struct{ add, change, destroy, other int }

// domains writes a table of what changes by domain, where it is more than one.
func (d *document) domains(p *plan.Plan) {
	by := map[string]*counts{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		name := c.Domain()
		if by[name] == nil {
			by[name] = &counts{}
		}
		by[name].count(c)
	}
	if len(by) < 2 {
		return
	}
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b].destroy, by[a].destroy), cmp.Compare(a, b))
	})
	var t strings.Builder
	t.WriteString("\n| | add | change | destroy | other |\n|---|--:|--:|--:|--:|\n")
	for i, name := range names {
		if i == mostRows {
			fmt.Fprintf(&t, "| and %d more | | | | |\n", len(names)-i)
			break
		}
		shown := "servers"
		if name != "" {
			shown = code(name)
		}
		n := by[name]
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s |\n", shown, cell(n.add), cell(n.change), cell(n.destroy), cell(n.other))
	}
	d.add(t.String())
}

func cell(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func (n *counts) count(c *plan.Change) {
	switch c.Action {
	case plan.Create:
		n.add++
	case plan.Update:
		n.change++
	case plan.Delete:
		n.destroy++
	case plan.Replace:
		n.add++
		n.destroy++
	default:
		n.other++
	}
}
