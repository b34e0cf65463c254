package cyrus_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/cyrus"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
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

// Verifiers of the password "quickstart", as crypt(3) has it, and of another one.
const (
	quickstart  = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"
	anotherHash = "{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0,c3RvcmVkLWtleQ==,c2VydmVyLWtleQ=="
)

// provider makes a provider for an instance and a lineage.
func provider(t testing.TB, c *mailtest.CyrusInstance, lineage string) *cyrus.Provider {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &cyrus.Provider{Executable: exe}
	block := cty.ObjectVal(attrs{"config_dir": str(c.ConfigDir), "program_dir": str(c.ProgramDir), "pid_file": str(c.PIDFile)})
	if diags := p.Configure(t.Context(), providers.Config{Value: block, Dir: c.ConfigDir, Lineage: lineage}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestConformance(t *testing.T) {
	conformance(t, host.Local(), schema.KindMailStore, schema.KindParameter, schema.KindMailbox, schema.KindListener, schema.KindLookup)
}

// Mailboxes are made over IMAP, which a bridge leads to; the rest are files.
func TestConformanceBySSH(t *testing.T) {
	conformance(t, hosttest.SSHD(t).Host(t), schema.KindMailbox)
}

func conformance(t *testing.T, on host.Host, kinds ...string) {
	t.Helper()
	untried := providertest.Others("Cyrus keeps mail and nothing else",
		schema.KindMailStore, schema.KindParameter, schema.KindMailbox, schema.KindListener, schema.KindLookup, schema.KindService)
	untried[schema.KindService] = "there is one of a server, with tests of its own"
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := providertest.Harness{Untried: maps.Clone(untried), Far: on != host.Local()}
			for _, other := range []string{schema.KindMailStore, schema.KindParameter, schema.KindMailbox, schema.KindListener, schema.KindLookup} {
				if other != kind {
					h.Untried[other] = "it is tried beside"
				}
			}
			h.New = func(t *testing.T) *providertest.System {
				c := mailtest.Cyrus(t)
				through := func(lineage string) *cyrus.Provider {
					p := provider(t, c, lineage)
					p.Through(on)
					return p
				}
				sys := &providertest.System{
					Provider: func(lineage string) providers.Provider { return through(lineage) },
					Samples:  map[string]providertest.Sample{},
				}
				sys.Tamper = func(t *testing.T, r schema.Resource) { tamper(t, c, r) }
				switch kind {
				case schema.KindMailStore:
					sys.Samples[kind] = stores(t, c)
				case schema.KindLookup:
					sys.Samples[kind] = providertest.LookupSample(store("mail.example.com", nil))
				case schema.KindParameter:
					sys.Samples[kind] = parameters()
				case schema.KindListener:
					begin(t, through("L"))
					sys.Samples[kind] = listeners(t)
				case schema.KindMailbox:
					begin(t, through("L"))
					sys.Samples[kind] = mailboxes()
					sys.Kill = func(t *testing.T) { c.Kill(t); c.Start(t) }
				}
				return sys
			}
			providertest.Run(t, h)
		})
	}
}

// tamper changes what there is with an editor or an administrator's tools.
func tamper(t *testing.T, c *mailtest.CyrusInstance, r schema.Resource) {
	t.Helper()
	switch {
	case r.Attrs.IsNull():
		providertest.Tamper(t, provider(t, c, "somebody"), r)
	case r.Kind == schema.KindMailStore:
		edit(t, filepath.Join(c.ConfigDir, "imapd.conf"), "servername: ", r.Attrs.GetAttr("hostname").AsString())
	case r.Kind == schema.KindLookup:
		path := filepath.Join(c.ConfigDir, "mailform-cyrus", "authd", "lookup.json")
		text := strings.Replace(read(t, path), providertest.LookupURL, r.Attrs.GetAttr("url").AsString(), 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	case r.Kind == schema.KindParameter:
		edit(t, filepath.Join(c.ConfigDir, "imapd.conf"), r.Key+": ", r.Attrs.GetAttr("value").AsString())
	case r.Kind == schema.KindMailbox:
		users := filepath.Join(c.ConfigDir, "mailform-cyrus", "authd", "users")
		var hashes []string
		for _, v := range r.Attrs.GetAttr("password_hash").AsValueSlice() {
			hashes = append(hashes, v.AsString())
		}
		edit(t, users, r.Key+"\timap,pop3\t", strings.Join(hashes, "\t"))
	default:
		providertest.Tamper(t, provider(t, c, "11111111-1111-4111-8111-111111111111"), r)
	}
}

// edit replaces what follows something at the beginning of a line.
func edit(t *testing.T, path, begins, rest string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	found := false
	for i, l := range lines {
		if strings.HasPrefix(l, begins) {
			lines[i], found = begins+rest, true
		}
	}
	if !found {
		t.Fatalf("%s has no line that begins with %q:\n%s", path, begins, text)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".conf") {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func store(hostname string, change attrs) schema.Resource {
	a := attrs{"hostname": str(hostname), "retention": num(30 * 86400), "tls_certificate": str(""), "tls_key": str("")}
	maps.Copy(a, change)
	return providertest.Resource(schema.KindMailStore, "main", a)
}

// begin sets a server up and starts it.
func begin(t testing.TB, p *cyrus.Provider, more ...schema.Resource) {
	t.Helper()
	do(t, p, append([]schema.Resource{store("mail.example.com", nil),
		providertest.Resource(schema.KindService, "cyrus", attrs{"name": str("cyrus"), "running": cty.True})}, more...)...)
}

// do creates things, all of which have to be made.
func do(t testing.TB, p *cyrus.Provider, rs ...schema.Resource) {
	t.Helper()
	for _, r := range rs {
		change(t, p, providers.Change{Action: providers.Create, Resource: r})
	}
}

func change(t testing.TB, p *cyrus.Provider, batch ...providers.Change) {
	t.Helper()
	err := p.Apply(t.Context(), batch, func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err != nil {
		t.Fatalf("%s %s: %v", batch[0].Action, batch[0].Resource.Address, err)
	}
}

func stores(t *testing.T, c *mailtest.CyrusInstance) providertest.Sample {
	return providertest.Sample{
		Good:    store("mail.example.com", attrs{"tls_certificate": str("/etc/ssl/a.pem"), "tls_key": str("/etc/ssl/a.key")}),
		Changed: attrs{"hostname": str("mx.example.net"), "tls_certificate": str("/etc/ssl/b.pem"), "tls_key": str("/etc/ssl/b.key")},
		Odd: map[string]schema.Resource{
			"its own certificate": store("mail.example.com", nil),
			"a long name":         store(strings.Repeat(strings.Repeat("a", 63)+".", 3)+"example", nil),
			"nothing is kept":     store("mail.example.com", attrs{"retention": num(0)}),
		},
		Refused: map[string][]cty.Value{
			"hostname":        {str(""), str("a b"), str("a\nadmins: eve"), str("mail_example")},
			"tls_certificate": {str("relative.pem"), str("/etc/a\nadmins: eve")},
			"tls_key":         {str("relative.key"), str("/etc/a\\")},
		},
	}
}

func parameter(name, value string) schema.Resource {
	return providertest.Resource(schema.KindParameter, name, attrs{"name": str(name), "value": str(value)})
}

func parameters() providertest.Sample {
	return providertest.Sample{
		Good:    parameter("timeout", "45"),
		Changed: attrs{"value": str("60")},
		Odd: map[string]schema.Resource{
			"a value with blanks":          parameter("sieve_extensions", "fileinto reject vacation"),
			"a colon and a number sign":    parameter("sasl_realm", "a: b # c"),
			"an option of SASL":            parameter("sasl_minimum_layer", "0"),
			"another partition":            parameter("partition-other", "/var/spool/other"),
			"one in a comment of the file": parameter("sieveusehomedir", "no"),
		},
		Refused: map[string][]cty.Value{
			"name":  {str(""), str("a b"), str("admins"), str("virtdomains"), str("mailformimap_timeout"), str("a:b"), str("Timeout"), str("a\nb")},
			"value": {str(""), str(" 45"), str("45\nadmins: eve"), str("45\\"), str("4\x005"), str(strings.Repeat("x", 5000))},
		},
		Many: []schema.Resource{parameter("poptimeout", "12"), parameter("maxlogins_per_user", "9"), parameter("imapidlepoll", "30")},
	}
}

func listener(service string, listen, listenTLS cty.Value) schema.Resource {
	return providertest.Resource(schema.KindListener, "main/"+service, attrs{
		"owner": str("main"), "service": str(service), "hostname": str("mail.example.com"), "listen": listen, "listen_tls": listenTLS,
	})
}

// freePorts are addresses that nobody listens on.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	out := make([]string, n)
	for i := range out {
		out[i] = porttest.Addr(t)
	}
	return out
}

func listeners(t *testing.T) providertest.Sample {
	ps := freePorts(t, 6)
	return providertest.Sample{
		Good:    listener("imap", list(ps[0]), list()),
		Changed: attrs{"listen": list(ps[1]), "listen_tls": list(ps[2]), "hostname": str("mx.example.net")},
		Odd: map[string]schema.Resource{
			"no address":        listener("imap", list(), list()),
			"TLS alone":         listener("pop3", list(), list(ps[3])),
			"LMTP":              listener("lmtp", list(ps[4]), list()),
			"all addresses":     listener("pop3", list(ps[5][strings.LastIndexByte(ps[5], ':'):]), list()),
			"one of IPv6 alone": listener("pop3", list("[::1]"+ps[5][strings.LastIndexByte(ps[5], ':'):]), list()),
		},
		Refused: map[string][]cty.Value{
			"service":    {str(""), str("smtp"), str("auth")},
			"owner":      {str(""), str("other")},
			"hostname":   {str(""), str("a b")},
			"listen":     {list(""), list("localhost:143"), list("127.0.0.1:143\" x=\"y"), list("127.0.0.1")},
			"listen_tls": {list("127.0.0.1:993", "127.0.0.1:993")},
		},
		Many: []schema.Resource{listener("pop3", list(ps[3]), list()), listener("lmtp", list(ps[4]), list())},
	}
}

func mailbox(address string, change attrs) schema.Resource {
	a := attrs{"address": str(address), "password_hash": list(quickstart), "quota": num(1 << 30), "protocols": list("imap", "pop3"), "mail": str("enabled"), "sieve": cty.NullVal(cty.String)}
	maps.Copy(a, change)
	return providertest.Resource(schema.KindMailbox, address, a)
}

func mailboxes() providertest.Sample {
	many := make([]schema.Resource, 40)
	for i := range many {
		many[i] = mailbox(fmt.Sprintf("u%d@example.com", i), nil)
	}
	return providertest.Sample{
		Good:    mailbox("alice@example.com", nil),
		Changed: attrs{"password_hash": list(quickstart, anotherHash), "protocols": list("imap"), "mail": str("disabled")},
		Odd: map[string]schema.Resource{
			"empty lists and no quota":  mailbox("empty@example.com", attrs{"password_hash": list(), "protocols": list(), "quota": num(0)}),
			"a local part of 64 bytes":  mailbox(strings.Repeat("l", 64)+"@example.com", nil),
			"a domain of 130 bytes":     mailbox("a@"+strings.Repeat(strings.Repeat("a", 63)+".", 2)+"ex", nil),
			"every character":           mailbox("a.b#$'-=_~@example.com", nil),
			"an internationalised name": mailbox("a@xn--bcher-kva.example", nil),
			"the largest quota":         mailbox("a@example.com", attrs{"quota": num((1<<31 - 1) * 1024)}),
			"a quota of no whole KiB":   mailbox("a@example.com", attrs{"quota": num(1)}),
			"a forward":                 mailbox("a@example.com", attrs{"mail": str("forward")}),
			"disabled, for POP3 alone":  mailbox("a@example.com", attrs{"mail": str("disabled"), "protocols": list("pop3")}),
		},
		Refused: map[string][]cty.Value{
			"address": {str(""), str("alice"), str("Alice@example.com"), str("alice@Example.com"), str("@example.com"), str("a/b@example.com"),
				str("#a@example.com"), str("a+b@example.com"), str("a&b@example.com"), str("a\nb@example.com"), str("*@example.com"), str("a@" + strings.Repeat(strings.Repeat("a", 63)+".", 3) + "example")},
			"password_hash": {list("correct horse battery staple"), list(""), list(quickstart, quickstart), list("$6$a\tb$c")},
			"protocols":     {list("imap", "smtp"), list("IMAP"), list("pop3", "imap")},
			"mail":          {str("on"), str("")},
			"sieve":         {str("keep;")},
			"quota":         {num(1 << 41)},
		},
		Many: many,
	}
}
