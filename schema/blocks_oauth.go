package schema

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// oauthBlock says whose tokens users may log in with.
var oauthBlock = NestedBlock{Type: "oauth",
	Doc: "An authorization server (OAuth 2.0, OpenID Connect) whose access tokens users can log in with, by OAUTHBEARER (RFC 7628) and XOAUTH2, at submission, IMAP, POP3 and ManageSieve. " +
		"With `introspection_url` it is asked about each token (RFC 7662); without, tokens are JWTs (RFC 9068) that are checked with its public keys. Left out: users log in with passwords alone. See [tokens](../mail-server.md#tokens).",
	Attributes: []Attribute{
		{Name: "issuer", Sets: []string{"oauth.issuer"}, Type: cty.String, Required: true, Form: FormURL,
			Doc: "The authorization server, exactly as its tokens name it by `iss`. Its description is at this URL and `/.well-known/openid-configuration`."},
		{Name: "audience", Sets: []string{"oauth.audience"}, Type: cty.List(cty.String), OrOne: true, NonEmpty: true,
			Doc: "Names of this service there: a token has to be for one of them (`aud`). May be left out with `introspection_url` alone: the authorization server then decides by `client_id` whom it answers."},
		{Name: "scopes", Sets: []string{"oauth.scopes"}, Type: cty.List(cty.String), OrOne: true,
			Doc: "Scopes that a token has to have, all of them. Left out: none."},
		{Name: "username_claim", Sets: []string{"oauth.username_claim"}, Type: cty.String, Default: cty.StringVal("email"),
			Doc: "What of a token is the address of the user. An `email` that the authorization server says is not verified lets nobody in."},
		{Name: "introspection_url", Sets: []string{"oauth.introspection_url"}, Type: cty.String, Form: FormURL,
			Doc: "Where the authorization server tells of a token. A token that it takes back is good for a minute more at most. Left out: it is not asked, and a token is good until its end."},
		{Name: "client_id", Sets: []string{"oauth.client_id"}, Type: cty.String,
			Doc: "What this service is to the authorization server that it asks."},
		{Name: "client_secret", Sets: []string{"oauth.client_secret"}, Type: cty.String, Sensitive: true,
			Doc: "Its secret. The daemon keeps it in its data directory."},
		{Name: "jwks_url", Sets: []string{"oauth.jwks_url"}, Type: cty.String, Form: FormURL,
			Doc: "Where the public keys of the authorization server are (RFC 7517). Left out: where its description says."},
		{Name: "ca_file", Sets: []string{"oauth.ca_file"}, Type: cty.String, Form: FormPath,
			Doc: "PEM file with the certificates of the authorities that the authorization server has its certificate of. Left out: those that the system trusts. A relative path starts from the directory of the configuration."},
	}}

var oauthAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "issuer", Type: cty.String, Doc: "The authorization server, as tokens name it."},
	{Name: "audience", Type: cty.List(cty.String), Doc: "Of whom a token has to be for one; empty: for anybody. Sorted."},
	{Name: "scopes", Type: cty.List(cty.String), Doc: "Scopes that a token has to have. Sorted."},
	{Name: "username_claim", Type: cty.String, Doc: "What of a token is the address of the user."},
	{Name: "introspection_url", Type: cty.String, Doc: "Where the authorization server tells of a token; empty: tokens are JWTs."},
	{Name: "client_id", Type: cty.String, Doc: "What the server is there; empty: nobody."},
	{Name: "client_secret", Type: cty.String, Sensitive: true, Doc: "Its secret."},
	{Name: "jwks_url", Type: cty.String, Doc: "Where the public keys are; empty: where the issuer says."},
	{Name: "ca_file", Type: cty.String, Doc: "PEM file with the authorities of the authorization server; empty: those of the system."},
}

// ParseServiceURL reads the URL of a service that is asked something: by TLS, or on
// this machine.
func ParseServiceURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return "", errors.New("it is no URL of a server")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	here := err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return "", errors.New("it does not begin with https://, which only one on this machine need not")
	}
	return s, nil
}

// ParseHTTPS reads the URL of something on the web that everybody can fetch.
func ParseHTTPS(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return "", errors.New("it is no URL of something on the web")
	case u.Scheme != "https":
		return "", errors.New("it does not begin with https://")
	case strings.ContainsAny(s, " ;,"):
		return "", errors.New("it has a character that has to be written as %20, %3B or %2C")
	}
	return s, nil
}
