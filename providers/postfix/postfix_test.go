package postfix_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An instance is a private Postfix with providers for it.
type instance struct {
	*mailtest.PostfixInstance
	t testing.TB
	// listens are where the listener of the samples does: in clear text, and with TLS.
	listens [2]string
}

func newInstance(t testing.TB) *instance {
	return &instance{mailtest.Postfix(t), t, [2]string{porttest.Addr(t), porttest.Addr(t)}}
}

func (i *instance) provider(lineage string) providers.Provider {
	i.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		i.t.Fatal(err)
	}
	p := &postfix.Provider{Executable: exe}
	diags := p.Configure(i.t.Context(), providers.Config{
		Value: cty.ObjectVal(map[string]cty.Value{"config_dir": cty.StringVal(i.ConfigDir)}), Dir: "/nowhere", Lineage: lineage,
	})
	if diags.HasErrors() {
		i.t.Fatal(diags)
	}
	return p
}

func (i *instance) read(name string) string {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(i.ConfigDir, name))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(b)
}

func (i *instance) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.ConfigDir, name), []byte(text), 0o644); err != nil {
		i.t.Fatal(err)
	}
}

func strs(list ...string) cty.Value { return providertest.List(list...) }

func numbers(list ...int64) cty.Value {
	var vals []cty.Value
	for _, n := range list {
		vals = append(vals, cty.NumberIntVal(n))
	}
	return cty.ListVal(vals)
}

// resource makes one of values of strings, lists, numbers and truth values.
func resource(kind, key string, attrs map[string]cty.Value) schema.Resource {
	r := providertest.Resource(kind, key, attrs)
	r.Attrs = schema.KindByName(kind).Object(r.Attrs.AsValueMap())
	return r
}

func setting() schema.Resource {
	return resource(schema.KindSetting, "main", map[string]cty.Value{
		"hostname": cty.StringVal("mail.example.com"), "addresses": strs("192.0.2.25", "2001:db8::25"), "message_size_limit": cty.NumberIntVal(52428800),
		"retention": cty.NumberIntVal(2592000), "tls_certificate": cty.StringVal("/etc/ssl/a.pem"), "tls_key": cty.StringVal("/etc/ssl/a.key"), "relay_host": cty.StringVal(""),
		"retry": numbers(300, 900, 1800, 3600, 7200, 86400),
	})
}

func delivery(auth string) schema.Resource {
	return resource(schema.KindDelivery, "main", map[string]cty.Value{
		"owner": cty.StringVal("main"), "lmtp": cty.StringVal("127.0.0.1:24"), "auth": cty.StringVal(auth),
	})
}

func listener(service string, listen, listenTLS cty.Value) schema.Resource {
	return resource(schema.KindListener, "main/"+service, map[string]cty.Value{
		"owner": cty.StringVal("main"), "service": cty.StringVal(service), "hostname": cty.StringVal("mail.example.com"), "listen": listen, "listen_tls": listenTLS,
	})
}

func filter(service, name string, position int64, address string) schema.Resource {
	return resource(schema.KindFilter, "main/"+service+"/"+name, map[string]cty.Value{
		"owner": cty.StringVal("main"), "service": cty.StringVal(service), "name": cty.StringVal(name), "position": cty.NumberIntVal(position),
		"type": cty.StringVal("rspamd"), "address": cty.StringVal(address), "on_failure": cty.StringVal("tempfail"), "timeout": cty.NumberIntVal(60), "junk": strs("X-Spam: Yes"),
	})
}

func parameter(name, value string) schema.Resource {
	return resource(schema.KindParameter, name, map[string]cty.Value{"name": cty.StringVal(name), "value": cty.StringVal(value)})
}

func service() schema.Resource {
	return resource(schema.KindService, "postfix", map[string]cty.Value{"name": cty.StringVal("postfix"), "running": cty.True})
}

func domain(name string) schema.Resource {
	return resource(schema.KindMailDomain, name, map[string]cty.Value{"name": cty.StringVal(name)})
}

func recipient(address string, hashes ...string) schema.Resource {
	return resource(schema.KindRecipient, address, map[string]cty.Value{"address": cty.StringVal(address), "password_hash": strs(hashes...)})
}

func route(address, typ string, keep bool, members ...string) schema.Resource {
	return resource(schema.KindRoute, address, map[string]cty.Value{
		"address": cty.StringVal(address), "type": cty.StringVal(typ), "members": strs(members...), "keep_copy": cty.BoolVal(keep),
	})
}

// samples are those of all kinds but service.
func (i *instance) samples() map[string]providertest.Sample {
	var domains, recipients, routes []schema.Resource
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		domains = append(domains, domain(n+".example.org"))
		recipients = append(recipients, recipient(n+"@example.com"))
		routes = append(routes, route("list-"+n+"@example.com", "alias", false, "a@example.com", n+"@example.net"))
	}
	set := setting()
	return map[string]providertest.Sample{
		schema.KindSetting: {
			Good: set,
			Changed: map[string]cty.Value{
				"hostname": cty.StringVal("mx.example.com"), "addresses": strs("192.0.2.26"), "relay_host": cty.StringVal("relay.example.net:587"),
				"retry": numbers(60, 120), "tls_certificate": cty.StringVal(i.Dir + "/cert.pem"), "tls_key": cty.StringVal(i.Dir + "/key.pem"),
			},
			Odd: map[string]schema.Resource{
				"no addresses":             providertest.With(set, "addresses", strs()),
				"a relay by IPv6":          providertest.With(set, "relay_host", cty.StringVal("[2001:db8::1]:25")),
				"no limit":                 providertest.With(set, "message_size_limit", cty.NumberIntVal(0)),
				"times in no order":        providertest.With(set, "retry", numbers(900, 60, 60, 900)),
				"a single time":            providertest.With(set, "retry", numbers(1)),
				"the name that it has":     providertest.With(set, "hostname", cty.StringVal("box.internal")),
				"a certificate of its own": providertest.With(providertest.With(set, "tls_certificate", cty.StringVal("")), "tls_key", cty.StringVal("")),
			},
			Refused: map[string][]cty.Value{
				"hostname":        {cty.StringVal(""), cty.StringVal("a b"), cty.StringVal("a.example.com\nmynetworks = 0.0.0.0/0"), cty.StringVal("$mydomain")},
				"addresses":       {strs("host"), strs("192.0.2.1, static:all")},
				"relay_host":      {cty.StringVal("host"), cty.StringVal("a:25\nb = c"), cty.StringVal("[$x]:25")},
				"retry":           {numbers(0), numbers(86400 * 200)},
				"tls_certificate": {cty.StringVal("/a b"), cty.StringVal("/a,b"), cty.StringVal("/$a"), cty.StringVal("relative"), cty.StringVal("/a\n/b")},
			},
		},
		schema.KindSmarthost: smarthosts(),
		schema.KindLookup:    providertest.LookupSample(delivery("dovecot:127.0.0.1:12345")),
		schema.KindDelivery: {
			Good:    delivery("dovecot:127.0.0.1:12345"),
			Changed: map[string]cty.Value{"lmtp": cty.StringVal("[::1]:2424"), "auth": cty.StringVal("")},
			Odd:     map[string]schema.Resource{"by name": providertest.With(delivery("dovecot:imap.example.com:12345"), "lmtp", cty.StringVal("imap.example.com:24"))},
			Refused: map[string][]cty.Value{
				"lmtp": {cty.StringVal(""), cty.StringVal("127.0.0.1"), cty.StringVal("127.0.0.1:24, x"), cty.StringVal("unix:/a")},
				"auth": {cty.StringVal("pam"), cty.StringVal("dovecot:"), cty.StringVal("authd:x"), cty.StringVal("dovecot:a:1\nb")},
			},
		},
		schema.KindListener: {
			Good: listener("submission", strs(i.listens[0]), strs(i.listens[1])),
			Changed: map[string]cty.Value{"hostname": cty.StringVal("mx.example.com"), "listen": strs("127.0.0.1:3587", "[::1]:3587"),
				"listen_tls": strs(), "owner": cty.StringVal("other"), "service": cty.StringVal("smtp")},
			Odd: map[string]schema.Resource{
				"smtp at all addresses": listener("smtp", strs(":25"), strs()),
				"TLS alone":             listener("submission", strs(), strs(":465")),
				"where another listens": listener("smtp", strs(i.Foreign), strs()),
				"for a server beside":   listener("submitted", strs("127.0.0.1:10587", "[::1]:10587"), strs()),
			},
			Refused: map[string][]cty.Value{
				"hostname": {cty.StringVal("a b"), cty.StringVal("a\n-o x=y")},
				"listen":   {strs("host:25"), strs("127.0.0.1:25 -o x=y"), strs("25")},
				"service":  {cty.StringVal("imap")},
			},
		},
		schema.KindFilter: {
			Good: filter("smtp", "spam", 1, "127.0.0.1:11332"),
			Changed: map[string]cty.Value{"position": cty.NumberIntVal(2), "type": cty.StringVal("milter"), "address": cty.StringVal("[2001:db8::1]:11332"),
				"on_failure": cty.StringVal("accept"), "timeout": cty.NumberIntVal(5), "junk": strs()},
			Odd: map[string]schema.Resource{
				"a socket":           filter("submission", "sock", 1, "unix:/run/clamav/clamav-milter.ctl"),
				"one of a module":    filter("smtp", `module.a.spam["x"]`, 3, "127.0.0.1:1"),
				"without a listener": filter("submission", "spam", 7, "milter.example.com:11332"),
			},
			Refused: map[string][]cty.Value{
				"service":    {cty.StringVal("imap")},
				"position":   {cty.NumberIntVal(0)},
				"address":    {cty.StringVal(""), cty.StringVal("127.0.0.1"), cty.StringVal("127.0.0.1:1 }, { inet:x:1"), cty.StringVal("unix:/a b"), cty.StringVal("unix:/a\nb = c")},
				"on_failure": {cty.StringVal("quarantine"), cty.StringVal("accept }")},
				"timeout":    {cty.NumberIntVal(0), cty.NumberIntVal(3601)},
			},
		},
		schema.KindParameter: {
			Good:    parameter("smtpd_banner", "$myhostname ESMTP"),
			Changed: map[string]cty.Value{"value": cty.StringVal("$myhostname ESMTP here")},
			Odd: map[string]schema.Resource{
				"empty":                parameter("smtpd_banner", ""),
				"what looks a comment": parameter("smtpd_banner", "# none"),
				"signs":                parameter("smtpd_banner", `a = "b" ${c} {d} \e, 'f';g`),
				"not ASCII":            parameter("smtpd_banner", "Grüße"),
			},
			Refused: map[string][]cty.Value{
				"name":  {cty.StringVal(""), cty.StringVal("a b"), cty.StringVal("a=b"), cty.StringVal("#a"), cty.StringVal("virtual_transport"), cty.StringVal("a\nb")},
				"value": {cty.StringVal("a\nb"), cty.StringVal(" a"), cty.StringVal("a\r"), cty.StringVal("a\x00")},
			},
		},
		schema.KindMailDomain: {
			Good: domain("example.com"), Many: domains,
			Odd:     map[string]schema.Resource{"an A-label": domain("xn--ndaaa.example"), "the longest": domain(strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".example")},
			Refused: map[string][]cty.Value{"name": {cty.StringVal(""), cty.StringVal("EXAMPLE.com"), cty.StringVal("a b.example"), cty.StringVal("#a.example"), cty.StringVal("a.example\tx")}},
		},
		schema.KindRecipient: {
			Needs: []schema.Resource{domain("example.com"), delivery("authd")},
			Good:  recipient("alice@example.com", hashA), Many: recipients,
			Changed: map[string]cty.Value{"password_hash": strs(hashB)},
			Odd: map[string]schema.Resource{
				"no password": recipient("bob@example.com"), "two": recipient("bob@example.com", hashA, hashB),
				"signs": recipient("a!$&'*+/=?^_`{|}~.%-#z@example.com"),
			},
			Refused: map[string][]cty.Value{
				"address":       {cty.StringVal("a b@example.com"), cty.StringVal("#a@example.com"), cty.StringVal("a\n@example.com"), cty.StringVal("-a@example.com"), cty.StringVal(`"a"@example.com`)},
				"password_hash": {strs("secret"), strs("$6$a$b\nroot@example.com\t\t$6$a$b")},
			},
		},
		schema.KindRoute: {
			Needs: []schema.Resource{domain("example.com"), recipient("a@example.com")},
			Good:  route("sales@example.com", "forward", false, "a@example.com", "x@example.net"), Many: routes,
			Changed: map[string]cty.Value{"members": strs("b@example.com"), "type": cty.StringVal("alias")},
			Odd: map[string]schema.Resource{
				"a catch-all": route("@example.com", "catch_all", false, "a@example.com"), "no forward, but a copy": route("f@example.com", "forward", true),
				"of itself": route("g@example.com", "alias", false, "g@example.com"),
				"signs":     route("a|b#c@example.com", "alias", false, "/etc/passwd@example.com", "|cmd@example.com"),
			},
			Refused: map[string][]cty.Value{
				"address": {cty.StringVal("a b@example.com"), cty.StringVal("#@example.com"), cty.StringVal("example.com")},
				"members": {strs("a b@example.com"), strs("a,b@example.com"), strs("x"), strs("b@example.com\nroot@example.com c@example.com"), strs(":include:/etc/passwd@example.com")},
				"type":    {cty.StringVal("other"), cty.StringVal("catch_all")},
			},
		},
	}
}

const (
	hashA = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"
	hashB = "$6$anothersalt$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"
)
