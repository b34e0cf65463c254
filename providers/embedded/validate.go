package embedded

import (
	"context"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Validate implements providers.Validator.
func (p *Provider) Validate(_ context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	problems := p.unmoved(wanted)
	for i := range wanted {
		r := &wanted[i]
		if r.Kind != schema.KindMailbox {
			continue
		}
		if script, _ := r.Attrs.GetAttr("sieve").Unmark(); script.IsKnown() && !script.IsNull() && script.Type() == cty.String && script.AsString() != "" {
			problems = append(problems, providers.Problem{Address: r.Address, Attribute: "sieve", Detail: "The embedded server runs no Sieve scripts."})
		}
	}
	return problems, nil
}
