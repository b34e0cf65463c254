package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addOAuth says whose tokens users of a server may log in with.
func (e *expander) addOAuth(whole section, srv *server) {
	s, ok := whole.nested("oauth")
	if !ok {
		return
	}
	for _, r := range []role{roleMTA, roleStore} {
		if target := srv.roles[r]; !runs(target) {
			whole.attr("oauth").errorf("Server that others make",
				"%s has no attribute for what a block oauth says: its own configuration decides who logs in how. Leave out oauth.", target)
			return
		}
	}
	asked := s.attr("introspection_url")
	id, secret := s.attr("client_id"), s.attr("client_secret")
	switch {
	case asked.fact() == absent && s.attr("audience").fact() == absent:
		whole.attr("oauth").errorf("Token for anybody",
			"Without an audience a token that somebody has given to any other service of %s would open the mailbox of that user. Name by audience what the authorization server puts into `aud` of tokens for mail, or let it judge them by introspection_url.", whole.b.addr)
		return
	case asked.fact() != absent && s.attr("jwks_url").fact() != absent:
		s.attr("jwks_url").errorf("Two ways to judge a token", "%s asks about tokens by introspection_url, so that there are no keys to find by jwks_url. Leave out one of them.", whole.b.addr)
		return
	case asked.fact() == absent && id.fact() != absent:
		id.errorf("Name that is never said", "The authorization server of %s is asked about no token: client_id goes with introspection_url.", whole.b.addr)
		return
	case id.fact() == absent && secret.fact() != absent:
		secret.errorf("Password without a name", "The block oauth of %s has a client_secret, and no client_id that it is of.", whole.b.addr)
		return
	case id.fact() != absent && secret.fact() == absent:
		id.errorf("Name without a password", "The block oauth of %s has a client_id, and no client_secret.", whole.b.addr)
		return
	}
	audience, af := readList(s.attr("audience"), text)
	scopes, sf := readList(s.attr("scopes"), text)
	kept := cty.StringVal("")
	if secret.fact() != absent {
		kept = secret.v
	}
	file := cty.StringVal("")
	if s.attr("ca_file").fact() != absent {
		file = orUnknown(read(s.attr("ca_file"), e.path))
	}
	e.add(srv.block, ".oauth", schema.KindOAuth, srv.roles[roleStore], srv.label(), map[string]cty.Value{
		"owner":             cty.StringVal(srv.label()),
		"issuer":            orUnknown(s.attr("issuer").str("")),
		"audience":          list(audience, orZero(af)),
		"scopes":            list(scopes, orZero(sf)),
		"username_claim":    orUnknown(s.attr("username_claim").str("email")),
		"introspection_url": orUnknown(asked.str("")),
		"client_id":         orUnknown(id.str("")),
		"client_secret":     kept,
		"jwks_url":          orUnknown(s.attr("jwks_url").str("")),
		"ca_file":           file,
	})
}
