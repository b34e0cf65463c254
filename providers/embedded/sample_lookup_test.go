package embedded_test

import (
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func lookup(owner string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "url": str("ldap://127.0.0.1:1"), "start_tls": cty.False, "ca_file": str(""), "bind_dn": str("cn=reader"), "bind_password": str("hush"),
		"users_base": str("ou=people"), "users_filter": str("(objectClass=inetOrgPerson)"),
		"user_address": str("mail"), "user_quota": str("mailformQuota"), "user_protocols": str("mailformProtocol"), "user_mail": str("mailformMail"),
		"aliases_base": str("ou=aliases"), "aliases_filter": str("(objectClass=mailformRoute)"),
		"alias_address": str("mail"), "alias_members": str("mailformMember"), "alias_external": str(""), "alias_keep_copy": str("mailformKeepCopy"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindLookup, owner, a)
}

func lookups() providertest.Sample {
	return providertest.Sample{
		Good: lookup("main", nil),
		Changed: attrs{
			"url": str("ldapi:///"), "ca_file": str("/etc/ssl/ca.pem"), "bind_dn": str("cn=other"), "bind_password": str("hush hush"),
			"users_base": str("dc=example"), "users_filter": str("(&(objectClass=person)(!(a=b)))"),
			"user_address": str("mailLocalAddress"), "user_quota": str(""), "user_protocols": str(""), "user_mail": str(""),
			"aliases_base": str("dc=example"), "aliases_filter": str("(objectClass=groupOfNames)"),
			"alias_address": str("mailLocalAddress"), "alias_members": str("member"), "alias_external": str("rfc822MailMember"), "alias_keep_copy": str(""),
		},
		Odd: map[string]schema.Resource{
			"of a module":         lookup(`module.a.main["x"]`, nil),
			"with names in UTF-8": lookup("utf8", attrs{"users_base": str("ou=Müller, dc=example"), "bind_password": str(`"' \ <&>`)}),
		},
		Refused: map[string][]cty.Value{
			"url":           {str(""), str("http://127.0.0.1"), str("127.0.0.1")},
			"users_base":    {str("")},
			"users_filter":  {str(""), str("(a=b)\n(c=d)")},
			"user_address":  {str(""), str("mail)(x")},
			"user_quota":    {str("a b")},
			"alias_members": {str("member, x")},
		},
	}
}
