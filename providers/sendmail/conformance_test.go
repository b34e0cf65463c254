package sendmail_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/sendmail"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type attrs = map[string]cty.Value

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	list = providertest.List
)

// Verifiers of the password "quickstart", and of another one.
const (
	quickstart  = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"
	anotherHash = "{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0,c3RvcmVkLWtleQ==,c2VydmVyLWtleQ=="
)

func provider(t testing.TB, s *mailtest.SendmailInstance, lineage string) *sendmail.Provider {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &sendmail.Provider{Executable: exe}
	block := cty.ObjectVal(attrs{"config_dir": str(s.ConfigDir), "program_dir": str(s.ProgramDir)})
	if diags := p.Configure(t.Context(), providers.Config{Value: block, Dir: s.ConfigDir, Lineage: lineage}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func resource(kind, key string, a attrs) schema.Resource { return providertest.Resource(kind, key, a) }

func setting(hostname string) schema.Resource {
	return resource(schema.KindSetting, "main", attrs{"hostname": str(hostname), "addresses": list("127.0.0.1"), "message_size_limit": num(1000000), "retention": num(0),
		"tls_certificate": str(""), "tls_key": str(""), "relay_host": str(""), "retry": cty.ListVal([]cty.Value{num(60), num(300), num(900)})})
}

func delivery(lmtp, auth string) schema.Resource {
	return resource(schema.KindDelivery, "main", attrs{"owner": str("main"), "lmtp": str(lmtp), "auth": str(auth)})
}

func domain(name string) schema.Resource {
	return resource(schema.KindMailDomain, name, attrs{"name": str(name)})
}

func recipient(address string, hashes ...string) schema.Resource {
	return resource(schema.KindRecipient, address, attrs{"address": str(address), "password_hash": list(hashes...)})
}

func route(address, typ string, keep bool, members ...string) schema.Resource {
	return resource(schema.KindRoute, address, attrs{"address": str(address), "type": str(typ), "members": list(members...), "keep_copy": cty.BoolVal(keep)})
}

func listener(service string, listen, tls []string) schema.Resource {
	return resource(schema.KindListener, "main/"+service, attrs{"owner": str("main"), "service": str(service), "hostname": str("mail.example.com"),
		"listen": list(listen...), "listen_tls": list(tls...)})
}

func filter(service, name string, position int64, address string) schema.Resource {
	return resource(schema.KindFilter, "main/"+service+"/"+name, attrs{"owner": str("main"), "service": str(service), "name": str(name), "position": num(position),
		"type": str("rspamd"), "address": str(address), "on_failure": str("tempfail"), "timeout": num(60), "junk": list("X-Spam: Yes")})
}

func smarthost(host string, senders, recipients []string) schema.Resource {
	return resource(schema.KindSmarthost, "main/"+host, attrs{"owner": str("main"), "host": str(host), "senders": list(senders...), "recipients": list(recipients...),
		"username": str(""), "password": str(""), "tls": str("opportunistic")})
}

func service() schema.Resource {
	return resource(schema.KindService, "sendmail", attrs{"name": str("sendmail"), "running": cty.True})
}

func samples() map[string]providertest.Sample {
	newlines := []cty.Value{str("a\nb"), str("a`b"), str("")}
	return map[string]providertest.Sample{
		schema.KindSetting: {Good: setting("mail.example.com"),
			Changed: attrs{"hostname": str("mx.example.com"), "addresses": list("192.0.2.1", "2001:db8::1"), "tls_certificate": str("/etc/ssl/a.pem"),
				"tls_key": str("/etc/ssl/a.key"), "relay_host": str("relay.example.net:2525"), "retry": cty.ListVal([]cty.Value{num(30), num(60)})},
			Refused: map[string][]cty.Value{"hostname": newlines, "tls_certificate": newlines[:2], "relay_host": {str("x"), str("a b:25")}}},
		schema.KindDelivery: {Good: delivery("127.0.0.1:24", ""),
			Changed: attrs{"lmtp": str("[::1]:2424"), "auth": str("authd")},
			Refused: map[string][]cty.Value{"lmtp": {str("x"), str("a\nb:24")}, "auth": {str("dovecot:127.0.0.1:1")}}},
		schema.KindMailDomain: {Needs: []schema.Resource{delivery("127.0.0.1:24", "")}, Good: domain("example.com"), Many: []schema.Resource{domain("a.example"), domain("b.example"), domain("xn--bcher-kva.example")},
			Refused: map[string][]cty.Value{"name": {str("a b"), str("a\nO X=1")}}},
		schema.KindRecipient: {Good: recipient("alice@example.com", quickstart), Changed: attrs{"password_hash": list(anotherHash)},
			Many:    []schema.Resource{recipient("a@example.com", quickstart), recipient("b+c@example.com"), recipient("x.y=z@example.org", quickstart)},
			Refused: map[string][]cty.Value{"address": {str("a b@example.com"), str("a"), str("a\tb@c.d")}, "password_hash": {list("plain"), list("$6$a\nb$c")}}},
		schema.KindRoute: {Good: route("sales@example.com", "alias", false, "alice@example.com", "bob@example.com"),
			Changed: attrs{"type": str("forward"), "members": list("x@example.net")},
			Many:    []schema.Resource{route("@example.net", "catch_all", false, "alice@example.com"), route("b@example.com", "forward", true, "c@example.org")},
			Refused: map[string][]cty.Value{"address": {str("|cat@example.com"), str("a:b@example.com")}, "members": {list("|/bin/sh@x.y"), list("/etc/passwd"), list(":include:/x@y.z")}, "type": {str("x")}}},
		schema.KindListener: {Good: listener("submission", []string{"127.0.0.1:2587"}, []string{"127.0.0.1:2465"}),
			Changed: attrs{"hostname": str("mx.example.com"), "listen": list("127.0.0.2:2587", "[::1]:2587"), "listen_tls": list()},
			Refused: map[string][]cty.Value{"service": {str("imap")}, "listen": {list("mail.example.com:25"), list("x")}}},
		schema.KindSmarthost: {Good: smarthost("smtp.example.net:587", []string{"example.com", "example.org"}, nil),
			Single:  []string{"username", "password", "tls"},
			Changed: attrs{"senders": list("example.com"), "recipients": list("a.example", "b.example")},
			Many: []schema.Resource{smarthost("192.0.2.7:25", nil, []string{"inner.example"}), smarthost("[2001:db8::7]:2525", []string{"example.com"}, []string{"far.example"}),
				smarthost("all.example.net:25", nil, nil)},
			Refused: map[string][]cty.Value{"senders": {list("a b"), list("a\tb")}, "recipients": {list("x,y"), list("")}, "username": {str("us")}, "password": {str("secret")},
				"tls": {str("verified"), str("implicit")}}},
		schema.KindLookup: providertest.LookupSample(delivery("127.0.0.1:24", "")),
		schema.KindFilter: {Good: filter("smtp", "spam", 1, "127.0.0.1:11332"),
			Changed: attrs{"position": num(2), "type": str("milter"), "address": str("[2001:db8::1]:11332"), "on_failure": str("accept"), "timeout": num(5), "junk": list()},
			Odd: map[string]schema.Resource{
				"a socket": filter("submission", "sock", 1, "unix:/run/clamav/clamav-milter.ctl"), "without a listener": filter("submission", "other", 4, "192.0.2.1:1"),
			},
			Refused: map[string][]cty.Value{"service": {str("imap")}, "position": {num(0)}, "on_failure": {str("quarantine")}, "timeout": {num(0)},
				"address": {str(""), str("127.0.0.1"), str("unix:/a, F=R"), str("unix:/a`b"), str("unix:/a\nO X=1")}}},
		schema.KindParameter: {Good: resource(schema.KindParameter, "SmtpGreetingMessage", attrs{"name": str("SmtpGreetingMessage"), "value": str("$j ESMTP")}),
			Changed: attrs{"value": str("$j here")},
			Refused: map[string][]cty.Value{"name": {str("a b")}, "value": newlines[:2]}},
	}
}

// tamper changes what authd is told with an editor, and the rest as another mailform would.
func tamper(t *testing.T, s *mailtest.SendmailInstance, r schema.Resource) {
	t.Helper()
	if r.Kind != schema.KindLookup || r.Attrs.IsNull() {
		providertest.Tamper(t, provider(t, s, "somebody"), r)
		return
	}
	path := authd.LookupFile(filepath.Join(s.ConfigDir, "mailform/authd"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), providertest.LookupURL, r.Attrs.GetAttr("url").AsString(), 1))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	run := func(t *testing.T, on host.Host, change func(*testing.T, *mailtest.SendmailInstance), beside ...string) {
		t.Helper()
		t.Parallel()
		all := samples()
		tried := make([]string, 0, len(all))
		for kind := range all {
			tried = append(tried, kind)
		}
		untried := providertest.Others("Sendmail takes mail and nothing else", tried...)
		untried[schema.KindService] = "there is one of a server, with tests of its own"
		for _, kind := range beside {
			untried[kind] = "it is tried beside"
		}
		providertest.Run(t, providertest.Harness{Atomic: true, Untried: untried, Far: on != host.Local(), New: func(t *testing.T) *providertest.System {
			s := mailtest.Sendmail(t)
			change(t, s)
			sys := &providertest.System{
				Provider: func(lineage string) providers.Provider {
					p := provider(t, s, lineage)
					p.Through(on)
					return p
				},
				Samples: all,
				Tamper:  func(t *testing.T, r schema.Resource) { tamper(t, s, r) },
			}
			if on == host.Local() { // what goes by SSH would lose its connection
				sys.Kill = func(t *testing.T) { s.Kill(t); s.Start(t) }
			}
			return sys
		}})
	}
	t.Run("by m4", func(t *testing.T) { run(t, host.Local(), func(*testing.T, *mailtest.SendmailInstance) {}) })
	t.Run("by SSH", func(t *testing.T) {
		rest := slices.DeleteFunc(slices.Collect(maps.Keys(samples())), func(kind string) bool { return kind == schema.KindRecipient })
		run(t, hosttest.SSHD(t).Host(t), func(*testing.T, *mailtest.SendmailInstance) {}, rest...)
	})
	t.Run("without a source for m4", func(t *testing.T) {
		run(t, host.Local(), func(t *testing.T, s *mailtest.SendmailInstance) {
			if err := os.Remove(s.ConfigDir + "/sendmail.mc"); err != nil {
				t.Fatal(err)
			}
		}, schema.KindLookup)
	})
}
