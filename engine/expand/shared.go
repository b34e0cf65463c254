package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addShared makes the account of a shared folder, which nobody logs in to, and says
// who may do what with it.
func (e *expander) addShared(s section, d *domain) {
	b := s.b
	e.claimMail(b.mail, b, s.attr("name"), false)
	home, ok := e.homeOf(s, d)
	if !ok {
		return
	}
	if !runs(home.mailboxes) {
		s.attr("domain").errorf("Server without shared folders",
			"mailform makes no shared folders at %s, where %s would be. The embedded server has them. Give the users there an alias, or leave out %s.", home.mailboxes, b.mail, b.addr)
		return
	}
	e.add(b, ".mailbox", schema.KindMailbox, home.mailboxes, b.mail, map[string]cty.Value{
		"address":       cty.StringVal(b.mail),
		"password_hash": list(nil, known),
		"quota":         e.val(s.attr("quota").size()),
		"protocols":     list(nil, known),
		"mail":          cty.StringVal("enabled"),
		"sieve":         cty.NullVal(cty.String),
		"messages":      nullNumber,
		"bytes":         nullNumber,
	})
	users := func(name string) cty.Value {
		members, f := e.recipients(s.attr(name), schema.ParseAddress)
		if f == absent {
			f = known
		}
		return list(sorted(addressesOf(members)), f)
	}
	everyone, f := s.attr("everyone").str("nothing")
	e.add(b, ".sharing", schema.KindSharing, home.mailboxes, b.mail, map[string]cty.Value{
		"address":  cty.StringVal(b.mail),
		"readers":  users("readers"),
		"writers":  users("writers"),
		"managers": users("managers"),
		"everyone": orUnknown(everyone, f),
	})
}
