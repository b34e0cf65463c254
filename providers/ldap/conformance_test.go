package ldap_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type attrs = map[string]cty.Value

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	list = providertest.List
)

// Verifiers as a configuration has them; nobody logs in with them here.
const (
	aHash       = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$c2VjcmV0LWRpZ2VzdC1vZi1hLXRlc3Q"
	anotherHash = "{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0,c3RvcmVkLWtleQ==,c2VydmVyLWtleQ=="
)

// block is a provider block for a server, with further arguments.
func block(s *ldaptest.Server, more attrs) cty.Value {
	b := attrs{
		"url": str(s.URL), "base": str(ldaptest.Base), "bind_dn": str(ldaptest.WriterDN), "bind_password": str(ldaptest.Password),
		"users":   cty.ObjectVal(attrs{"base": str(ldaptest.People)}),
		"aliases": cty.ObjectVal(attrs{"base": str(ldaptest.Aliases)}),
	}
	maps.Copy(b, more)
	return cty.ObjectVal(b)
}

// provider makes a provider for a server and a lineage.
func provider(t *testing.T, s *ldaptest.Server, lineage string, more attrs) *ldap.Provider {
	t.Helper()
	p := &ldap.Provider{}
	if diags := p.Configure(t.Context(), providers.Config{Value: block(s, more), Dir: t.TempDir(), Lineage: lineage}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance(t, 500, func(*ldap.Provider) {})
}

// A server that knows no assertions says by the values that are to go whether an
// entry is another by now.
func TestConformanceWithoutAssertions(t *testing.T) {
	t.Parallel()
	conformance(t, 50, func(p *ldap.Provider) {
		if err := p.WithoutAssertions(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func conformance(t *testing.T, many int, prepare func(*ldap.Provider)) {
	providertest.Run(t, providertest.Harness{
		Untried: providertest.Others("a directory has none", schema.KindMailbox, schema.KindRoute),
		New: func(t *testing.T) *providertest.System {
			s := ldaptest.Start(t, ldaptest.Options{})
			boxes, ways := mailboxes(), routes()
			boxes.Many, ways.Many = boxes.Many[:many], ways.Many[:many/2]
			return &providertest.System{
				Provider: func(lineage string) providers.Provider {
					p := provider(t, s, lineage, nil)
					prepare(p)
					return p
				},
				Samples: map[string]providertest.Sample{schema.KindMailbox: boxes, schema.KindRoute: ways},
				Tamper:  func(t *testing.T, r schema.Resource) { tamper(t, s, r) },
				Kill:    func(t *testing.T) { s.Kill(t); s.Start(t) },
			}
		},
	})
}

// tamper changes an entry by ldapmodify.
func tamper(t *testing.T, s *ldaptest.Server, r schema.Resource) {
	t.Helper()
	rdn, base := "uid", ldaptest.People
	if r.Kind == schema.KindRoute {
		rdn, base = "cn", ldaptest.Aliases
	}
	dn := fmt.Sprintf("dn: %s=%s,%s\n", rdn, r.Key, base)
	if r.Attrs.IsNull() {
		s.Modify(t, dn+"changetype: delete\n")
		return
	}
	replace := map[string][]string{}
	texts := func(name string) []string {
		var out []string
		for _, v := range r.Attrs.GetAttr(name).AsValueSlice() {
			out = append(out, v.AsString())
		}
		return out
	}
	if r.Kind == schema.KindRoute {
		replace["mailformMember"] = texts("members")
		replace["mailformRouteType"] = []string{r.Attrs.GetAttr("type").AsString()}
	} else {
		for _, h := range texts("password_hash") {
			replace["userPassword"] = append(replace["userPassword"], strings.Replace(h, "$argon2id$", "{ARGON2}$argon2id$", 1))
		}
		replace["mailformProtocol"] = texts("protocols")
		replace["mailformMail"] = []string{r.Attrs.GetAttr("mail").AsString()}
	}
	ldif := dn + "changetype: modify\n"
	for name, values := range replace {
		ldif += "replace: " + name + "\n"
		for _, v := range values {
			ldif += name + ": " + v + "\n"
		}
		ldif += "-\n"
	}
	s.Modify(t, ldif)
}

// longDomain is a domain name of 253 bytes, with labels of 63.
var longDomain = strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 57) + ".net"

func many(n int, one func(i int) schema.Resource) []schema.Resource {
	rs := make([]schema.Resource, n)
	for i := range rs {
		rs[i] = one(i)
	}
	return rs
}

func mailbox(address string, change attrs) schema.Resource {
	a := attrs{
		"address": str(address), "password_hash": list(aHash), "quota": num(1 << 30),
		"protocols": list("imap", "pop3"), "mail": str("enabled"), "sieve": cty.NullVal(cty.String),
	}
	maps.Copy(a, change)
	return providertest.Resource(schema.KindMailbox, address, a)
}

func mailboxes() providertest.Sample {
	return providertest.Sample{
		Good: mailbox("alice@example.com", nil),
		Changed: attrs{
			"password_hash": list(aHash, anotherHash), "protocols": list("imap"), "mail": str("disabled"),
		},
		Odd: map[string]schema.Resource{
			"empty lists and no quota":  mailbox("empty@example.com", attrs{"password_hash": list(), "protocols": list(), "quota": num(0)}),
			"a local part of 64 bytes":  mailbox(strings.Repeat("l", 64)+"@example.com", nil),
			"a domain of 253 bytes":     mailbox("a@"+longDomain, nil),
			"every character":           mailbox("a.b!#$%&'*+-/=?^_`{|}~@example.com", nil),
			"a number sign first":       mailbox("#a@example.com", nil),
			"only a star":               mailbox("*@example.com", nil),
			"an internationalised name": mailbox("a@xn--bcher-kva.example", nil),
			"a very large quota":        mailbox("a@example.com", attrs{"quota": num(1<<63 - 1)}),
			"a forward":                 mailbox("a@example.com", attrs{"mail": str("forward")}),
			"markup in a hash":          mailbox("a@example.com", attrs{"password_hash": list("$6$<&>é$c2VjcmV0")}),
			"every scheme": mailbox("a@example.com", attrs{"password_hash": list(aHash, anotherHash, "$2b$12$abcdefghijklmnopqrstuv", "$5$salt$digest",
				"$pbkdf2-sha256$29000$salt$digest", "$pbkdf2-sha512$29000$salt$digest", "{PBKDF2}$1$salt$1000$digest")}),
		},
		Refused: map[string][]cty.Value{
			"address": {
				str(""), str("alice"), str("Alice@example.com"), str("alice@Example.com"), str("@example.com"), str("alice@"),
				str(`"a b"@example.com`), str("a;b@example.com"), str("jürgen@example.com"), str("alice@bücher.example"),
				str(strings.Repeat("l", 65) + "@example.com"), str("a\nb@example.com"), str("a,ou=x@example.com"), str("a)(uid=*@example.com"),
			},
			"password_hash": {list("correct horse battery staple"), list(aHash, "hunter2"), list(""), list("$argon2id$v=19$m=65536,t=3,p=1$incomplete"), list("{SMD5}c2VjcmV0"), list("pbkdf2_sha256$1000$salt$a2V5"), list(aHash, aHash)},
			"protocols":     {list("imap", "smtp"), list("IMAP"), list("")},
			"sieve":         {str("keep;")},
			"mail":          {str("on"), str("Enabled")},
		},
		Many: many(500, func(i int) schema.Resource { return mailbox(fmt.Sprintf("u%d@example.com", i), nil) }),
	}
}

func route(address, kind string, keep bool, members ...string) schema.Resource {
	return providertest.Resource(schema.KindRoute, address, attrs{
		"address": str(address), "type": str(kind), "members": list(members...), "keep_copy": cty.BoolVal(keep),
	})
}

func routes() providertest.Sample {
	return providertest.Sample{
		Good: route("sales@example.com", "alias", false, "alice@example.com", "bob@example.net"),
		Changed: attrs{
			"type": str("forward"), "members": list("carol@example.org"),
		},
		Odd: map[string]schema.Resource{
			"no members":      route("empty@example.com", "alias", false),
			"a catch-all":     route("@example.com", "catch_all", false, "alice@example.com"),
			"a kept copy":     route("alice@example.com", "forward", true, "alice@example.net"),
			"many members":    route("many@example.com", "alias", false, repeat("m%03d@example.net", 500)...),
			"every character": route("a.b!#$%&'*+-/=?^_`{|}~@example.com", "alias", false, "c.d!#$%&'*+-/=?^_`{|}~@example.net"),
			"long names":      route(strings.Repeat("l", 64)+"@"+longDomain, "alias", false, strings.Repeat("m", 64)+"@"+longDomain),
			"itself":          route("self@example.com", "alias", false, "self@example.com"),
		},
		Refused: map[string][]cty.Value{
			"address": {str(""), str("sales"), str("Sales@example.com"), str("@example.com"), str("@")},
			"type":    {str(""), str("list"), str("Alias"), str("catch_all")},
			"members": {list(""), list("alice"), list("Alice@example.com"), list("alice@example.com", "x y@example.com"), list("a@b.example", "a@b.example")},
		},
		Many: many(300, func(i int) schema.Resource {
			return route(fmt.Sprintf("r%d@example.com", i), "alias", false, "alice@example.com")
		}),
	}
}

func repeat(format string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}
