package embedded_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Verifiers as a configuration has them; nobody logs in with them here.
const (
	aHash       = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$c2VjcmV0LWRpZ2VzdC1vZi1hLXRlc3Q"
	anotherHash = "{SCRAM-SHA-256}4096$c2FsdHNhbHRzYWx0$c3RvcmVkLWtleQ==$c2VydmVyLWtleQ=="
)

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	list = providertest.List
)

type attrs = map[string]cty.Value

// samples has one of each kind that the embedded provider keeps, with ports that
// are free on this machine.
func samples(t *testing.T) map[string]providertest.Sample {
	return map[string]providertest.Sample{
		schema.KindDKIMKey:     dkimKeys(),
		schema.KindSetting:     settings(t),
		schema.KindMailDomain:  mailDomains(),
		schema.KindMailbox:     mailboxes(),
		schema.KindRoute:       routes(),
		schema.KindListener:    listeners(t),
		schema.KindLookup:      lookups(),
		schema.KindFilter:      filters(),
		schema.KindResolver:    resolvers(),
		schema.KindInbound:     inbound(),
		schema.KindLimit:       clientLimits(),
		schema.KindDNSBL:       dnsbls(),
		schema.KindGreylist:    greylists(),
		schema.KindOAuth:       oauths(),
		schema.KindProxy:       proxies(),
		schema.KindTimeZone:    timeZones(),
		schema.KindWebsite:     websites(t),
		schema.KindWebDomain:   webDomains(),
		schema.KindSmarthost:   smarthosts(),
		schema.KindSending:     sendings(),
		schema.KindUpkeep:      upkeeps(),
		schema.KindSharing:     sharings(),
		schema.KindAppPassword: appPasswords(),
		schema.KindSecondary:   secondaries(),
		schema.KindRateLimit:   rateLimits(),
		schema.KindDNSSEC:      signings(),
		schema.KindZone:        providertest.ZoneSample(),
		schema.KindRRset:       providertest.RRsetSample(),
	}
}

// many makes a large batch.
func many(n int, one func(i int) schema.Resource) []schema.Resource {
	rs := make([]schema.Resource, n)
	for i := range rs {
		rs[i] = one(i)
	}
	return rs
}

// longDomain is a domain name of 253 bytes, with labels of 63.
var longDomain = strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 57) + ".net"

func dkimKey(domain, selector, algorithm string, bits int64) schema.Resource {
	return providertest.Resource(schema.KindDKIMKey, domain+"/"+selector, attrs{
		"domain": str(domain), "selector": str(selector), "algorithm": str(algorithm), "bits": num(bits),
	})
}

func dkimKeys() providertest.Sample {
	return providertest.Sample{
		Good: dkimKey("example.com", "s1", "ed25519", 0),
		Odd: map[string]schema.Resource{
			"an RSA key":                 dkimKey("example.com", "rsa", "rsa", 2048),
			"a selector of two labels":   dkimKey("example.com", "2024.mail", "ed25519", 0),
			"an internationalised name":  dkimKey("xn--bcher-kva.example", "s1", "ed25519", 0),
			"a selector with underscore": dkimKey("example.com", "a_b", "ed25519", 0),
		},
		Refused: map[string][]cty.Value{
			"domain":    {str(""), str("Example.com"), str("example.com."), str("bücher.example"), str("a b"), str(strings.Repeat("a", 300))},
			"selector":  {str(""), str("a b"), str(strings.Repeat("a", 64))},
			"algorithm": {str(""), str("dsa"), str("RSA")},
			"bits":      {num(1)},
		},
		Many: many(50, func(i int) schema.Resource { return dkimKey("example.net", fmt.Sprint("s", i), "ed25519", 0) }),
	}
}

func setting(key string, change attrs) schema.Resource {
	a := attrs{
		"hostname": str("mail.example.com"), "addresses": list("192.0.2.25", "2001:db8::25"),
		"message_size_limit": num(50 << 20), "retention": num(30 * 86400),
		"tls_certificate": str(""), "tls_key": str(""), "relay_host": str(""),
		"retry": cty.ListVal([]cty.Value{num(60), num(3600)}),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindSetting, key, a)
}

func settings(t *testing.T) providertest.Sample {
	cert, key, sameCert, sameKey := pemFilesTwice(t)
	return providertest.Sample{
		Good: setting("main", attrs{"tls_certificate": str(cert), "tls_key": str(key)}),
		Changed: attrs{
			"hostname": str("mx.example.com"), "addresses": list("192.0.2.26"), "relay_host": str("relay.example.net:587"),
			"tls_certificate": str(sameCert), "tls_key": str(sameKey),
			"retry": cty.ListVal([]cty.Value{num(30)}),
		},
		Odd: map[string]schema.Resource{
			"empty lists":          setting("main", attrs{"addresses": list(), "retry": cty.ListValEmpty(cty.Number)}),
			"no limits":            setting("main", attrs{"message_size_limit": num(0), "retention": num(0)}),
			"a very large limit":   setting("main", attrs{"message_size_limit": num(1<<63 - 1)}),
			"its own certificate":  setting("main", nil),
			"a long label":         setting(strings.Repeat("x", 255), nil),
			"a label with slashes": setting(`a/b\c"d;e é`, nil),
		},
		Refused: map[string][]cty.Value{
			"hostname":  {str(""), str("a b"), str("-.example.com"), str("192.0.2.1")},
			"retention": {cty.MustParseNumberVal("9223372036854775807")},
			"retry":     {cty.ListVal([]cty.Value{num(0)}), cty.ListVal([]cty.Value{num(-1)})},
			// One without the other.
			"tls_certificate": {str("")},
			"tls_key":         {str("")},
		},
		Many: many(20, func(i int) schema.Resource { return setting(fmt.Sprint("s", i), nil) }),
	}
}

// pemFilesTwice is pemFiles, with each file also under another name.
func pemFilesTwice(t *testing.T) (cert, key, sameCert, sameKey string) {
	t.Helper()
	cert, key = pemFiles(t)
	sameCert, sameKey = cert+".copy", key+".copy"
	for from, to := range map[string]string{cert: sameCert, key: sameKey} {
		if err := os.Link(from, to); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, sameCert, sameKey
}

// pemFiles writes a certificate for mail.example.com and its key.
func pemFiles(t *testing.T) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mail.example.com"}, Subject: pkix.Name{CommonName: "mail.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", certDER), write("key.pem", "PRIVATE KEY", keyDER)
}

func mailDomain(name string) schema.Resource {
	return providertest.Resource(schema.KindMailDomain, name, attrs{"name": str(name)})
}

func mailDomains() providertest.Sample {
	return providertest.Sample{
		Good: mailDomain("example.com"),
		Odd: map[string]schema.Resource{
			"a name of 253 bytes":       mailDomain(longDomain),
			"an internationalised name": mailDomain("xn--bcher-kva.example"),
			"digits and hyphens":        mailDomain("1-2.3--4x.example"),
		},
		Refused: map[string][]cty.Value{"name": {
			str(""), str("example"), str("Example.com"), str("example.com."), str("bücher.example"), str("a..b"), str("a@b.example"),
			str(`a"b.example`), str(`a\b.example`), str("a;b.example"), str("a b.example"), str("a\x00b.example"), str(longDomain + "x"),
		}},
		Many: many(1000, func(i int) schema.Resource { return mailDomain(fmt.Sprintf("d%d.example", i)) }),
	}
}

func mailbox(address string, change attrs) schema.Resource {
	a := attrs{
		"address": str(address), "password_hash": list(aHash), "quota": num(1 << 30),
		"protocols": list("imap", "pop3"), "mail": str("enabled"), "sieve": cty.NullVal(cty.String),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindMailbox, address, a)
}

func mailboxes() providertest.Sample {
	return providertest.Sample{
		Needs: []schema.Resource{mailDomain("example.com")},
		Good:  mailbox("alice@example.com", nil),
		Changed: attrs{
			"password_hash": list(aHash, anotherHash), "protocols": list("imap"), "mail": str("disabled"),
			"sieve": str("require \"fileinto\";\r\nfileinto \"Lists\"; # <&> é\n"),
		},
		Odd: map[string]schema.Resource{
			"empty lists and no quota":  mailbox("empty@example.com", attrs{"password_hash": list(), "protocols": list(), "quota": num(0)}),
			"a local part of 64 bytes":  mailbox(strings.Repeat("l", 64)+"@example.com", nil),
			"a domain of 253 bytes":     mailbox("a@"+longDomain, nil),
			"every character":           mailbox("a.b!#$%&'*+-/=?^_`{|}~@example.com", nil),
			"an internationalised name": mailbox("a@xn--bcher-kva.example", nil),
			"a very large quota":        mailbox("a@example.com", attrs{"quota": num(1<<63 - 1)}),
			"a forward":                 mailbox("a@example.com", attrs{"mail": str("forward")}),
			"markup in a hash":          mailbox("a@example.com", attrs{"password_hash": list("$6$<&>é$c2VjcmV0")}),
		},
		Refused: map[string][]cty.Value{
			"address": {
				str(""), str("alice"), str("Alice@example.com"), str("alice@Example.com"), str("@example.com"), str("alice@"),
				str(`"a b"@example.com`), str("a;b@example.com"), str("jürgen@example.com"), str("alice@bücher.example"),
				str(strings.Repeat("l", 65) + "@example.com"), str("a\nb@example.com"),
			},
			"password_hash": {list("correct horse battery staple"), list(aHash, "hunter2"), list(""), list("$argon2id$v=19$m=65536,t=3,p=1$incomplete")},
			"protocols":     {list("imap", "smtp"), list("IMAP"), list("")},
			"mail":          {str("on"), str("Enabled")},
			"sieve":         {str("kepe;"), str(`fileinto "Lists";`), str("keep")},
		},
		Many: many(1000, func(i int) schema.Resource { return mailbox(fmt.Sprintf("u%d@example.com", i), nil) }),
	}
}

func route(address, kind string, keep bool, members ...string) schema.Resource {
	return providertest.Resource(schema.KindRoute, address, attrs{
		"address": str(address), "type": str(kind), "members": list(members...), "keep_copy": cty.BoolVal(keep),
	})
}

func routes() providertest.Sample {
	return providertest.Sample{
		Needs: []schema.Resource{mailDomain("example.com")},
		Good:  route("sales@example.com", "alias", false, "alice@example.com", "bob@example.net"),
		Changed: attrs{
			"type": str("forward"), "members": list("carol@example.org"),
		},
		Odd: map[string]schema.Resource{
			"no members":      route("empty@example.com", "alias", false),
			"a catch-all":     route("@example.com", "catch_all", false, "alice@example.com"),
			"a kept copy":     route("alice@example.com", "forward", true, "alice@example.net"),
			"one member many": route("many@example.com", "alias", false, repeat("m%03d@example.net", 500)...),
			"every character": route("a.b!#$%&'*+-/=?^_`{|}~@example.com", "alias", false, "c.d!#$%&'*+-/=?^_`{|}~@example.net"),
			"long names":      route(strings.Repeat("l", 64)+"@"+longDomain, "alias", false, strings.Repeat("m", 64)+"@"+longDomain),
			"itself":          route("self@example.com", "alias", false, "self@example.com"),
		},
		Refused: map[string][]cty.Value{
			"address": {str(""), str("sales"), str("Sales@example.com"), str("@example.com")},
			"type":    {str(""), str("list"), str("Alias")},
			"members": {list(""), list("alice"), list("Alice@example.com"), list("alice@example.com", "x y@example.com")},
		},
		Many: many(1000, func(i int) schema.Resource {
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

func listener(owner, service string, listen, listenTLS cty.Value) schema.Resource {
	return providertest.Resource(schema.KindListener, owner+"/"+service, attrs{
		"owner": str(owner), "service": str(service), "hostname": str("mail.example.com"), "listen": listen, "listen_tls": listenTLS,
	})
}

func listeners(t *testing.T) providertest.Sample {
	p := freePorts(t, 20)
	return providertest.Sample{
		Needs:   []schema.Resource{setting("main", nil)},
		Good:    listener("main", "smtp", list(p[0]), list()),
		Changed: attrs{"hostname": str("mx.example.com"), "listen": list(p[1]), "listen_tls": list(p[2])},
		Odd: map[string]schema.Resource{
			"empty lists":          listener("main", "imap", list(), list()),
			"two plain, one TLS":   listener("main", "imap", list(p[0:2]...), list(p[2])),
			"UDP and TCP":          listener("ns", "dns", list(p[0]), list()),
			"TLS alone":            listener("main", "pop3", list(), list(p[0])),
			"submission":           listener("main", "submission", list(p[0]), list(p[1])),
			"a label of 255 bytes": listener(strings.Repeat("x", 255), "smtp", list(p[0]), list()),
		},
		Refused: map[string][]cty.Value{
			"owner":      {str("")},
			"service":    {str(""), str("ftp"), str("SMTP")},
			"hostname":   {str(""), str("a b")},
			"listen":     {list("localhost:2525"), list("2525"), list("127.0.0.1:0"), list("127.0.0.1:65536"), list("")},
			"listen_tls": {list("localhost:2525"), list("")},
		},
		Many: many(10, func(i int) schema.Resource { return listener(fmt.Sprint("l", i), "smtp", list(p[10+i]), list()) }),
	}
}

// freePorts are addresses that are free for TCP and UDP.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		out = append(out, porttest.Addr(t))
	}
	slices.Sort(out) // as they are declared
	return out
}

func rateLimit(owner string, change attrs) schema.Resource {
	a := attrs{"owner": str(owner), "responses_per_second": num(100), "exempt": list("192.0.2.0/24", "2001:db8::/32")}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindRateLimit, owner, a)
}

func rateLimits() providertest.Sample {
	return providertest.Sample{
		Good:    rateLimit("ns1", nil),
		Changed: attrs{"responses_per_second": num(0), "exempt": list()},
		Odd:     map[string]schema.Resource{"the highest limit": rateLimit("ns2", attrs{"responses_per_second": num(1_000_000)})},
		Refused: map[string][]cty.Value{
			"owner":                {str("")},
			"responses_per_second": {num(-1), num(1_000_001)},
			"exempt":               {list("192.0.2.1"), list("192.0.2.1/24"), list("a"), list("2001:db8::/32", "192.0.2.0/24")},
		},
		Many: many(50, func(i int) schema.Resource { return rateLimit(fmt.Sprintf("many%d", i), nil) }),
	}
}
