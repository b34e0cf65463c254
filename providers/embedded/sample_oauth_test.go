package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func oauthOf(owner string, change attrs) schema.Resource {
	a := attrs{"owner": str(owner), "issuer": str("https://login.example.com"), "audience": list("mail"), "scopes": list(), "username_claim": str("email"),
		"introspection_url": str(""), "client_id": str(""), "client_secret": str(""), "jwks_url": str(""), "ca_file": str("")}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindOAuth, owner, a)
}

func oauths() providertest.Sample {
	return providertest.Sample{
		Good: oauthOf("main", attrs{"introspection_url": str("https://login.example.com/introspect"), "client_id": str("mailform"), "client_secret": str("hunter2")}),
		Changed: attrs{"issuer": str("http://127.0.0.1:8080/"), "audience": list("imap", "mail"), "scopes": list("imap", "openid"), "username_claim": str("upn"),
			"introspection_url": str("https://login.example.com/token"), "client_id": str("mail"), "client_secret": str("hunter3"), "jwks_url": str("https://login.example.com/keys"), "ca_file": str("/etc/ssl/own.pem")},
		Odd: map[string]schema.Resource{"of a server with a dot in its name": oauthOf("o.dd", nil)},
		Refused: map[string][]cty.Value{
			"owner":             {str("")},
			"issuer":            {str(""), str("login.example.com"), str("http://login.example.com")},
			"audience":          {list("mail", "imap")},
			"scopes":            {list("openid", "imap")},
			"username_claim":    {str("")},
			"introspection_url": {str("http://login.example.com")},
			"jwks_url":          {str("keys")},
			"ca_file":           {str("own.pem")},
		},
		Many: many(50, func(i int) schema.Resource { return oauthOf(fmt.Sprintf("many%d", i), nil) }),
	}
}
