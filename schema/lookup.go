package schema

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A Lookup is what of a directory a mail server asks for: the attributes of the
// kind, in Go.
type Lookup struct {
	Owner         string
	Server        LDAPServer
	URL           string
	StartTLS      bool
	CAFile        string
	BindDN        string
	BindPassword  string
	UsersBase     string
	UsersFilter   string
	UserAddress   string
	UserQuota     string
	UserProtocols string
	UserMail      string
	AliasesBase   string
	AliasesFilter string
	AliasAddress  string
	AliasMembers  string
	AliasExternal string
	AliasKeepCopy string
}

// texts are the attributes of the kind that are texts, with their places.
func (l *Lookup) texts() map[string]*string {
	return map[string]*string{
		"owner": &l.Owner, "url": &l.URL, "ca_file": &l.CAFile, "bind_dn": &l.BindDN, "bind_password": &l.BindPassword,
		"users_base": &l.UsersBase, "users_filter": &l.UsersFilter,
		"user_address": &l.UserAddress, "user_quota": &l.UserQuota, "user_protocols": &l.UserProtocols, "user_mail": &l.UserMail,
		"aliases_base": &l.AliasesBase, "aliases_filter": &l.AliasesFilter,
		"alias_address": &l.AliasAddress, "alias_members": &l.AliasMembers, "alias_external": &l.AliasExternal, "alias_keep_copy": &l.AliasKeepCopy,
	}
}

// ReadLookup reads the attributes of a resource, all of which are known. The error
// begins with the name of the attribute, and shows no value of one.
func ReadLookup(attrs cty.Value) (Lookup, error) {
	var l Lookup
	attrs, _ = attrs.UnmarkDeep()
	for name, at := range l.texts() {
		v := attrs.GetAttr(name)
		if v.IsNull() || !v.IsKnown() {
			return l, fmt.Errorf("%s: it has no value", name)
		}
		if *at = v.AsString(); strings.ContainsAny(*at, "\n\r\x00") {
			return l, fmt.Errorf("%s: it holds a line break", name)
		}
	}
	tls := attrs.GetAttr("start_tls")
	if tls.IsNull() || !tls.IsKnown() {
		return l, fmt.Errorf("start_tls: it has no value")
	}
	l.StartTLS = tls.True()
	var err error
	if l.Server, err = ParseLDAP(l.URL); err != nil {
		return l, fmt.Errorf("url: %w", err)
	}
	for name, value := range map[string]string{
		"user_address": l.UserAddress, "users_base": l.UsersBase, "users_filter": l.UsersFilter,
	} {
		if value == "" {
			return l, fmt.Errorf("%s: it is empty", name)
		}
	}
	for name, at := range l.texts() {
		if (strings.HasPrefix(name, "user_") || strings.HasPrefix(name, "alias_")) && strings.Trim(*at, ldapName) != "" {
			return l, fmt.Errorf("%s: %q is no name of an attribute", name, *at)
		}
	}
	return l, nil
}

// ldapName are the characters of names of attributes (RFC 4512 §1.4).
const ldapName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

// Attrs is the reverse of [ReadLookup].
func (l Lookup) Attrs() map[string]cty.Value {
	attrs := map[string]cty.Value{"start_tls": cty.BoolVal(l.StartTLS)}
	for name, at := range l.texts() {
		attrs[name] = cty.StringVal(*at)
	}
	return attrs
}

// Users is a filter of users who are not disabled, whom what is given holds for too.
func (l *Lookup) Users(conditions ...string) string {
	if l.UserMail != "" {
		conditions = append(conditions, "(!("+l.UserMail+"=disabled))")
	}
	return "(&" + l.UsersFilter + strings.Join(conditions, "") + ")"
}

// HasAliases reports whether the directory can hold aliases at all.
func (l *Lookup) HasAliases() bool { return l.AliasMembers != "" && l.AliasAddress != "" }

// Groups reports whether members are names of entries.
func (l *Lookup) Groups() bool { return l.AliasExternal != "" || namesEntries(l.AliasMembers) }

// namesEntries reports whether the values of an attribute are names of entries, of
// those that are known everywhere.
func namesEntries(attribute string) bool {
	return strings.EqualFold(attribute, "member") || strings.EqualFold(attribute, "uniqueMember")
}

// ExternalMembers is the attribute with the members that are addresses, for one that
// has the members, where the block of the provider does not name it.
func ExternalMembers(members string) string {
	if namesEntries(members) {
		return "mailformMember"
	}
	return ""
}

// DirectoryAttributes are the attributes that users and aliases of a directory have
// where the block of its provider does not name them.
func DirectoryAttributes() (users, aliases map[string]string) {
	return map[string]string{"address": "mail", "password": "userPassword", "quota": "mailformQuota", "protocols": "mailformProtocol", "mail": "mailformMail", "owner": "mailformOwner"},
		map[string]string{"address": "mail", "members": "mailformMember", "type": "mailformRouteType", "keep_copy": "mailformKeepCopy", "owner": "mailformOwner"}
}
