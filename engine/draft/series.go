package draft

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// alike is how many record blocks have to differ in nothing but name and value to
// become one with for_each.
const alike = 20

// A series is a number of record blocks that are written as one.
type series struct {
	label string
	// rows are names and values, in the order of the blocks.
	rows [][2]string
	// rest are the arguments that they share, as they are written.
	rest [][2]string
}

// series finds record blocks that are alike: the series of each by its number, nil
// for those that stand alone.
func (d *Draft) series() []*series {
	out := make([]*series, len(d.Blocks))
	byKey, members := map[string]*series{}, map[*series][]int{}
	free := labels{"record": maps.Clone(d.labels["record"])} // this may be called again
	if free["record"] == nil {
		free["record"] = map[string]int{}
	}
	var order []*series
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Ref.Type != "record" {
			continue
		}
		name, value, rest := row(b)
		if name == "" {
			continue
		}
		var key strings.Builder
		for _, a := range rest {
			key.WriteString(a[0] + "=" + a[1] + "\n")
		}
		g := byKey[key.String()]
		if g == nil {
			g = &series{rest: rest, label: seriesLabel(b)}
			byKey[key.String()] = g
			order = append(order, g)
		}
		g.rows = append(g.rows, [2]string{name, value})
		members[g] = append(members[g], i)
	}
	for _, g := range order {
		if len(g.rows) < alike {
			continue
		}
		for _, i := range members[g] {
			out[i] = g
		}
		slices.SortFunc(g.rows, func(a, b [2]string) int { return byNumber(a[0], b[0]) })
		g.label = free.free("record", g.label)
	}
	return out
}

// row is the name and the value of a record block that has one value and nothing
// beyond, as they are written, and its other arguments. The name is empty for all
// other blocks.
func row(b *Block) (name, value string, rest [][2]string) {
	of := b.Body.Object()
	for _, a := range schema.BlockByType("record").Attributes {
		v, _ := of.GetAttr(a.Name).Unmark()
		switch {
		case v.IsNull():
		case a.Name == "name":
			name = literal(v.AsString())
		case a.Name == "values":
			if v.LengthInt() != 1 {
				return "", "", nil
			}
			value = literal(v.Index(cty.NumberIntVal(0)).AsString())
		default:
			rest = append(rest, [2]string{a.Name, expression(v)})
		}
	}
	return name, value, rest
}

// seriesLabel is a name for what is like a block: those of type A in domain.example
// are example_a.
func seriesLabel(b *Block) string {
	of := b.Body.Object()
	typ, _ := of.GetAttr("type").Unmark()
	zone, _ := of.GetAttr("zone").Unmark()
	label := strings.ToLower(typ.AsString())
	if ref, ok := schema.AsRef(zone); ok {
		label = ref.Name + "_" + label
	}
	return label
}

// byNumber compares names that end in numbers by these: host2 comes before host10.
func byNumber(a, b string) int {
	const digits = "0123456789\""
	return cmp.Or(
		cmp.Compare(strings.TrimRight(a, digits), strings.TrimRight(b, digits)),
		cmp.Compare(len(a), len(b)),
		cmp.Compare(a, b),
	)
}

// series writes a series as one block.
func (w *writer) series(g *series) {
	var b bytes.Buffer
	b.WriteString("\nrecord " + literal(g.label) + " {\n  for_each = {\n")
	for _, r := range g.rows {
		b.WriteString("    " + r[0] + " = " + r[1] + "\n")
	}
	b.WriteString("  }\n\n")
	for i, a := range g.rest {
		b.WriteString("  " + a[0] + " = " + a[1] + "\n")
		if i == 0 { // behind the zone, as in a block of its own
			b.WriteString("  name = each.key\n")
		}
	}
	b.WriteString("  values = [each.value]\n}\n")
	w.out.Write(hclwrite.Format(b.Bytes()))
}
