package plan

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Secrets are the values of sensitive attributes that the plan wants, each once:
// what must not be found in anything that is written. A plan that was read from
// a file has none.
func (p *Plan) Secrets() []string {
	var found []string
	seen := map[string]bool{}
	var take func(v cty.Value)
	take = func(v cty.Value) {
		switch {
		case v.IsNull() || !v.IsKnown():
		case v.Type() == cty.String:
			if s := v.AsString(); !seen[s] && !strings.HasPrefix(s, schema.FingerprintPrefix) {
				seen[s] = true
				found = append(found, s)
			}
		case v.Type().IsListType():
			for it := v.ElementIterator(); it.Next(); {
				_, e := it.Element()
				take(e)
			}
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		k := schema.KindByName(c.ID.Kind)
		if c.Wanted == nil || k == nil {
			continue
		}
		for i := range k.Attributes {
			if a := &k.Attributes[i]; a.Sensitive {
				take(c.Wanted.Attrs.GetAttr(a.Name))
			}
		}
	}
	return found
}
