package dovecot_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/dovecot"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Verifiers as a configuration has them; nobody logs in with them here.
const (
	aHash       = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$c2VjcmV0LWRpZ2VzdC1vZi1hLXRlc3Q"
	anotherHash = "{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0,c3RvcmVkLWtleQ==,c2VydmVyLWtleQ=="
	aCrypt      = "$6$salt$digest"
)

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	list = providertest.List
)

type attrs = map[string]cty.Value

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance(t, host.Local(), mailtest.Dovecot)
}

// Dovecot 2.4, whose settings are called otherwise.
func TestConformance24(t *testing.T) {
	t.Parallel()
	conformance(t, host.Local(), mailtest.Dovecot24)
}

func TestConformanceBySSH(t *testing.T) {
	t.Parallel()
	conformance(t, hosttest.SSHD(t).Host(t), mailtest.Dovecot24, schema.KindMailbox)
}

// conformance tries a host with kinds, or with all.
func conformance(t *testing.T, on host.Host, instance func(testing.TB) *mailtest.DovecotInstance, kinds ...string) {
	t.Helper()
	if len(kinds) == 0 {
		kinds = []string{schema.KindMailStore, schema.KindParameter, schema.KindListener, schema.KindMailbox, schema.KindLookup, schema.KindSubmission}
	}
	providertest.Run(t, providertest.Harness{
		Atomic: true,
		Far:    on != host.Local(),
		// A service that is to run has no other state; see TestService.
		Untried: providertest.Others("Dovecot has none, or it is tried on this machine", kinds...),
		New: func(t *testing.T) *providertest.System {
			d := instance(t)
			sys := &providertest.System{
				Provider: func(lineage string) providers.Provider {
					p := configured(t, d, lineage)
					p.Through(on)
					return p
				},
				Samples: samples(t, d),
				// It rests until it is killed for the first time, and runs from then on.
				Kill: func(t *testing.T) { d.Kill(t); d.Start(t) },
			}
			sys.Tamper = func(t *testing.T, r schema.Resource) {
				if r.Kind == schema.KindLookup && !r.Attrs.IsNull() {
					editURL(t, d, r.Attrs.GetAttr("url").AsString())
					return
				}
				providertest.Tamper(t, sys.Provider("33333333-3333-4333-8333-333333333333"), r)
			}
			return sys
		},
	})
}

// editURL has Dovecot ask another directory, by hand.
func editURL(t *testing.T, d *mailtest.DovecotInstance, url string) {
	t.Helper()
	path := filepath.Join(d.ConfigDir, "mailform/directory.conf.ext")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "uris = "+providertest.LookupURL, "uris = "+url)), 0o640); err != nil {
		t.Fatal(err)
	}
}

// configured is a provider for an instance.
func configured(t testing.TB, d *mailtest.DovecotInstance, lineage string) *dovecot.Provider {
	t.Helper()
	return configuredWith(t, d, lineage, cty.NullVal(cty.EmptyObject))
}

// configuredWith is one whose users are in a database, where there is a block sql.
func configuredWith(t testing.TB, d *mailtest.DovecotInstance, lineage string, sql cty.Value) *dovecot.Provider {
	t.Helper()
	p := &dovecot.Provider{}
	diags := p.Configure(t.Context(), providers.Config{Lineage: lineage, Dir: d.ConfigDir, Value: cty.ObjectVal(attrs{
		"config_dir": str(d.ConfigDir), "mail_dir": str(filepath.Join(d.ConfigDir, "mail")), "mail_user": str("mail"), "unit": cty.NullVal(cty.String), "program_dir": str(d.ProgramDir), "sql": sql,
	})})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func store() schema.Resource {
	return providertest.Resource(schema.KindMailStore, "main", attrs{
		"hostname": str("mail.example.com"), "retention": num(3600), "tls_certificate": str(""), "tls_key": str(""),
	})
}

func samples(t *testing.T, d *mailtest.DovecotInstance) map[string]providertest.Sample {
	reference := parameter("mail_attribute_dict", "file:$base_dir/attributes")
	if d.ProgramDir != "" {
		reference = parameter("mail_temp_dir", "$SET:base_dir/temporary")
	}
	certA, keyA := certificate(t, d.ConfigDir, "a")
	certB, keyB := certificate(t, d.ConfigDir, "b")
	return map[string]providertest.Sample{
		schema.KindMailStore: {Good: providertest.With(providertest.With(store(), "tls_certificate", certA), "tls_key", keyA),
			Changed: attrs{"hostname": str("mx.example.com"), "tls_certificate": certB, "tls_key": keyB},
			Odd:     map[string]schema.Resource{"a certificate of its own": store()},
			Refused: map[string][]cty.Value{"hostname": {str("a\nb"), str("a b")}, "tls_certificate": {str("relative.pem"), str("/a.pem\nssl = no")}, "tls_key": {str("")}}},
		schema.KindParameter: {
			Good: parameter("protocol imap/mail_max_userip_connections", "17"), Needs: []schema.Resource{store()},
			Changed: attrs{"value": str("19")},
			Odd: map[string]schema.Resource{
				"a value with what means something elsewhere": parameter("login_log_format", `a "b" 'c' \d # e`),
				"a value that is made of another":             reference,
				"a value that is empty":                       parameter("login_trusted_networks", ""),
			},
			Refused: map[string][]cty.Value{"value": {str("1\nssl = no")}},
		},
		schema.KindListener: listeners(t),
		schema.KindMailbox:  mailboxes(),
		schema.KindLookup:   providertest.LookupSample(store()),
		schema.KindSubmission: {
			Needs: []schema.Resource{store()},
			Good:  handing("127.0.0.1:10587"), Changed: attrs{"relay": str("127.0.0.2:10588")},
			Odd:     map[string]schema.Resource{"IPv6": handing("[::1]:10587")},
			Refused: map[string][]cty.Value{"relay": {str(""), str("127.0.0.1"), str("127.0.0.1:25\nssl = no")}},
		},
	}
}

func parameter(name, value string) schema.Resource {
	return providertest.Resource(schema.KindParameter, name, attrs{"name": str(name), "value": str(value)})
}

func listener(t *testing.T, service string, plain, tls []string) schema.Resource {
	slices.Sort(plain)
	slices.Sort(tls)
	return providertest.Resource(schema.KindListener, "main/"+service, attrs{
		"owner": str("main"), "service": str(service), "hostname": str("mail.example.com"), "listen": list(plain...), "listen_tls": list(tls...),
	})
}

func handing(relay string) schema.Resource {
	return providertest.Resource(schema.KindSubmission, "main", attrs{"owner": str("main"), "relay": str(relay)})
}

func listeners(t *testing.T) providertest.Sample {
	at := func() string { return porttest.Addr(t) }
	port := strconv.Itoa(porttest.Port(t))
	return providertest.Sample{
		Needs: []schema.Resource{store()},
		Good:  listener(t, "imap", []string{at()}, []string{at()}),
		Changed: attrs{
			"hostname": str("mx.example.com"), "listen": list(at()), "listen_tls": list(),
		},
		Odd: map[string]schema.Resource{
			"two addresses":   listener(t, "pop3", []string{at(), net.JoinHostPort("127.0.0.2", strconv.Itoa(porttest.Port(t)))}, nil),
			"TLS alone":       listener(t, "pop3", nil, []string{at()}),
			"every address":   listener(t, "pop3", []string{":" + port}, nil),
			"LMTP":            listener(t, "lmtp", []string{at()}, nil),
			"submission":      listener(t, "submission", []string{at()}, []string{at()}),
			"what others ask": listener(t, "auth", []string{at()}, nil),
		},
		Refused: map[string][]cty.Value{"service": {str("smtp")}, "listen": {list("nowhere"), list("127.0.0.1:143\nssl = no")}},
	}
}

func mailbox(address string, change attrs) schema.Resource {
	vals := attrs{"address": str(address), "password_hash": list(aHash), "quota": num(1 << 30), "protocols": list("imap", "pop3"), "mail": str("enabled"), "sieve": cty.NullVal(cty.String)}
	for k, v := range change {
		vals[k] = v
	}
	r := providertest.Resource(schema.KindMailbox, address, vals)
	return r
}

func mailboxes() providertest.Sample {
	many := make([]schema.Resource, 300)
	for i := range many {
		many[i] = mailbox(fmt.Sprintf("user%03d@example.com", i), nil)
	}
	return providertest.Sample{
		Needs: []schema.Resource{store()},
		Good:  mailbox("alice@example.com", nil),
		Changed: attrs{
			"password_hash": list(anotherHash, aCrypt), "protocols": list("pop3"), "mail": str("disabled"), "sieve": str("keep;\n"),
		},
		Odd: map[string]schema.Resource{
			"no password":              mailbox("no@example.com", attrs{"password_hash": list()}),
			"a SCRAM verifier alone":   mailbox("scram@example.com", attrs{"password_hash": list(anotherHash)}),
			"three verifiers":          mailbox("three@example.com", attrs{"password_hash": list(anotherHash, aHash, aCrypt)}),
			"no protocols":             mailbox("none@example.com", attrs{"protocols": list()}),
			"disabled, with protocols": mailbox("off@example.com", attrs{"mail": str("disabled"), "protocols": list("imap")}),
			"disabled, without":        mailbox("off2@example.com", attrs{"mail": str("disabled"), "protocols": list()}),
			"mail goes elsewhere":      mailbox("fwd@example.com", attrs{"mail": str("forward")}),
			"a script":                 mailbox("script@example.com", attrs{"sieve": str("# für Zoë: \"x\" $y %u\r\ndiscard;")}),
			"no quota":                 mailbox("all@example.com", attrs{"quota": num(0)}),
			"odd characters":           mailbox("a+b=c&d'e~f#g@example.com", nil),
		},
		Refused: map[string][]cty.Value{
			"password_hash": {list("plain"), list("$pbkdf2-sha256$1$a$b"), list("$6$a$b:root")},
			"protocols":     {list("nntp"), list("pop3", "imap")},
			"mail":          {str("lost")},
			"sieve":         {str(""), str("keep"), str("a\x00b")},
		},
		Many: many,
	}
}

// apply makes changes that have to be made, and tells what there is afterwards.
func apply(t *testing.T, p *dovecot.Provider, changes ...providers.Change) map[string]providers.Observed {
	t.Helper()
	err := p.Apply(t.Context(), changes, func(c providers.Change, _ providers.Observed, err error) error {
		if err != nil {
			t.Fatalf("%s %s: %v", c.Action, c.Resource.Key, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	have, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string]providers.Observed{}
	for _, o := range have {
		byKey[o.Kind+" "+o.Key] = o
	}
	return byKey
}

func TestService(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	p := configured(t, d, "11111111-1111-4111-8111-111111111111")
	runs := providertest.Resource(schema.KindService, "dovecot", attrs{"name": str("dovecot"), "running": cty.True})
	l := listener(t, "imap", []string{porttest.Addr(t)}, nil)
	have := apply(t, p, providers.Change{Action: providers.Create, Resource: store()}, providers.Change{Action: providers.Create, Resource: runs})
	if o, ok := have["service dovecot"]; !ok || o.Owner != runs.Address {
		t.Fatalf("it does not run: %v", have)
	}
	// A listener is opened without a restart.
	have = apply(t, p, providers.Change{Action: providers.Create, Resource: l})
	at := l.Attrs.GetAttr("listen").Index(cty.NumberIntVal(0)).AsString()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on %s: %v", at, err)
		}
	}
	// One that was killed is seen, and started again.
	running := have["service dovecot"]
	d.Kill(t)
	have = apply(t, p)
	if o, ok := have["service dovecot"]; ok {
		t.Errorf("after a kill it is %v", o)
	}
	have = apply(t, p, providers.Change{Action: providers.Create, Resource: runs})
	if _, ok := have["service dovecot"]; !ok {
		t.Errorf("it does not run again, as before: %v", running)
	}
	now := have["service dovecot"]
	have = apply(t, p, providers.Change{Action: providers.Delete, Resource: runs, Prior: &now})
	if o, ok := have["service dovecot"]; ok {
		t.Errorf("it runs still: %v", o)
	}
}

// A port that another program has is refused before Dovecot hears of it, which
// would otherwise end over it, with everybody's sessions.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	p := configured(t, d, "11111111-1111-4111-8111-111111111111")
	runs := providertest.Resource(schema.KindService, "dovecot", attrs{"name": str("dovecot"), "running": cty.True})
	apply(t, p, providers.Change{Action: providers.Create, Resource: store()}, providers.Change{Action: providers.Create, Resource: runs})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	change := providers.Change{Action: providers.Create, Resource: listener(t, "imap", []string{l.Addr().String()}, nil)}
	err = p.Apply(t.Context(), []providers.Change{change}, func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err == nil || !strings.Contains(err.Error(), "another program listens on port "+port) {
		t.Errorf("the error is: %v", err)
	}
	if _, running := apply(t, p)["service dovecot"]; !running {
		t.Error("Dovecot does not run any more")
	}
}
