package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Validate implements providers.Validator.
func (p *Provider) Validate(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	problems := p.unmoved(wanted)
	sound := map[string]bool{} // many users may have one script
	for i := range wanted {
		r := &wanted[i]
		if r.Kind == schema.KindLookup && r.Attrs.IsWhollyKnown() {
			problems = append(problems, p.judgeLookup(ctx, r)...)
		}
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

// judgeLookup asks a directory whether the server will find anybody there.
func (p *Provider) judgeLookup(ctx context.Context, r *schema.Resource) []providers.Problem {
	l, err := schema.ReadLookup(r.Attrs)
	if err == nil {
		// The directory judges passwords, by what is kept as a password of each.
		_, err = schema.ParseLDAPVerifier(schema.LDAPVerifier{Server: l.Server, StartTLS: l.StartTLS, CAFile: l.CAFile, DN: "cn=anybody"}.String())
	}
	if err == nil {
		err = ldap.Sees(ctx, l)
	}
	if err == nil {
		return nil
	}
	return []providers.Problem{{Address: r.Address, Detail: "The server would find no users in the directory: " + err.Error() + "."}}
}
