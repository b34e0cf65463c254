package expand

import (
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// readUsers makes mailboxes, their aliases and their forwards, and shared folders.
func (e *expander) readUsers() {
	// Who is referred to has to have an address before members are read.
	type user struct {
		section section
		domain  *domain
	}
	users := make([]user, 0, len(e.byType["user"]))
	for _, typ := range []string{"user", "alias", "shared_folder"} {
		for _, b := range e.byType[typ] {
			s := e.section(b)
			d := e.domainOf(s)
			if d == nil {
				continue
			}
			local, ok := readKey(s.attr("name"), schema.ParseLocalPart)
			if !ok {
				continue
			}
			b.mail, b.parent = local+"@"+d.host, d.block
			if typ != "alias" {
				users = append(users, user{s, d})
			}
		}
	}
	for _, u := range users {
		if u.section.b.inst.Ref.Type == "shared_folder" {
			e.addShared(u.section, u.domain)
			continue
		}
		e.addUser(u.section, u.domain)
	}
}

// domainOf is the domain of a user or an alias; nil if it cannot be told.
func (e *expander) domainOf(s section) *domain {
	v := s.attr("domain")
	_, b, f := v.ref()
	if f == absent {
		v.errorf("Missing value", "domain has to name a domain block.")
	}
	if f == known && e.domains[b] != nil {
		if of := e.domains[b].of; of != nil {
			v.errorf("Address in an alias domain", "%s is an alias of %s, which has all its addresses. Put %s into %s.", b.addr, of.addr, s.b.addr, of.addr)
			return nil
		}
		return e.domains[b]
	}
	return nil
}

func (e *expander) addUser(s section, d *domain) {
	b := s.b
	entry := e.claimMail(b.mail, b, s.attr("name"), false)
	aliases := e.readUserAliases(s, d)
	home, ok := e.homeOf(s, d)
	if !ok {
		return
	}
	if len(e.byType["app_password"]) > 0 {
		e.homes[b] = home
	}
	quota := e.val(s.attr("quota").size())
	if p := d.primary(); home.server == nil && p != nil && providerOf(p.roles[roleStore]) == "cyrus" && quota.IsKnown() && !quota.RawEquals(cty.NumberIntVal(0)) {
		s.attr("quota").errorf("Setting that the provider does not have",
			"quota of %s: cyrus keeps the mail of %s, which finds its users in %s, and takes no quota from there. Leave it out, or keep the users on the server.", b.addr, p.addr, p.directory.addr)
	}
	mail, mf := s.attr("mail").str("enabled")
	forward := e.readForward(s, d, mail, mf, entry)
	e.add(b, ".mailbox", schema.KindMailbox, home.mailboxes, b.mail, map[string]cty.Value{
		"address":       cty.StringVal(b.mail),
		"password_hash": s.attr("password_hash").secrets(),
		"quota":         quota,
		"protocols":     e.protocols(s.attr("protocols")),
		"mail":          orUnknown(mail, mf),
		"sieve":         s.attr("sieve").orNull(),
		"messages":      nullNumber,
		"bytes":         nullNumber,
	})
	if home.server != nil {
		e.addRecipient(s, home.server, mail)
		e.addRefusal(s, d, home.server, mail)
	}
	for _, local := range aliases {
		e.addRoute(b, indexed("alias", local), home.routes, local+"@"+d.host, "alias", list([]string{b.mail}, known), false)
	}
	if forward != cty.NilVal {
		e.addRoute(b, ".forward", home.routes, b.mail, "forward", forward, s.attr("keep_copy").yes())
	}
}

var nullNumber = cty.NullVal(cty.Number)

// homeOf is where a user's mailbox is kept, if that can be told.
func (e *expander) homeOf(s section, d *domain) (home, bool) {
	v := s.attr("server")
	_, b, f := v.ref()
	switch {
	case f == unknown || f == known && e.servers[b] == nil:
		return home{}, false
	case f == known && slices.Contains(d.servers, e.servers[b]):
		return e.servers[b].home(), true
	case f == known:
		v.errorf("Server does not serve the domain",
			"%s does not take mail for %s, so that a mailbox there would get none. Name it in an mx block of %s (%s), or by server there.", b.addr, d.host, d.addr, at(d.inst.Range))
		return home{}, false
	case d.served():
		return d.home()
	}
	if !d.unsure {
		if d.parked() {
			d.errorParked(s.attr("domain"), "users")
			return home{}, false
		}
		s.attr("domain").errorf("Domain without a server",
			"%s has no server of this configuration that could hold the mailbox of %s. Name one by server, or in an mx block, or a directory that holds its users by directory (%s).", d.addr, s.b.addr, at(d.inst.Range))
	}
	return home{}, false
}

// secrets is a list of strings as it was written.
func (v value) secrets() cty.Value {
	elems, f := v.list()
	if f == unknown {
		return list(nil, unknown)
	}
	vals := make([]string, 0, len(elems))
	for _, el := range elems {
		if el.fact() != known {
			return list(nil, unknown)
		}
		vals = append(vals, el.v.AsString())
	}
	return list(vals, known)
}

// protocols is a list of a few words: both where it is absent.
func (e *expander) protocols(v value) cty.Value {
	words, f := readList(v, text)
	if f == absent {
		words, f = []string{"imap", "pop3"}, known
	}
	return e.wordList(words, f)
}

// readUserAliases are the local parts of a user's aliases.
func (e *expander) readUserAliases(s section, d *domain) []string {
	v := s.attr("aliases")
	elems, f := v.list()
	if f == unknown {
		e.needKnown(v.rng(), s.b.addr+".aliases")
	}
	var out []string
	for _, el := range elems {
		local, ok := readKey(el, schema.ParseLocalPart)
		if !ok {
			continue
		}
		e.claimMail(local+"@"+d.host, s.b, el, true).members = []member{{address: s.b.mail, src: el}}
		out = append(out, local)
	}
	return out
}

// readForward judges what belongs to forwarding. It returns the members of the
// forward route, or NilVal where there is none.
func (e *expander) readForward(s section, d *domain, mail string, mf fact, entry *mailEntry) cty.Value {
	to, keep := s.attr("forward_to"), s.attr("keep_copy")
	switch {
	case mf == unknown:
		e.needKnown(s.attr("mail").rng(), s.b.addr+".mail")
		return cty.NilVal
	case mail == "forward" && to.fact() == absent:
		s.attr("mail").errorf("Forward to nobody", "mail = \"forward\" needs forward_to: the addresses that mail for %s goes to.", s.b.mail)
		return cty.NilVal
	case mail == "forward":
		members, f := e.recipients(to, schema.ParseAddress)
		if f == known && len(members) == 0 {
			to.errorf("Forward to nobody", "forward_to is empty, so that mail for %s would go nowhere.", s.b.mail)
			return cty.NilVal
		}
		entry.members, entry.handsOn = members, "forward_to"
		e.routes = append(e.routes, entry)
		return list(sorted(addressesOf(members)), f)
	case to.fact() != absent:
		to.errorf("forward_to without forwarding", "forward_to has no effect unless mail = \"forward\".")
	case keep.yes():
		keep.errorf("keep_copy without forwarding", "keep_copy has no effect unless mail = \"forward\": a mailbox keeps its mail anyway.")
	}
	return cty.NilVal
}

// readAliases makes the routes of alias blocks.
func (e *expander) readAliases() {
	for _, b := range e.byType["alias"] {
		if b.mail == "" {
			continue
		}
		s := e.section(b)
		d := e.domains[b.parent]
		entry := e.claimMail(b.mail, b, s.attr("name"), true)
		home, ok := d.home()
		if !ok {
			if d.parked() {
				d.errorParked(s.attr("domain"), "aliases")
			} else if !d.unsure {
				s.attr("domain").errorf("Domain without a server",
					"%s has no server of this configuration that could serve %s. Name one by server, or in an mx block (%s).", d.addr, b.mail, at(d.inst.Range))
			}
			continue
		}
		v := s.attr("members")
		members, f := e.recipients(v, schema.ParseAddress)
		if f == absent || f == known && len(members) == 0 {
			v.errorf("Alias without members", "Mail for %s would go nowhere. Name at least one member.", b.mail)
			continue
		}
		entry.members, entry.handsOn = members, "members"
		e.addRoute(b, ".route", home.routes, b.mail, "alias", list(sorted(addressesOf(members)), f), false)
	}
}
