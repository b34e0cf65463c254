package expand

import (
	"maps"
	"slices"
	"strings"
)

// A role is what a provider can be for a server: each kind of resource goes to
// the provider that has the role for it.
type role string

const (
	roleMTA    role = "mta"    // takes mail in and hands it on: mail domains, routes, smtp and submission
	roleStore  role = "store"  // keeps mail: mailboxes, imap and pop3
	roleSigner role = "signer" // signs mail: DKIM keys
	roleDNS    role = "dns"    // answers: zones, record sets, dns
	roleWeb    role = "web"    // tells mail programs and other servers what they ask the web for
	// roleDirectory holds users and aliases for servers that look there.
	roleDirectory role = "directory"
)

const embedded = "embedded"

// providerRoles says what each provider can be.
var providerRoles = map[string][]role{
	embedded:   {roleMTA, roleStore, roleSigner, roleDNS, roleWeb},
	"rfc2136":  {roleDNS},
	"bind":     {roleDNS},
	"knot":     {roleDNS},
	"zonefile": {roleDNS},
	"powerdns": {roleDNS},
	"postfix":  {roleMTA},
	"sendmail": {roleMTA},
	"dovecot":  {roleStore},
	"cyrus":    {roleStore},
	"ldap":     {roleDirectory},
}

// runs reports whether mailform itself runs the server at a target, and so says
// where it listens. Others are there, and are told only what to serve.
func runs(target string) bool {
	name, _, _ := strings.Cut(target, ".")
	return name == embedded
}

// serviceRoles says which role runs a service.
var serviceRoles = map[string]role{
	"smtp": roleMTA, "submission": roleMTA, "imap": roleStore, "pop3": roleStore, "managesieve": roleStore, "dns": roleDNS,
}

// roles reads which provider has which of the roles that a block needs, and
// which of those that it can make use of.
func (s section) roles(needed []role, useful ...role) (map[role]string, bool) {
	v := s.attr("provider")
	targets, f := v.providers()
	if f == unknown {
		s.e.needKnown(v.rng(), "The provider of "+s.b.addr)
		return nil, false
	}
	have := map[role]string{}
	idle := ""
	for _, t := range targets {
		name, _, _ := strings.Cut(t, ".")
		roles, ok := providerRoles[name]
		if !ok {
			v.errorf("Unknown provider", "There is no provider %q. The providers are: %s.",
				name, strings.Join(slices.Sorted(maps.Keys(providerRoles)), ", "))
			return nil, false
		}
		if strings.Contains(t, ".") && !s.e.declared(t) {
			v.errorf("Unknown provider", "There is no block provider %q with alias = %q.", name, t[len(name)+1:])
			return nil, false
		}
		wanted := false
		for _, r := range slices.Concat(needed, useful) {
			if !slices.Contains(roles, r) {
				continue
			}
			wanted = true
			if other, ok := have[r]; ok {
				v.errorf("Two providers of one role", "%s and %s would both be the %s of %s. Name one of them.", other, t, r, s.b.addr)
				return nil, false
			}
			have[r] = t
		}
		if !wanted && idle == "" {
			idle = t
		}
	}
	for _, r := range needed {
		t, ok := have[r]
		if !ok {
			v.errorf("Role without a provider", "%s needs a provider that can be its %s, and %s cannot. %s can.", s.b.addr, r, strings.Join(targets, ", "), words(able(r), "and"))
			return nil, false
		}
		if s.e.used[t] == nil {
			s.e.used[t] = s.b
		}
	}
	if idle != "" {
		v.errorf("Provider without a role", "%s has no use for %s, which can be %s and nothing else.", s.b.addr, idle, words(providerRoles[providerOf(idle)], "or"))
		return nil, false
	}
	return have, true
}

// able are the providers that can have a role.
func able(r role) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(providerRoles)) {
		if slices.Contains(providerRoles[name], r) {
			names = append(names, name)
		}
	}
	return names
}

// words joins words for a sentence: a, b or c.
func words[T ~string](list []T, and string) string {
	var b strings.Builder
	for i, w := range list {
		switch {
		case i > 0 && i == len(list)-1:
			b.WriteString(" " + and + " ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// providers is a list of targets, embedded where none is named.
func (v value) providers() ([]string, fact) {
	elems, f := v.list()
	switch {
	case f == unknown:
		return nil, unknown
	case f == absent || len(elems) == 0:
		return []string{embedded}, known
	}
	targets := make([]string, 0, len(elems))
	for _, el := range elems {
		t, f := el.str("")
		if f != known {
			return nil, unknown
		}
		targets = append(targets, t)
	}
	return targets, known
}

// declared reports whether a provider block makes a target.
func (e *expander) declared(target string) bool {
	for i := range e.cfg.Providers {
		if e.cfg.Providers[i].Target() == target {
			return true
		}
	}
	return false
}
