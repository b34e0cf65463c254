package expand

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A mailEntry is a mail address of ours: a mailbox, or a route.
type mailEntry struct {
	address string
	block   *block
	src     value // what declares it
	// members are where mail goes from here; none for a mailbox.
	members []member
	// handsOn is the attribute that has the members, for error texts.
	handsOn string
	visited visit
}

// A member is a recipient that an attribute names.
type member struct {
	address string
	src     value
}

func addressesOf(members []member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.address
	}
	return out
}

// claimMail takes an address for a block. One that another block has is an
// error; what it returns is then only good for judging the members.
func (e *expander) claimMail(address string, b *block, src value, route bool) *mailEntry {
	entry := &mailEntry{address: address, block: b, src: src}
	if other := e.mail[address]; other != nil {
		src.errorf("Address declared twice", "%s is already an address of %s (%s). Mail for it can go to one of them only; an alias block with both as members sends it to both.",
			address, other.block.addr, at(other.src.rng()))
	} else {
		e.mail[address] = entry
	}
	if route {
		e.routes = append(e.routes, entry)
	}
	return entry
}

func (e *expander) addRoute(b *block, suffix, target, address, typ string, members cty.Value, keep bool) {
	e.add(b, suffix, schema.KindRoute, target, address, map[string]cty.Value{
		"address":   cty.StringVal(address),
		"type":      cty.StringVal(typ),
		"members":   members,
		"keep_copy": cty.BoolVal(keep),
	})
}

// recipients reads addresses and references to users and aliases: one, or a
// list of them, in the order written.
func (e *expander) recipients(v value, parse func(string) (schema.Address, error)) ([]member, fact) {
	f := v.fact()
	if f != known {
		return nil, f
	}
	elems := v.elements()
	out := make([]member, 0, len(elems))
	for _, el := range elems {
		m, mf := e.recipient(el, parse)
		if mf != known {
			f = unknown
			continue
		}
		out = append(out, m)
	}
	return out, f
}

func (e *expander) recipient(v value, parse func(string) (schema.Address, error)) (member, fact) {
	if f := v.fact(); f != known {
		return member{}, unknown
	}
	if v.v.Type() == cty.String {
		a, f := read(v, parse)
		return member{a.String(), v}, f
	}
	_, b, f := v.ref()
	if f != known || b.mail == "" {
		return member{}, unknown
	}
	return member{b.mail, v}, known
}

// addDomainRoutes makes the postmaster and the catch-all of a domain.
func (e *expander) addDomainRoutes(d *domain) {
	for _, r := range []struct{ attr, local, typ string }{
		{"postmaster", "postmaster", "alias"},
		{"catch_all", "", "catch_all"},
	} {
		v := d.section.attr(r.attr)
		members, f := e.recipients(v, schema.ParseAddress)
		if f == absent {
			continue
		}
		home, ok := d.home()
		if !ok {
			if !d.unsure {
				v.errorf("Domain without a server", "%s has no server of this configuration that could take mail for its %s. Name one by server, or in an mx block.", d.addr, r.attr)
			}
			continue
		}
		address := r.local + "@" + d.host
		if f == known && len(members) == 1 && members[0].address == address {
			if e.mail[address] == nil {
				v.errorf("Unknown address", "%s = %s names itself: no user or alias has that address.", r.attr, v.show())
			}
			continue // the user or alias of that name gets its mail anyway
		}
		entry := e.claimMail(address, d.block, v, true)
		entry.members, entry.handsOn = members, r.attr
		e.addRoute(d.block, "."+r.attr, home.routes, address, r.typ, list(sorted(addressesOf(members)), f), false)
	}
}

// checkRoutes looks for members that do not exist and for circles.
func (e *expander) checkRoutes() {
	for _, r := range e.routes {
		e.checkLocal(r.members, r.address)
	}
	for _, r := range e.routes {
		if circle := e.follow(r, nil); circle != nil {
			e.reportCircle(circle)
		}
	}
}

// checkLocal reports recipients in domains of ours that nobody has.
func (e *expander) checkLocal(members []member, of string) {
	if e.partial {
		return
	}
	for _, m := range members {
		domain := m.address[strings.LastIndexByte(m.address, '@')+1:]
		d := e.byDomain[domain]
		if d == nil || !d.served() || e.mail[m.address] != nil {
			continue
		}
		if c := e.mail["@"+domain]; c != nil && c.address != of {
			continue
		}
		m.src.errorf("Unknown address", "%s would go to %s, and no user or alias has that address. The domain is %s (%s).",
			mailFor(of), m.address, d.addr, at(d.inst.Range))
	}
}

// mailFor begins a sentence about an address or about the reports of a domain.
func mailFor(of string) string {
	switch {
	case strings.HasPrefix(of, "@"):
		return "Mail for all other addresses of " + of[1:]
	case strings.Contains(of, "@"):
		return "Mail for " + of
	}
	return "A report for " + of
}

// visit is how far the search for circles has come.
type visit uint8

const (
	unseen visit = iota
	onTheWay
	seen
)

// follow goes where mail for an entry goes. It returns the first circle that it
// comes upon and that was not found before.
func (e *expander) follow(entry *mailEntry, way []*mailEntry) []*mailEntry {
	switch entry.visited {
	case seen:
		return nil
	case onTheWay:
		return slices.Clone(way[slices.Index(way, entry):])
	}
	entry.visited = onTheWay
	way = append(way, entry)
	var circle []*mailEntry
	for _, m := range entry.members {
		next := e.mail[m.address]
		if next == nil {
			next = e.mail["@"+m.address[strings.LastIndexByte(m.address, '@')+1:]]
		}
		if next == nil || next == entry && strings.HasPrefix(entry.address, "@") {
			continue // elsewhere; or a catch-all to nobody, reported as such
		}
		if c := e.follow(next, way); c != nil && circle == nil {
			circle = c
		}
	}
	entry.visited = seen
	return circle
}

func (e *expander) reportCircle(circle []*mailEntry) {
	first := 0
	for i, r := range circle {
		if r.address < circle[first].address {
			first = i
		}
	}
	circle = append(circle[first:len(circle):len(circle)], circle[:first]...)
	var path strings.Builder
	var places []string
	for _, r := range circle {
		path.WriteString(r.address + " → ")
		places = append(places, fmt.Sprintf("%s (%s)", r.block.addr, at(r.sourceOfMembers())))
	}
	start := circle[0]
	detail := fmt.Sprintf("%s%s: mail for these addresses would never arrive. They are in %s.", path.String(), start.address, strings.Join(places, ", "))
	if len(circle) == 1 {
		detail = fmt.Sprintf("%s → %s: mail for this address would go to itself and never arrive.", start.address, start.address)
	}
	e.errorAt(start.sourceOfMembers(), "Mail goes round in a circle", "%s", detail)
}

// sourceOfMembers is where it is written to whom mail goes.
func (r *mailEntry) sourceOfMembers() hcl.Range {
	if r.handsOn == "" || r.block.inst.Source == nil {
		return r.src.rng()
	}
	return r.block.inst.Source.AttrRange(r.handsOn)
}
