package ldap

import (
	"context"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// People are the users of a directory by their entries, for groups: the members of
// a group are entries, and those of a resource are addresses.
type people struct {
	address map[string]string // by the name of the entry, as normal writes it
	dn      map[string]string // by address
}

// normal is the name of an entry in one way of writing it, for comparing.
func normal(dn string) string {
	parsed, err := goldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

func newPeople() *people { return &people{address: map[string]string{}, dn: map[string]string{}} }

func (p *people) know(address, dn string) {
	if _, known := p.dn[address]; !known {
		p.dn[address] = dn
	}
	p.address[normal(dn)] = address
}

// meet learns who is there, where groups need it.
func (c *client) meet(ctx context.Context, users, routes *layout) error {
	if !routes.groups {
		return nil
	}
	routes.members = newPeople()
	if users.missing != nil {
		return nil
	}
	found, err := c.load(ctx, users, users.seen(), nil, nil)
	if err != nil {
		return err
	}
	for address, list := range found {
		routes.members.know(address, list[0].dn)
	}
	return nil
}

// split divides addresses into names of entries and the rest.
func (p *people) split(addresses []string) (entries, rest []string) {
	for _, a := range addresses {
		if dn, ok := p.dn[a]; ok {
			entries = append(entries, dn)
		} else {
			rest = append(rest, a)
		}
	}
	return entries, rest
}

// addresses are those of entries. One that is no user is called by its name.
func (p *people) addresses(entries []string) []string {
	out := make([]string, 0, len(entries))
	for _, dn := range entries {
		a, ok := p.address[normal(dn)]
		if !ok {
			a = strings.ToLower(dn)
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
