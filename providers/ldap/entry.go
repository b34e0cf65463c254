package ldap

import (
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An entry is a mailbox or a route as the directory has it.
type entry struct {
	dn       string
	key      string
	values   map[string][]string // by attribute, in lower case
	attrs    cty.Value
	mark     mark
	revision string
	csn      string // entryCSN; empty where the server has none
}

// get is the values of an attribute.
func (e *entry) get(name string) []string { return e.values[strings.ToLower(name)] }

// addressOf is the address of an entry: the only value of its attribute, or of
// several the one that is known, or else the first. Entries without one that can be
// an address are none of the kind.
func (l *layout) addressOf(values []string, known func(key string) bool) string {
	first := ""
	for _, v := range values {
		key := ""
		if a, err := schema.ParseAddress(v); err == nil {
			key = a.String()
		} else if domain, ok := strings.CutPrefix(v, "@"); ok && l.kind == schema.KindRoute {
			if d, err := schema.ParseDomainName(domain); err == nil {
				key = "@" + d
			}
		}
		switch {
		case key == "":
		case known != nil && known(key):
			return key
		case first == "":
			first = key
		}
	}
	return first
}

// raw is an entry of which nothing is known but its attributes.
func raw(found *goldap.Entry) *entry {
	e := &entry{dn: found.DN, values: make(map[string][]string, len(found.Attributes))}
	for _, a := range found.Attributes {
		e.values[strings.ToLower(a.Name)] = a.Values
	}
	e.csn = first(e.get("entryCSN"))
	return e
}

// read makes an entry of one that a search has found; nil: it has no address.
func (l *layout) read(found *goldap.Entry, known func(key string) bool) *entry {
	e := raw(found)
	if e.key = l.addressOf(e.get(l.names[roleAddress]), known); e.key == "" {
		return nil
	}
	e.revision = e.csn
	e.mark = parseMark(e.get(l.names[roleOwner]))
	if e.csn == "" {
		e.revision = first(e.get("entryUUID")) + "/" + first(e.get("modifyTimestamp")) + "/" + schema.Fingerprint(strings.Join(l.contents(e), "\x00"))
	}
	if l.kind == schema.KindMailbox {
		e.attrs = l.mailbox(e)
	} else {
		e.attrs = l.route(e)
	}
	return e
}

// contents are all the values of what we know of an entry.
func (l *layout) contents(e *entry) []string {
	var all []string
	for _, name := range l.seen() {
		all = append(append(all, name), slices.Sorted(slices.Values(e.get(name)))...)
	}
	return all
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// role is the values of the attribute that has a role; none where nothing has it.
func (l *layout) role(e *entry, role string) []string {
	if name := l.names[role]; name != "" {
		return e.get(name)
	}
	return nil
}

const (
	mailEnabled  = "enabled"
	noProtocols  = "none"
	typeAlias    = "alias"
	typeCatchAll = "catch_all"
)

// allProtocols are those of a user of whom the directory says nothing.
var allProtocols = []string{"imap", "pop3"}

func (l *layout) mailbox(e *entry) cty.Value {
	hashes := make([]string, 0, 1)
	for _, v := range l.role(e, rolePassword) {
		hashes = append(hashes, declared(v))
	}
	protocols := allProtocols
	if words := l.role(e, roleProtocols); len(words) > 0 {
		protocols = nil
		for _, w := range lower(words) {
			if w != noProtocols {
				protocols = append(protocols, w)
			}
		}
	}
	mail := mailEnabled
	if v := l.role(e, roleMail); len(v) > 0 {
		mail = strings.ToLower(v[0])
	}
	return schema.KindByName(schema.KindMailbox).Object(map[string]cty.Value{
		"address": cty.StringVal(e.key), "password_hash": schema.StringList(hashes), "quota": number(l.role(e, roleQuota)),
		"protocols": schema.StringList(protocols), "mail": cty.StringVal(mail),
		"sieve": cty.NullVal(cty.String), "messages": nothing, "bytes": nothing,
	})
}

// nothing is the count of messages: the mail is elsewhere.
var nothing = cty.NullVal(cty.Number)

// number is a quota: 0 where there is none, and null where it is no number, which
// somebody else has written.
func number(values []string) cty.Value {
	if len(values) == 0 {
		return cty.NumberIntVal(0)
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return cty.NullVal(cty.Number)
	}
	return cty.NumberUIntVal(n)
}

func (l *layout) route(e *entry) cty.Value {
	typ := typeAlias
	if e.key[0] == '@' {
		typ = typeCatchAll
	}
	if v := l.role(e, roleType); len(v) > 0 {
		typ = strings.ToLower(v[0])
	}
	members := l.role(e, roleMembers)
	if l.groups {
		members = l.members.addresses(members)
	}
	for _, m := range l.role(e, roleExternal) {
		if !containsFold(members, m) {
			members = append(members, m)
		}
	}
	return schema.KindByName(schema.KindRoute).Object(map[string]cty.Value{
		"address": cty.StringVal(e.key), "type": cty.StringVal(typ),
		"members":   schema.StringList(lower(members)),
		"keep_copy": cty.BoolVal(strings.EqualFold(first(l.role(e, roleKeepCopy)), "TRUE")),
	})
}

// lower is words in lower case, sorted.
func lower(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ToLower(w)
	}
	slices.Sort(out)
	return out
}

// observed is an entry as a lineage sees it.
func (e *entry) observed(kind, lineage string) providers.Observed {
	o := providers.Observed{Kind: kind, Key: e.key, Attrs: e.attrs, Origin: e.mark.address, Revision: e.revision}
	if lineage != "" && e.mark.lineage == lineage {
		o.Owner = e.mark.address
	}
	return o
}

// A mark says which block of which state an entry was made for.
type mark struct{ lineage, address string }

// markPrefix begins the value that is a mark, so that it may stand beside values
// of others.
const markPrefix = "mailform: "

func (m mark) String() string { return markPrefix + m.lineage + " " + m.address }

// isMark reports whether a value is a mark. Directories compare without regard to
// how many spaces there are, and some keep it so.
func isMark(value string) bool { return strings.HasPrefix(value, markPrefix) }

func parseMark(values []string) mark {
	for _, v := range values {
		if rest, ok := strings.CutPrefix(v, markPrefix); ok {
			lineage, address, _ := strings.Cut(rest, " ")
			return mark{lineage, address}
		}
	}
	return mark{}
}
