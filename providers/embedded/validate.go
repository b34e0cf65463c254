package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Validate implements providers.Validator.
func (p *Provider) Validate(_ context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	problems := p.unmoved(wanted)
	sound := map[string]bool{} // many users may have one script
	for i := range wanted {
		r := &wanted[i]
		if r.Kind != schema.KindMailbox {
			continue
		}
		script, _ := r.Attrs.GetAttr("sieve").Unmark()
		if !script.IsKnown() || script.IsNull() || script.Type() != cty.String || sound[script.AsString()] {
			continue
		}
		_, err := sieve.Parse(script.AsString())
		var at *sieve.Error
		if !errors.As(err, &at) {
			sound[script.AsString()] = true
			continue
		}
		problems = append(problems, providers.Problem{Address: r.Address, Attribute: "sieve",
			Detail: fmt.Sprintf("Line %d, column %d of the Sieve script: %s.", at.Line, at.Column, at.Message)})
	}
	return problems, nil
}
