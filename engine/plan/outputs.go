package plan

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/state"
	"github.com/zclconf/go-cty/cty"
)

// outputs compares the outputs with those last written. Of sensitive ones no
// value was kept, so they only ever appear or go.
func (m *maker) outputs() {
	if m.plan.Mode == RefreshOnly || (m.plan.Mode == Destroy && m.selected.some) {
		return
	}
	declared := map[string]bool{}
	if m.plan.Mode != Destroy {
		for _, o := range m.in.Outputs {
			declared[o.Name] = true
			after, marked := state.Plain(o.Value)
			c := OutputChange{Name: o.Name, Sensitive: o.Sensitive || marked, After: after}
			m.outputChange(&c)
			if c.Sensitive {
				c.Before, c.After = cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.DynamicPseudoType)
			}
			m.plan.Outputs = append(m.plan.Outputs, c)
		}
	}
	for name, was := range m.prior.Outputs {
		if declared[name] {
			continue
		}
		m.plan.Outputs = append(m.plan.Outputs, OutputChange{
			Name: name, Action: Delete, Sensitive: was.Sensitive,
			Before: m.decodeOutput(name, was), After: cty.NullVal(cty.DynamicPseudoType),
		})
	}
	sort.Slice(m.plan.Outputs, func(i, j int) bool { return m.plan.Outputs[i].Name < m.plan.Outputs[j].Name })
}

func (m *maker) outputChange(c *OutputChange) {
	was, ok := m.prior.Outputs[c.Name]
	if !ok {
		c.Action, c.Before = Create, cty.NullVal(cty.DynamicPseudoType)
		return
	}
	c.Before = m.decodeOutput(c.Name, was)
	switch {
	case was.Sensitive != c.Sensitive:
		c.Action = Update
	case c.Sensitive || c.After.RawEquals(c.Before):
		c.Action = NoOp
	default:
		c.Action = Update
	}
}

func (m *maker) decodeOutput(name string, o state.Output) cty.Value {
	v, err := o.Decode()
	if err != nil {
		m.diags = append(m.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Output in the state cannot be read",
			Detail:   fmt.Sprintf("What the state holds of the output %q is not readable (%s); it is written anew.", name, err),
		})
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v
}
