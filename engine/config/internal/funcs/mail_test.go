package funcs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A keyring is a directory of keys and certificates, made anew for each run.
type keyring struct {
	dir               string
	rsa, ed25519      string // what dkim makes of them
	cert, certSPKI    []byte
	privateSubstrings []string
}

func newKeyring(t *testing.T) keyring {
	t.Helper()
	k := keyring{dir: t.TempDir()}
	write := func(name string, blocks ...*pem.Block) {
		var text []byte
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}
		if err := os.WriteFile(filepath.Join(k.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fatal := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	big2048, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(err)
	spki, err := x509.MarshalPKIXPublicKey(&big2048.PublicKey)
	fatal(err)
	write("rsa.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	write("rsa1.pem", &pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&big2048.PublicKey)})
	private := x509.MarshalPKCS1PrivateKey(big2048)
	write("private.pem", &pem.Block{Type: "RSA PRIVATE KEY", Bytes: private})
	k.privateSubstrings = []string{base64.StdEncoding.EncodeToString(private)[100:140]}
	k.rsa = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(spki)
	fatal(os.WriteFile(filepath.Join(k.dir, "rsa.b64"), []byte(base64.StdEncoding.EncodeToString(spki)+"\n"), 0o600))

	// A key of 1024 bits is not made any more; one that is there is read.
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1))
	short, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	fatal(err)
	write("short.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: short})

	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	fatal(err)
	edSPKI, err := x509.MarshalPKIXPublicKey(edPublic)
	fatal(err)
	write("ed25519.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: edSPKI})
	k.ed25519 = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic)

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	ecSPKI, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	fatal(err)
	write("ec.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: ecSPKI})

	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, NotAfter: time.Unix(4e9, 0)}
	k.cert, err = x509.CreateCertificate(rand.Reader, template, template, edPublic, edPrivate)
	fatal(err)
	parsed, err := x509.ParseCertificate(k.cert)
	fatal(err)
	k.certSPKI = parsed.RawSubjectPublicKeyInfo
	block := &pem.Block{Type: "CERTIFICATE", Bytes: k.cert}
	write("cert.pem", block)
	write("chain.pem", block, block)
	write("bad.pem", &pem.Block{Type: "CERTIFICATE", Bytes: []byte("no")})
	return k
}

// Each call makes a text.
func TestMailFunctions(t *testing.T) {
	k := newKeyring(t)
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	sum512 := func(b []byte) string { s := sha512.Sum512(b); return hex.EncodeToString(s[:]) }
	for _, tt := range []struct{ call, want string }{
		{`spf({})`, `v=spf1 -all`},
		{`spf({ policy = "none" })`, `v=spf1`},
		{`spf({ policy = "softfail", mx = true, a = "mail.example.com" })`, `v=spf1 mx a:mail.example.com ~all`},
		{`spf({ ip4 = ["192.0.2.1", "198.51.100.0/24"], ip6 = "2001:db8::/32", policy = "neutral" })`, `v=spf1 ip4:192.0.2.1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ?all`},
		{`spf({ include = ["_spf.Example.NET.", "bücher.example"] })`, `v=spf1 include:_spf.example.net include:xn--bcher-kva.example -all`},
		{`spf({ exists = "%%{i}._spf.%%{d2}", policy = "fail" })`, `v=spf1 exists:%{i}._spf.%{d2} -all`},
		{`spf({ redirect = "_spf.example.net" })`, `v=spf1 redirect=_spf.example.net`},
		{`spf({ include = [for i in range(10) : "n${i}.example"] })`, `v=spf1 include:n0.example include:n1.example include:n2.example include:n3.example include:n4.example include:n5.example include:n6.example include:n7.example include:n8.example include:n9.example -all`},
		{`dkim({ public_key = file("rsa.pem") })`, k.rsa},
		{`dkim({ public_key = file("rsa1.pem") })`, k.rsa},
		{`dkim({ public_key = file("rsa.b64") })`, k.rsa},
		{`dkim({ public_key = file("ed25519.pem") })`, k.ed25519},
		{`dkim({ public_key = file("ed25519.pem"), testing = true, strict = true, hashes = "sha256" })`, strings.Replace(k.ed25519, "k=ed25519;", "h=sha256; k=ed25519; t=y:s;", 1)},
		{`dkim({ revoked = true })`, `v=DKIM1; k=rsa; p=`},
		{`dmarc({ policy = "none" })`, `v=DMARC1; p=none`},
		{`dmarc({ policy = "reject", subdomain_policy = "none", absent_policy = "reject", pct = 50, adkim = "strict", aspf = "strict", rua = ["a@example.com", "mailto:b@example.com"], ruf = "c@example.com", fo = ["1", "d"] })`,
			`v=DMARC1; p=reject; sp=none; np=reject; adkim=s; aspf=s; pct=50; rua=mailto:a@example.com,mailto:b@example.com; ruf=mailto:c@example.com; fo=1:d`},
		{`mta_sts({ policy = mta_sts_policy({ mode = "none" }) })`, `v=STSv1; id=` + sum([]byte("version: STSv1\r\nmode: none\r\nmax_age: 604800\r\n"))[:32]},
		{`mta_sts_policy({ mode = "testing", mx = ["*.example.com", "Mail.example.net."], max_age = "1d" })`, "version: STSv1\r\nmode: testing\r\nmx: *.example.com\r\nmx: mail.example.net\r\nmax_age: 86400\r\n"},
		{`mta_sts_policy({ mode = "none", max_age = 60 })`, "version: STSv1\r\nmode: none\r\nmax_age: 60\r\n"},
		{`tls_rpt({ rua = "mailto:tls@example.com" })`, `v=TLSRPTv1; rua=mailto:tls@example.com`},
		{`tls_rpt({ rua = ["https://reports.example.net/a,b!c;d"] })`, `v=TLSRPTv1; rua=https://reports.example.net/a%2Cb%21c%3Bd`},
		{`tlsa(3, 1, 1, file("cert.pem"))`, "3 1 1 " + sum(k.certSPKI)},
		{`tlsa(3, 1, 1, file("chain.pem"))`, "3 1 1 " + sum(k.certSPKI)},
		{`tlsa(2, 0, 2, file("cert.pem"))`, "2 0 2 " + sum512(k.cert)},
		{`tlsa(3, 0, 0, file("cert.pem"))`, "3 0 0 " + hex.EncodeToString(k.cert)},
		{`ptr("::ffff:192.0.2.1")`, `1.2.0.192.in-addr.arpa.`},
		{`ptr("2001:db8::1")`, `1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.`},
		{`ptr("192.0.2.0/24")`, `2.0.192.in-addr.arpa.`},
		{`ptr("10.0.0.0/8")`, `10.in-addr.arpa.`},
		{`ptr("192.0.2.128/26")`, `128/26.2.0.192.in-addr.arpa.`},
		{`ptr("192.0.2.130", "192.0.2.128/26")`, `130.128/26.2.0.192.in-addr.arpa.`},
		{`ptr("192.0.2.130", "192.0.2.0/24")`, `130.2.0.192.in-addr.arpa.`},
		{`punycode("MAIL.example.com.")`, `mail.example.com`},
		{`unicode_domain("mail.example.com")`, `mail.example.com`},
		{`unicode_domain(punycode("straße.example"))`, `straße.example`},
		{`join("|", txt_chunks(""))`, ``},
		{`join("|", [for s in txt_chunks(join("", [for i in range(128) : "ü"])) : "${length(s)}"])`, `127|1`},
		{`templatestring(text, { a = 1 })`, `1-1`},
		{`nonsensitive(spf({ include = [nonsensitive(secretname)] }))`, `v=spf1 include:a.example -all`},
	} {
		v, err := evaluate(t, k.dir, tt.call)
		if err != nil {
			t.Errorf("%s: %v", tt.call, err)
			continue
		}
		if v, _ = v.Unmark(); v.AsString() != tt.want {
			t.Errorf("%s is\n%s, want\n%s", tt.call, v.AsString(), tt.want)
		}
	}
}

// What mailform refuses, and the words with which it does.
func TestMailFunctionErrors(t *testing.T) {
	k := newKeyring(t)
	for _, tt := range []struct{ call, want string }{
		{`spf("mx -all")`, `has to be an object, such as spf({`},
		{`spf({ polic = "fail" })`, `there is no attribute "polic" (did you mean "policy"?)`},
		{`spf({ zzzz = "fail" })`, `there is no attribute "zzzz"; there are mx, a,`},
		{`spf({ policy = "pass" })`, `the attribute "policy" has to be "fail", "softfail", "neutral" or "none", and is "pass": that would let everyone send`},
		{`spf({ policy = "+all" })`, `the attribute "policy" has to be`},
		{`spf({ ip4 = ["0.0.0.0/0"] })`, `wider than any`},
		{`spf({ ip4 = ["0.0.0.0/1", "128.0.0.0/1"] })`, `wider than any`},
		{`spf({ ip6 = ["::/0"] })`, `wider than any`},
		{`spf({ ip4 = ["2001:db8::1"] })`, `the attribute "ip4" has to be an IPv4 address or network`},
		{`spf({ ip4 = [null] })`, `the attribute "ip4" has a null`},
		{`spf({ mx = [] })`, `the attribute "mx" has to be a bool`},
		{`spf({ include = [for i in range(11) : "n${i}.example"] })`, `takes 11 look-ups`},
		{`spf({ exists = "%%{x}.example" })`, `begins no macro`},
		{`spf({ policy = "fail", redirect = "example.com" })`, `redirect is only heeded`},
		{`dkim({})`, `the attribute "public_key" is required`},
		{`dkim({ revoked = true, public_key = file("rsa.pem") })`, `"public_key" gives one`},
		{`dkim({ public_key = file("private.pem") })`, `it is a private key`},
		{`dkim({ public_key = file("short.pem") })`, `has 1024 bits`},
		{`dkim({ public_key = file("ec.pem") })`, `neither an RSA nor an ed25519 key`},
		{`dkim({ public_key = file("cert.pem") })`, `it is a PEM block "CERTIFICATE"`},
		{`dkim({ public_key = "YWJj" })`, `there is no public key in it`},
		{`dkim({ public_key = "*" })`, `neither PEM nor base64`},
		{`dkim({ public_key = file("rsa.pem"), hashes = ["sha1"] })`, `the attribute "hashes" has to be "sha256"`},
		{`dmarc({})`, `the attribute "policy" is required`},
		{`dmarc({ policy = "rejekt" })`, `(did you mean "reject"?)`},
		{`dmarc({ policy = "none", rua = "nobody" })`, `the attribute "rua" has to be a mail address`},
		{`dmarc({ policy = "none", pct = 101 })`, `the attribute "pct" has to be a whole number from 0 to 100`},
		{`dmarc({ policy = "none", fo = "1" })`, `without an address`},
		{`mta_sts({})`, `one of "id" and "policy"`},
		{`mta_sts({ id = "2026-01-31" })`, `holds '-'`},
		{`mta_sts_policy({ mode = "enforce" })`, `at least one MX`},
		{`mta_sts_policy({ mode = "enforce", mx = ["mail.*.com"] })`, `is no host name`},
		{`mta_sts_policy({ mode = "none", max_age = "400d" })`, `up to 31557600`},
		{`tls_rpt({ rua = [] })`, `nobody to report to`},
		{`tls_rpt({ rua = "http://example.com/" })`, `neither`},
		{`tlsa(4, 1, 1, file("cert.pem"))`, `"usage" parameter: the usage is 4`},
		{`tlsa(3, 2, 1, file("cert.pem"))`, `"selector" parameter: the selector is 2`},
		{`tlsa(3, 1, 3, file("cert.pem"))`, `"matching" parameter: the matching type is 3`},
		{`tlsa(3, 1, 0.5, file("cert.pem"))`, `"matching" parameter: has to be a whole number`},
		{`tlsa(3, 1, 1, file("private.pem"))`, `"certificate" parameter: it is a private key`},
		{`tlsa(3, 0, 1, file("rsa.pem"))`, `it is a public key`},
		{`tlsa(2, 0, 1, file("chain.pem"))`, `more than one block`},
		{`tlsa(3, 1, 1, file("bad.pem"))`, `is damaged`},
		{`tlsa(3, 1, 1, "abc")`, `no PEM block`},
		{`ptr("mail.example.com")`, `neither an address nor a network`},
		{`ptr("192.0.2.1", "198.51.100.0/28")`, `is not in the network`},
		{`ptr("192.0.2.1", "x")`, `is not a network`},
		{`ptr("192.0.2.0/24", "192.0.2.0/24")`, `is a network`},
		{`ptr("192.0.2.1", "192.0.2.0/24", "")`, `one too many`},
		{`ptr("192.0.0.0/20")`, `several networks`},
		{`ptr("2001:db8::/33")`, `several networks`},
		{`ptr("0.0.0.0/0")`, `everything`},
		{`punycode("a b.example")`, `no domain name`},
		{`punycode("192.0.2.1")`, `IP address`},
		{`unicode_domain("xn--a.example")`, `"xn--a.example"`},
		{`mail_address("al ice", "example.com")`, `no local part`},
		{`mail_address("alice", "com")`, `no domain name`},
		{`txt_chunks(join("", [for i in range(1000) : join("", [for j in range(100) : "x"])]))`, `at most 65279`},
		{`templatestring("$${a}", {})`, `has no variable "a"`},
		{`templatestring("$${templatestring(a, {})}", { a = "" })`, `no function named "templatestring"`},
		{`textencodebase64("ü", "us-ascii")`, `characters that us-ascii does not`},
		{`textencodebase64("a", "no")`, `is no encoding`},
		{`textdecodebase64("/w==", "UTF-8")`, `stand for nothing`},
		{`base64gunzip("YWI=")`, `not compressed by gzip`},
		{`urldecode("%zz")`, `hexadecimal`},
		{`uuidv5("x", "a")`, `is no namespace`},
		{`timecmp("2026-01-31", "2026-01-31T12:00:00Z")`, `"timestamp_a" parameter: "2026-01-31" is not a time`},
		{`timecmp("2026-01-31T12:00:00Z", "")`, `"timestamp_b"`},
		{`cidrcontains("192.0.2.0/24", "2001:db8::1")`, `not of one family`},
		{`cidrcontains("192.0.2.0/24", "x")`, `neither an address nor a network`},
		{`filesha256("no")`, `there is no file "no"`},
		{`coalesce("", null)`, `neither null nor an empty string`},
	} {
		v, err := evaluate(t, k.dir, tt.call)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %#v, error %v, want one with %q", tt.call, v, err, tt.want)
			continue
		}
		for _, secret := range k.privateSubstrings {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows a private key", tt.call)
			}
		}
	}
}

// A record of what is not known yet is not known yet; what is known is checked.
func TestMailFunctionsOfUnknown(t *testing.T) {
	for _, call := range []string{`spf({ include = [unknown] })`, `spf(any)`, `dkim({ public_key = unknown })`, `tlsa(3, 1, 1, unknown)`, `ptr(unknown)`, `mta_sts({ policy = unknown })`, `txt_chunks(unknown)`} {
		v, err := evaluate(t, t.TempDir(), call)
		if err != nil || v.IsKnown() {
			t.Errorf("%s: %#v, %v", call, v, err)
		}
	}
	if _, err := evaluate(t, t.TempDir(), `spf({ include = [unknown], policy = "pass" })`); err == nil {
		t.Error("what is known was not checked")
	}
	v, err := evaluate(t, t.TempDir(), `spf({ include = [secretname] })`)
	if err != nil || !v.HasMark(testMark{}) {
		t.Errorf("of a sensitive value: %#v, %v", v, err)
	}
}
