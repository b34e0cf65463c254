package schema

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// FormLDAP is where a directory server listens.
var FormLDAP = stringForm("an LDAP URL",
	"`ldap://ldap.example.com`, `ldaps://ldap.example.com` for TLS from the first byte, or `ldapi://` with the path of a socket, each `/` of it as `%2F` (`ldapi:///` is `/var/run/slapd/ldapi`).", ParseLDAP)

// A LDAPServer is where a directory server listens.
type LDAPServer struct {
	Scheme  string // "ldap", "ldaps" or "ldapi"
	Address string // host:port, or the path of a socket
	Host    string // that its certificate is for; empty for a socket
}

// ParseLDAP reads the URL of a directory server. What to look for there (RFC 4516)
// is not part of it.
func ParseLDAP(s string) (LDAPServer, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !slices.Contains([]string{"ldap", "ldaps", "ldapi"}, scheme) {
		return LDAPServer{}, errors.New("it has to begin with ldap://, ldaps:// or ldapi://")
	}
	rest, ok = strings.CutSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#") {
		if scheme == "ldapi" {
			return LDAPServer{}, errors.New("each / in the path of the socket is written as %2F")
		}
		return LDAPServer{}, errors.New("it ends with the host and the port: the entry to begin at is base")
	}
	if scheme == "ldapi" {
		path, err := url.PathUnescape(rest)
		switch {
		case err != nil:
			return LDAPServer{}, errors.New("it is no URL")
		case path == "" && !ok:
			return LDAPServer{}, errors.New("it names no socket")
		case path == "":
			path = "/var/run/slapd/ldapi"
		case path[0] != '/' || strings.ContainsRune(path, 0):
			return LDAPServer{}, errors.New("the path of the socket has to be absolute")
		}
		return LDAPServer{Scheme: scheme, Address: path}, nil
	}
	if strings.Contains(rest, "@") {
		return LDAPServer{}, errors.New("it holds a user name or password, which has no place there")
	}
	port := map[string]string{"ldap": "389", "ldaps": "636"}[scheme]
	u, err := url.Parse("ldap://" + rest)
	if err != nil || u.Hostname() == "" {
		return LDAPServer{}, errors.New("it names no host")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	address, err := ParseHostPort(host + ":" + port)
	if err != nil {
		return LDAPServer{}, err
	}
	return LDAPServer{Scheme: scheme, Address: address, Host: u.Hostname()}, nil
}

// Words that a directory's attributes are mapped by.
var (
	LDAPUserAttributes  = []string{"address", "password", "quota", "protocols", "mail", "owner"}
	LDAPAliasAttributes = []string{"address", "members", "type", "keep_copy", "owner"}
)

var ldapProvider = &BlockType{
	Type:  "provider",
	Label: "ldap",
	Doc: "A directory: OpenLDAP, and what else speaks LDAP (RFC 4511). It holds users and their aliases. They are read by paged searches, and each entry is " +
		"changed by one request, which the server carries out only if the entry still is as the plan saw it. Attributes that mailform does not know are left alone. " +
		"See [directories](../directories.md).",
	Example: `provider "ldap" {
  url           = "ldap://ldap.example.com"
  start_tls     = true
  bind_dn       = "cn=mailform,dc=example,dc=com"
  bind_password = var.ldap_password

  users {
    base = "ou=people,dc=example,dc=com"
  }

  aliases {
    base = "ou=aliases,dc=example,dc=com"
  }
}`,
	Attributes: append([]Attribute{aliasAttribute}, ldapArguments...),
	Blocks: []NestedBlock{
		{Type: "read", Doc: "Credentials that can do no more than read. With them a plan can be made without those that write. Left out: the others are used.",
			Attributes: []Attribute{
				{Name: "bind_dn", Type: cty.String, Required: true, Doc: "Who reads, as an entry's name."},
				{Name: "bind_password", Type: cty.String, Required: true, Sensitive: true, Doc: "Password of that entry. It is stored nowhere."},
			}},
		ldapEntries("users", "Which entries are users, and which of their attributes say what. Left out: entries of the class `inetOrgPerson` that have a mail address, below `base`.",
			"`address`, `password`, `quota` (bytes), `protocols` (`imap`, `pop3`, `none`), `mail` (`enabled`, `disabled`, `forward`), and `owner`, which remembers the block",
			"`mail`, `userPassword`, and where the server has [mailform's schema](../directories.md#the-schema) `mailformQuota`, `mailformProtocol`, `mailformMail`, `mailformOwner`",
			stringList("inetOrgPerson"), "uid={address}", "`{ cn = \"{address}\", sn = \"{local}\" }`"),
		ldapEntries("aliases", "Which entries are aliases, forwards and catch-all addresses, and which of their attributes say what. Left out: entries of the class `mailformRoute` of [mailform's schema](../directories.md#the-schema), below `base`.",
			"`address`, `members` (addresses, or the entries of users where the attribute holds names of entries), `external` (then, members that are no users of the directory), `type` (`alias`, `forward`, `catch_all`), `keep_copy` (`TRUE`, `FALSE`), and `owner`, which remembers the block",
			"`mail`, `mailformMember` (also for `external`), `mailformRouteType`, `mailformKeepCopy`, `mailformOwner`",
			stringList("mailformRoute"), "cn={address}", "none"),
	},
	Holds: []Holding{
		{Attribute: "mailbox.address", As: "`mail`"},
		{Attribute: "mailbox.password_hash", As: "`userPassword`, with the scheme in braces: `{ARGON2}`, `{CRYPT}`, `{PBKDF2-SHA256}`, `{PBKDF2-SHA512}`; SCRAM verifiers as they are"},
		{Attribute: "mailbox.quota", As: "`mailformQuota`, absent for no limit"},
		{Attribute: "mailbox.protocols", As: "`mailformProtocol`, absent for all, `none` for none"},
		{Attribute: "mailbox.mail", As: "`mailformMail`, absent for `enabled`"},
		{Attribute: "mailbox.sieve", As: "no script", Refuses: refuseScript},
		{Attribute: "mailbox.messages", As: "not known: the mail is elsewhere"},
		{Attribute: "mailbox.bytes", As: "not known: the mail is elsewhere"},
		{Attribute: "route.address", As: "`mail`"},
		{Attribute: "route.type", As: "`mailformRouteType`, absent for an alias, and for a catch-all, whose address begins with `@`"},
		{Attribute: "route.members", As: "`mailformMember`"},
		{Attribute: "route.keep_copy", As: "`mailformKeepCopy`, absent for `false`"},
	},
}

// ldapArguments say where a directory server is.
var ldapArguments = []Attribute{
	{Name: "url", Type: cty.String, Required: true, Form: FormLDAP,
		Doc: "Where the server listens. The one that takes changes, where there are several."},
	{Name: "start_tls", Type: cty.Bool, Default: cty.False,
		Doc: "Whether TLS is begun before anything else is said (RFC 4511 §4.14). Without it, `ldap://` sends passwords in clear text."},
	{Name: "ca_file", Type: cty.String, Form: FormPath,
		Doc: "PEM file with the authorities that are believed. A relative path starts from the directory of the configuration. Left out: those of the machine."},
	{Name: "bind_dn", Type: cty.String,
		Doc: "Who asks, as an entry's name: `cn=mailform,dc=example,dc=com`. Left out: nobody (anonymous), or with `ldapi://` the user that mailform runs as (SASL EXTERNAL)."},
	{Name: "bind_password", Type: cty.String, Sensitive: true,
		Doc: "Password of that entry. It is stored nowhere."},
	{Name: "base", Type: cty.String,
		Doc: "Name of the entry below which everything is: `dc=example,dc=com`. Left out: what the server says it has, if that is one tree."},
	{Name: "timeout", Type: cty.String, Default: cty.StringVal("30s"), Form: FormDuration,
		Doc: "How long the server may take to answer a request."},
	{Name: "page_size", Type: cty.Number, Default: cty.NumberIntVal(1000), Form: integer(1, 100000),
		Doc: "How many entries are asked for at once (RFC 2696)."},
}

func ldapEntries(name, doc, what, names string, classes cty.Value, rdn, further string) NestedBlock {
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "base", Type: cty.String,
			Doc: "Name of the entry below which they are looked for, at whatever depth, and right below which new ones are made. It has to be there. Left out: `base` of the block around."},
		{Name: "object_classes", Type: cty.List(cty.String), NonEmpty: true, Default: classes,
			Doc: "Classes that new entries have. What has the first of them, and an address, is one of these entries."},
		{Name: "filter", Type: cty.String,
			Doc: "Which entries are meant beyond that, as a filter (RFC 4515): `(!(employeeType=robot))`. Left out: all."},
		{Name: "rdn", Type: cty.String, Default: cty.StringVal(rdn),
			Doc: "How a new entry is named below `base`. `{address}`, `{local}` and `{domain}` stand for the mail address and what is before and behind its `@`. Entries that are there keep their names."},
		{Name: "attributes", Type: cty.Map(cty.String),
			Doc: "Which attributes hold what: " + what + ". Left out, each of them: " + names + ". An empty name: the directory does not hold it, and what only it could say is refused."},
		{Name: "new", Type: cty.Map(cty.String),
			Doc: "What new entries have beyond that, with the placeholders of `rdn`. Left out: " + further + "."},
	}}
}
