package ldap

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Roles of attributes: what an attribute of an entry says.
const (
	roleAddress   = "address"
	rolePassword  = "password"
	roleQuota     = "quota"
	roleProtocols = "protocols"
	roleMail      = "mail"
	roleMembers   = "members"
	roleExternal  = "external"
	roleType      = "type"
	roleKeepCopy  = "keep_copy"
	roleOwner     = "owner"
)

// A standard says how entries of a kind are held where the block does not say.
type standard struct {
	kind, block string
	classes     []string
	rdn         string
	// plain attributes are those of schemas that every server has.
	plain map[string]string
	// ours are those of mailform's own schema, which belong to the class aux, which
	// any entry can have, and to the class whole, if there is one.
	ours       map[string]string
	aux, whole string
	// some are roles that attributes have only where a block names them, or where
	// members are entries.
	some []string
	// further attributes that new entries have.
	further map[string]string
}

var standards = []standard{
	{
		kind: schema.KindMailbox, block: "users", classes: []string{"inetOrgPerson"}, rdn: "uid={address}",
		plain:   map[string]string{roleAddress: "mail", rolePassword: "userPassword"},
		ours:    map[string]string{roleQuota: "mailformQuota", roleProtocols: "mailformProtocol", roleMail: "mailformMail", roleOwner: "mailformOwner"},
		aux:     "mailformAccount",
		further: map[string]string{"cn": "{address}", "sn": "{local}"},
	},
	{
		kind: schema.KindRoute, block: "aliases", classes: []string{"mailformRoute"}, rdn: "cn={address}",
		plain: map[string]string{roleAddress: "mail"},
		ours:  map[string]string{roleMembers: "mailformMember", roleType: "mailformRouteType", roleKeepCopy: "mailformKeepCopy", roleOwner: "mailformOwner"},
		aux:   "mailformGroup", whole: "mailformRoute", some: []string{roleExternal},
	},
}

// A mapping is how a provider block says that entries of a kind are held.
type mapping struct {
	*standard
	base    string // empty: that of the block around
	classes []string
	filter  string // empty, or one in parentheses
	rdn     template
	// named are the attributes that the block names, by role. An empty one: there is
	// none.
	named map[string]string
	// further attributes that new entries have, sorted by name.
	further []template
}

// A template is an attribute with a value that has placeholders.
type template struct{ attribute, value string }

// fill puts an address in the place of the placeholders.
func (t template) fill(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	return strings.NewReplacer("{address}", address, "{local}", local, "{domain}", domain).Replace(t.value)
}

// parseMapping reads a block users or aliases; null: it is left out.
func parseMapping(s *standard, block cty.Value) (*mapping, error) {
	m := &mapping{standard: s, base: text(block, "base"), classes: texts(block, "object_classes"), named: words(block, "attributes")}
	if len(m.classes) == 0 {
		m.classes = s.classes
	}
	for _, c := range m.classes {
		if !isName(c) {
			return nil, fmt.Errorf("object_classes: %q is no name of a class", c)
		}
	}
	if _, err := goldap.ParseDN(m.base); err != nil {
		return nil, fmt.Errorf("base: %q is no name of an entry", m.base)
	}
	if m.filter = text(block, "filter"); m.filter != "" {
		if _, err := goldap.CompileFilter(m.filter); err != nil {
			return nil, fmt.Errorf("filter: %q is no filter (RFC 4515): it has to be as (employeeType=staff) or (!(employeeType=robot))", m.filter)
		}
	}
	var err error
	if m.rdn, err = parseTemplate(cmp.Or(text(block, "rdn"), s.rdn)); err != nil {
		return nil, fmt.Errorf("rdn: %w", err)
	}
	if !strings.Contains(m.rdn.value, "{address}") && !strings.Contains(m.rdn.value, "{local}") {
		return nil, errors.New("rdn: it holds neither {address} nor {local}, so that all entries would have one name")
	}
	roles := append(slices.Sorted(maps.Keys(s.roles())), s.some...)
	for _, role := range slices.Sorted(maps.Keys(m.named)) {
		if !slices.Contains(roles, role) {
			return nil, fmt.Errorf("attributes: there is no %q. %s", role, meant(role, roles))
		}
		if a := m.named[role]; a != "" && !isName(a) {
			return nil, fmt.Errorf("attributes: %s: %q is no name of an attribute", role, a)
		}
	}
	of := map[string]string{}
	for _, role := range roles {
		a, ok := m.named[role]
		if !ok {
			a = s.roles()[role]
		}
		if other := of[strings.ToLower(a)]; a != "" && other != "" {
			return nil, fmt.Errorf("attributes: %s would hold both %s and %s", a, other, role)
		}
		of[strings.ToLower(a)] = role
	}
	if a, ok := m.named[roleAddress]; ok && a == "" {
		return nil, errors.New("attributes: address cannot be empty: entries are found by it")
	}
	further := maps.Clone(s.further)
	if own := words(block, "new"); own != nil {
		further = own
	}
	for _, name := range slices.Sorted(maps.Keys(further)) {
		if !isName(name) {
			return nil, fmt.Errorf("new: %q is no name of an attribute", name)
		}
		if further[name] == "" {
			continue
		}
		t, err := parseTemplate(name + "=" + further[name])
		if err != nil {
			return nil, fmt.Errorf("new: %s: %w", name, err)
		}
		m.further = append(m.further, t)
	}
	return m, nil
}

// roles are all that attributes of such an entry can say.
func (s *standard) roles() map[string]string {
	all := maps.Clone(s.plain)
	maps.Copy(all, s.ours)
	return all
}

// parseTemplate reads an attribute, an equals sign, and a value with placeholders.
func parseTemplate(s string) (template, error) {
	name, value, ok := strings.Cut(s, "=")
	switch {
	case !ok:
		return template{}, fmt.Errorf("%q has to be an attribute, = and a value: uid={address}", s)
	case !isName(name):
		return template{}, fmt.Errorf("%q is no name of an attribute", name)
	case value == "":
		return template{}, errors.New("there is no value behind the =")
	}
	if rest := (template{value: value}).fill(""); strings.ContainsAny(rest, "{}") {
		return template{}, fmt.Errorf("%q: in braces there can be {address}, {local} and {domain}", value)
	}
	return template{name, value}, nil
}

// isName reports whether a text can be the name of an attribute or a class
// (RFC 4512 §1.4): a word, or an OID.
func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case c >= '0' && c <= '9', (c == '-' || c == '.') && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// meant is the end of a message about a word that is none of some.
func meant(given string, words []string) string {
	if near := schema.Suggest(given, words); near != "" {
		return fmt.Sprintf("Did you mean %q", near)
	}
	return "There are " + strings.Join(words, ", ")
}

// A layout is how entries of a kind are held at one server: a mapping with what
// that server's schema has.
type layout struct {
	*mapping
	base    string
	classes []string          // of new entries
	names   map[string]string // attributes by role; a role without one is not held
	// groups is set where the members of a route are entries, and members says which.
	groups  bool
	members *people
	// hasCSN is set for a server that numbers the versions of its entries.
	hasCSN bool
	// missing says what it is that keeps the kind from being held at all; nil: it is.
	missing error
}

// layoutFor makes of a mapping what a server can hold. An attribute or a class that
// the block names has to be there; of those of mailform's schema, what is there is
// used.
func (m *mapping) layoutFor(base string, has *subschema) (*layout, error) {
	l := &layout{mapping: m, base: cmp.Or(m.base, base), classes: slices.Clone(m.classes), names: map[string]string{}, hasCSN: has.attributes["entrycsn"]}
	if l.base == "" {
		return nil, fmt.Errorf("base: the server has no single tree to begin at; give the name of an entry as base, or in the block %s", m.block)
	}
	for _, role := range slices.Sorted(maps.Keys(m.named)) {
		if a := m.named[role]; a != "" {
			if !has.attribute(a) {
				return nil, fmt.Errorf("%s: attributes: the server's schema has no attribute %s for %s", m.block, a, role)
			}
			l.names[role] = a
		}
	}
	whole := m.whole != "" && slices.Contains(m.classes, m.whole) && has.class(m.whole)
	ours := has.class(m.aux) || whole
	for role, a := range m.roles() {
		_, named := m.named[role]
		_, plain := m.plain[role]
		if !named && (plain || ours) && has.attribute(a) {
			l.names[role] = a
		}
	}
	l.groups = m.kind == schema.KindRoute && has.isDN(l.names[roleMembers])
	if _, named := m.named[roleExternal]; l.groups && !named && ours {
		l.names[roleExternal] = m.ours[roleMembers]
	}
	// The class that allows our attributes, where one of them is used.
	for _, a := range l.names {
		if ours && !whole && strings.HasPrefix(a, "mailform") && !slices.Contains(l.classes, m.aux) {
			l.classes = append(l.classes, m.aux)
		}
	}
	for _, c := range m.classes {
		if !has.class(c) {
			l.missing = fmt.Errorf("the schema of the directory has no object class %s: load mailform's schema into it (docs/ldap/mailform.ldif), or say in the block %s of the provider which classes and attributes it has for that", c, m.block)
		}
	}
	for _, role := range []string{roleAddress, roleMembers} {
		if _, ok := m.roles()[role]; ok && l.names[role] == "" && l.missing == nil {
			l.missing = fmt.Errorf("the directory has no attribute for %s: name one in attributes, in the block %s of the provider", role, m.block)
		}
	}
	return l, nil
}

// maxRDN is how many octets the value in an entry's name may have: OpenLDAP's
// database has room for about 240.
const maxRDN = 200

// rdnValue is the value in the name of a new entry. One that is too long ends with a
// digest of the whole.
func (l *layout) rdnValue(address string) string {
	v := l.rdn.fill(address)
	if len(v) <= maxRDN {
		return v
	}
	sum := sha256.Sum256([]byte(v))
	return strings.ToValidUTF8(v[:maxRDN-33], "") + "~" + hex.EncodeToString(sum[:16])
}

// dn is the name of a new entry. Whatever the address holds, it is one name right
// below the base.
func (l *layout) dn(address string) string {
	return l.rdn.attribute + "=" + goldap.EscapeDN(l.rdnValue(address)) + "," + l.base
}

// equals is a filter for one value of an attribute.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + goldap.EscapeFilter(value) + ")"
}

// all is the filter of the entries of a kind, or of those with some addresses.
func (l *layout) all(addresses []string) string {
	var b strings.Builder
	b.WriteString("(&" + equals("objectClass", l.mapping.classes[0]) + l.filter)
	switch len(addresses) {
	case 0:
		b.WriteString("(" + l.names[roleAddress] + "=*)")
	case 1:
		b.WriteString(equals(l.names[roleAddress], addresses[0]))
	default:
		b.WriteString("(|")
		for _, a := range addresses {
			b.WriteString(equals(l.names[roleAddress], a))
		}
		b.WriteByte(')')
	}
	b.WriteByte(')')
	return b.String()
}

// operational are the attributes that tell one version of an entry from another.
func (l *layout) operational() []string {
	if l.hasCSN {
		return []string{"entryCSN"}
	}
	return []string{"entryCSN", "entryUUID", "modifyTimestamp"}
}

// asked are the attributes that a search asks for before an entry is changed.
func (l *layout) asked() []string { return append(l.seen(), "objectClass") }

// seen are those of them that a plan is made of.
func (l *layout) seen() []string {
	out := l.operational()
	for _, role := range slices.Sorted(maps.Keys(l.names)) {
		out = append(out, l.names[role])
	}
	return out
}

// text is an argument of a block; empty where it has none.
func text(block cty.Value, name string) string {
	if block == cty.NilVal || block.IsNull() || !block.Type().HasAttribute(name) {
		return ""
	}
	v := block.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// texts are the elements of an argument that is a list.
func texts(block cty.Value, name string) []string {
	if block == cty.NilVal || block.IsNull() || !block.Type().HasAttribute(name) {
		return nil
	}
	v := block.GetAttr(name)
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return nil
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		if !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out
}

// words are the elements of an argument that is a map of strings; nil where it is
// left out.
func words(block cty.Value, name string) map[string]string {
	if block == cty.NilVal || block.IsNull() || !block.Type().HasAttribute(name) {
		return nil
	}
	v := block.GetAttr(name)
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return nil
	}
	out := map[string]string{}
	for key, e := range v.AsValueMap() {
		if !e.IsNull() && e.Type() == cty.String {
			out[key] = e.AsString()
		} else {
			out[key] = ""
		}
	}
	return out
}
