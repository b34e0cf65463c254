package providertest

import (
	"maps"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// LookupURL is the URL of the directory of [Lookup].
const LookupURL = "ldap://127.0.0.1:389"

// Lookup makes the resource of a server's directory, with some attributes as given.
func Lookup(change map[string]cty.Value) schema.Resource {
	l := schema.Lookup{
		Owner: "main", URL: LookupURL, BindDN: "cn=reader,dc=example,dc=com", BindPassword: "S3cret-of-the-reader",
		UsersBase: "ou=people,dc=example,dc=com", UsersFilter: "(objectClass=inetOrgPerson)",
		UserAddress: "mail", UserQuota: "mailformQuota", UserProtocols: "mailformProtocol", UserMail: "mailformMail",
		AliasesBase: "ou=aliases,dc=example,dc=com", AliasesFilter: "(objectClass=mailformRoute)",
		AliasAddress: "mail", AliasMembers: "mailformMember", AliasKeepCopy: "mailformKeepCopy",
	}
	attrs := l.Attrs()
	maps.Copy(attrs, change)
	return Resource(schema.KindLookup, l.Owner, attrs)
}

// LookupSample is the sample of a server that finds its users in a directory. What is
// asked of the directory is tried with one that answers, elsewhere.
func LookupSample(needs ...schema.Resource) Sample {
	str := cty.StringVal
	return Sample{
		Needs: needs,
		Good:  Lookup(nil),
		Changed: map[string]cty.Value{
			"url": str("ldaps://ldap.example.com:636"), "ca_file": str("/etc/ssl/ca.pem"), "bind_dn": str("cn=other,dc=example,dc=com"), "bind_password": str("An0ther"),
			"users_base": str("ou=staff,dc=example,dc=com"), "user_mail": str(""), "aliases_filter": str("(&(objectClass=mailGroup)(!(o=none)))"), "alias_members": str("rfc822MailMember"),
		},
		Alike: []string{"users_filter", "user_address", "user_quota", "user_protocols", "aliases_base", "alias_address", "alias_external", "alias_keep_copy"},
		Odd: map[string]schema.Resource{
			"everything is called otherwise": Lookup(map[string]cty.Value{
				"users_filter": str("(objectClass=person)"), "user_address": str("mailLocalAddress"), "user_quota": str("quotaBytes"), "user_protocols": str("allowedService"),
				"aliases_base": str("ou=lists,dc=example,dc=com"), "alias_address": str("mailLocalAddress"), "alias_keep_copy": str("keepCopy")}),
			"no quota, no protocols":         Lookup(map[string]cty.Value{"user_quota": str(""), "user_protocols": str(""), "alias_keep_copy": str("")}),
			"a directory without aliases":    Lookup(map[string]cty.Value{"alias_members": str(""), "alias_address": str("")}),
			"nobody asks":                    Lookup(map[string]cty.Value{"bind_dn": str(""), "bind_password": str("")}),
			"a socket":                       Lookup(map[string]cty.Value{"url": str("ldapi://%2Frun%2Fslapd%2Fldapi")}),
			"names of entries as members":    Lookup(map[string]cty.Value{"alias_members": str("member"), "alias_external": str("mailformMember")}),
			"a password with odd characters": Lookup(map[string]cty.Value{"bind_password": str(`p%s "q" #'\{}`)}),
			"a base and a filter that look like variables": Lookup(map[string]cty.Value{
				"users_base": str("ou=100%u,dc=example,dc=com"), "users_filter": str("(cn=%s*)"), "aliases_filter": str("(cn=%d)")}),
		},
		Refused: map[string][]cty.Value{
			"url":           {str(""), str("http://127.0.0.1"), str("ldap://a b")},
			"bind_password": {str("two\nlines")},
			"users_base":    {str(""), str("ou=a\ndc=b")},
			"users_filter":  {str("")},
			"user_address":  {str(""), str("mail)(uid=*")},
			"alias_members": {str("a b")},
		},
	}
}
