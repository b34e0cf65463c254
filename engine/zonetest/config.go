package zonetest

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// config writes what a step declares. Nothing is staged: a step is all of a change. A block is called after its name, so that
// a name that changes its type changes it in its block, as people do; where a
// name has several types, after both.
func (w *world) config(s providertest.ZoneStep) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nzone \"z\" {\n  name       = %q\n  nameserver = nameserver.ns\n  staging { mode = \"off\" }\n%s\n%s\n", w.sys.Config, w.sys.Zone, w.sys.ZoneLines, s.Zone)
	for _, rule := range s.Ignore {
		b.WriteString("  ignore {\n")
		for _, part := range [][2]string{{"name", rule.Name}, {"type", rule.Type}, {"value", rule.Value}} {
			if part[1] != "" {
				fmt.Fprintf(&b, "    %s = %s\n", part[0], literal(cty.StringVal(part[1])))
			}
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	types := map[string]int{}
	for _, set := range s.Sets {
		types[set.Name]++
	}
	for _, set := range s.Sets {
		label := set.Name
		if types[set.Name] > 1 {
			label += " " + set.Type
		}
		fmt.Fprintf(&b, "\nrecord %q {\n  zone   = zone.z\n  name   = %s\n  type   = %q\n  values = %s\n",
			identifier(label), literal(cty.StringVal(set.Name)), set.Type, literal(schema.StringList(set.Values)))
		if set.TTL != "" {
			fmt.Fprintf(&b, "  ttl    = %q\n", set.TTL)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// literal writes a value as HCL has it.
func literal(v cty.Value) string { return string(hclwrite.TokensForValue(v).Bytes()) }

// identifier makes a label of any text. Two texts make two.
func identifier(s string) string {
	var b strings.Builder
	b.WriteByte('r')
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}
