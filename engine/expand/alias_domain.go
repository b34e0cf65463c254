package expand

import (
	"strings"

	"github.com/mailform/mailform/schema"
)

// from is the block that says something of a domain: its own, or where it is an alias and
// says nothing of it, that of the domain it is an alias of.
func (d *domain) from(attribute string) section {
	if d.of == nil {
		return d.section
	}
	v := d.section.attr(attribute)
	f := v.fact()
	if f == absent || f == known && v.v.Type().IsListType() && v.v.LengthInt() == 0 {
		return d.of.section
	}
	return d.section
}

// aliasOf is the domain that a block is an alias of; nil if it cannot be one.
func (e *expander) aliasOf(b *block) *domain {
	s := e.section(b)
	v := s.attr("alias_of")
	_, target, f := v.ref()
	if f != known {
		if f == unknown && v.fact() == unknown {
			e.needKnown(v.rng(), b.addr+".alias_of")
		}
		return nil
	}
	if e.section(target).attr("alias_of").fact() != absent {
		v.errorf("Alias of an alias", "%s is itself an alias of another domain. Name that one.", target.addr)
		return nil
	}
	for _, name := range []string{"postmaster", "catch_all"} {
		if a := s.attr(name); a.fact() != absent {
			a.errorf("Address in an alias domain", "%s is an alias of %s, which has all its addresses. Leave out %s, or write it there.", b.addr, target.addr, name)
			return nil
		}
	}
	return e.domains[target] // nil where that one has an error of its own
}

// addAliasRoutes gives each address of a domain one of the same name in the domains that
// are its aliases: as routes, so that every provider knows them, refuses what nobody has,
// and lets users send under them.
func (e *expander) addAliasRoutes() {
	aliases := map[string][]*domain{}
	for _, d := range e.domainList {
		if d.of != nil && d.served() {
			aliases[d.of.host] = append(aliases[d.of.host], d)
		}
	}
	if len(aliases) == 0 {
		return
	}
	for _, r := range e.out[:len(e.out):len(e.out)] {
		if r.Kind != schema.KindMailbox && r.Kind != schema.KindRoute {
			continue
		}
		local, host, _ := strings.Cut(r.Key, "@")
		typ, members := "alias", list([]string{r.Key}, known)
		if r.Kind == schema.KindRoute {
			typ, members = r.Attrs.GetAttr("type").AsString(), r.Attrs.GetAttr("members")
			if typ == "forward" || typ == "refused" {
				continue // of a mailbox, which has its own
			}
		}
		for _, d := range aliases[host] {
			home, ok := d.home()
			if !ok {
				continue
			}
			suffix := indexed("address", local)
			if typ == "catch_all" {
				suffix = ".catch_all"
			}
			address := local + "@" + d.host
			e.claimMail(address, d.block, d.section.attr("alias_of"), false)
			e.addRoute(d.block, suffix, home.routes, address, typ, members, false)
		}
	}
}
