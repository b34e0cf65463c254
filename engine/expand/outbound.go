package expand

import (
	"net"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addSmarthosts says which servers take mail for elsewhere in the place of its MX.
func (e *expander) addSmarthosts(whole section, srv *server) {
	target := srv.roles[roleMTA]
	seen := map[string]bool{}
	for _, s := range whole.each("smarthost") {
		if !holds(target, schema.KindSmarthost) {
			whole.attr("smarthost").errorf("Server that others make",
				"%s has no attribute for what a block smarthost says: its own configuration decides that. Leave out smarthost, or hand all mail on by relay.", target)
			return
		}
		host, hf := read(s.attr("host"), schema.ParseHostPort)
		if hf != known {
			continue
		}
		if seen[host] {
			s.attr("host").errorf("Two blocks for one smarthost", "%s has two blocks smarthost for %s. Put the domains of both into one.", srv.addr, host)
			continue
		}
		seen[host] = true
		username, password := s.attr("username"), s.attr("password")
		switch {
		case username.fact() == absent && password.fact() != absent:
			password.errorf("Password without a name", "A smarthost of %s has a password, and no username that it is of.", srv.addr)
			continue
		case username.fact() != absent && password.fact() == absent:
			username.errorf("Name without a password", "A smarthost of %s has a username, and no password.", srv.addr)
			continue
		}
		tls := s.attr("tls")
		way := orUnknown(tls.str(""))
		if tls.fact() == absent {
			way = cty.StringVal(usualTLS(host, username.fact() != absent))
		}
		if tls.fact() == known && username.fact() != absent && way.AsString() == "opportunistic" {
			tls.errorf("Password for anybody", "With tls = \"opportunistic\" a smarthost of %s could be anybody, and would get the password. Leave out tls, or say \"verified\".", srv.addr)
			continue
		}
		senders, sf := readList(s.attr("senders"), schema.ParseDomainName)
		recipients, rf := readList(s.attr("recipients"), schema.ParseDomainName)
		secret := cty.StringVal("")
		if password.fact() != absent {
			secret = password.v
		}
		e.add(srv.block, indexed("smarthost", host), schema.KindSmarthost, target, srv.label()+"/"+host, map[string]cty.Value{
			"owner": cty.StringVal(srv.label()), "host": cty.StringVal(host),
			"senders": list(senders, orZero(sf)), "recipients": list(recipients, orZero(rf)),
			"username": orUnknown(username.str("")), "password": secret, "tls": way,
		})
	}
}

// usualTLS is how a smarthost is spoken to where nothing is said of it.
func usualTLS(host string, login bool) string {
	_, port, _ := net.SplitHostPort(host)
	switch {
	case port == "465":
		return "implicit"
	case login:
		return "verified"
	}
	return "opportunistic"
}
