package arc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKeys makes a key of each algorithm once.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"rsa": r, "ed25519": e}
})

// record is the text of a key's DNS record.
func record(selector string) string {
	switch k := testKeys()[selector].Public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			panic(err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k)
	}
	panic("no such key")
}

// lookup is the DNS of the tests: each domain has both keys, by selector.
func lookup(_ context.Context, name string) ([]string, error) {
	selector, _, _ := strings.Cut(name, ".")
	switch {
	case strings.HasSuffix(name, ".silent.test"):
		return nil, &net.DNSError{Err: "timeout", Name: name, IsTemporary: true, IsTimeout: true}
	case testKeys()[selector] == nil:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []string{record(selector)}, nil
}

const message = "From: Alice <alice@a.test>\r\nTo: list@l.test\r\nSubject:  folded\r\n\tsubject \r\n" +
	"Date: Thu, 26 Nov 2026 03:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n\r\nHello \t world  \r\n\r\nbye\r\n\r\n\r\n"

// sealed puts a further set on a message.
func sealed(t *testing.T, text, domain, selector string) string {
	t.Helper()
	chain, err := Validate(t.Context(), strings.NewReader(text), lookup)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := Seal(strings.NewReader(text), chain, "mx."+domain+"; dmarc=pass header.from=a.test",
		Key{domain, selector, testKeys()[selector]}, time.Unix(1795662000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + text
}

func TestChains(t *testing.T) {
	one := sealed(t, message, "l.test", "rsa")
	two := sealed(t, "Received: from l.test\r\n"+one, "m.test", "ed25519")
	for name, c := range map[string]struct{ text, status, reason string }{
		"a message without sets":                  {message, None, ""},
		"one set":                                 {one, Pass, ""},
		"two sets, of two algorithms":             {two, Pass, ""},
		"a field that nobody signs":               {"X-Spam: no\r\n" + two, Pass, ""},
		"blank lines more at the end":             {two + "\r\n\r\n", Pass, ""},
		"another body":                            {two + "more\r\n", Fail, "signature 2: the body is another one"},
		"another subject":                         {strings.Replace(two, "subject", "sabject", 1), Fail, "signature 2: the signature does not hold"},
		"other results in an old set":             {strings.Replace(two, "mx.l.test; dmarc=pass", "mx.l.test; dmarc=fail", 1), Fail, "seal 2: the signature does not hold"},
		"another seal's word on the chain":        {strings.Replace(two, "cv=pass", "cv=none", 1), Fail, "seal 2 says cv=none"},
		"a chain that failed before":              {strings.Replace(two, "cv=pass", "cv=fail", 1), Fail, "seal 2 says cv=fail"},
		"a set without its seal":                  {strings.Replace(one, "ARC-Seal:", "X-Seal:", 1), Fail, "set 1 is not whole"},
		"a set that is missing":                   {strings.ReplaceAll(one, " i=1;", " i=2;"), Fail, "set 1 is not whole"},
		"a field twice":                           {"ARC-Seal: i=1; d=x.test\r\n" + one, Fail, "set 1 has a field twice"},
		"a number beyond measure":                 {"ARC-Seal: i=51; d=x.test\r\n" + one, Fail, "arc-seal has no number"},
		"results without a number":                {"ARC-Authentication-Results: mx.test; i=1\r\n" + one, Fail, "arc-authentication-results: a tag has no value"},
		"a key that is not there":                 {strings.ReplaceAll(one, "s=rsa;", "s=none;"), Fail, "signature 1: there is no key"},
		"a signature that leaves From open":       {strings.Replace(one, "h=from:", "h=", 1), Fail, "signature 1: it does not sign what it has to"},
		"a signature of the wrong algorithm":      {strings.Replace(one, "a=rsa-sha256", "a=rsa-sha1", 2), Fail, "signature 1: unknown algorithm"},
		"a signature of a part of the body":       {strings.Replace(one, "c=relaxed/relaxed;", "c=relaxed/relaxed; l=1;", 1), Fail, "signature 1: it signs a part of the body only"},
		"an algorithm that is not that of a key":  {strings.ReplaceAll(one, "a=rsa-sha256", "a=ed25519-sha256"), Fail, "signature 1: the key cannot be used"},
		"the seal of somebody else on a new body": {strings.Replace(message, "Hello", "Buy", 1) + "", None, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Validate(t.Context(), strings.NewReader(c.text), lookup)
			if err != nil || got.Status != c.status || got.Reason != c.reason {
				t.Fatalf("%+v (%v), want %s %q", got, err, c.status, c.reason)
			}
		})
	}
	t.Run("a key that cannot be looked up is trouble and no failure", func(t *testing.T) {
		_, err := Validate(t.Context(), strings.NewReader(strings.ReplaceAll(one, "d=l.test", "d=silent.test")), lookup)
		if !errors.Is(err, ErrTemporary) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("who has sealed, and what he saw", func(t *testing.T) {
		got, _ := Validate(t.Context(), strings.NewReader(two), lookup)
		want := []Set{{"l.test", "mx.l.test; dmarc=pass header.from=a.test"}, {"m.test", "mx.m.test; dmarc=pass header.from=a.test"}}
		if len(got.Sets) != 2 || got.Sets[0] != want[0] || got.Sets[1] != want[1] {
			t.Errorf("%+v, want %+v", got.Sets, want)
		}
	})
	t.Run("nothing goes on top of a chain that does not hold", func(t *testing.T) {
		if bad := two + "more\r\n"; sealed(t, bad, "n.test", "rsa") != bad {
			t.Error("it was sealed")
		}
	})
}

// debianPython is the one that python3-dkim is for; there may be others.
const debianPython = "/usr/bin/python3"

// python runs dkimpy, which knows ARC.
func python(t *testing.T, script string, in any) string {
	t.Helper()
	if err := exec.Command(debianPython, "-c", "import dkim, dns").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim is missing")
		}
		t.Skip("python3-dkim is missing")
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(debianPython, "-c", "import dkim, json, sys\nd = json.load(sys.stdin)\nkeys = {k.encode(): v.encode() for k, v in d['keys'].items()}\n"+
		"def txt(name, timeout=5): return keys.get(name if isinstance(name, bytes) else name.encode())\n"+script)
	cmd.Dir = t.TempDir() // Python takes modules from where it runs
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return string(out)
}

func TestDKIMPyAgrees(t *testing.T) {
	type input struct {
		Keys    map[string]string `json:"keys"`
		Message string            `json:"message"`
		Private string            `json:"private"`
	}
	keys := map[string]string{"rsa._domainkey.l.test.": record("rsa"), "rsa._domainkey.m.test.": record("rsa")}
	one := sealed(t, message, "l.test", "rsa")
	two := sealed(t, one, "m.test", "rsa")
	for name, c := range map[string]struct{ text, want string }{
		"our first set":                      {one, "pass"},
		"our second set":                     {two, "pass"},
		"another body under our set":         {two + "more\r\n", "fail"},
		"other results in the first of ours": {strings.Replace(two, "mx.l.test; dmarc=pass", "mx.l.test; dmarc=fail", 1), "fail"},
	} {
		t.Run(name, func(t *testing.T) {
			got := python(t, "cv, results, why = dkim.arc_verify(d['message'].encode(), dnsfunc=txt)\nprint(cv.decode())", input{Keys: keys, Message: c.text})
			if strings.TrimSpace(got) != c.want {
				t.Errorf("dkimpy says %q, want %q", got, c.want)
			}
		})
	}
	t.Run("its set on top of ours", func(t *testing.T) {
		private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKeys()["rsa"].(*rsa.PrivateKey))})
		text := "Authentication-Results: m.test; arc=pass\r\n" + one
		got := python(t, "print(b''.join(dkim.arc_sign(d['message'].encode(), b'rsa', b'm.test', d['private'].encode(), b'm.test')).decode())",
			input{Keys: keys, Message: text, Private: string(private)})
		chain, err := Validate(t.Context(), strings.NewReader(strings.TrimRight(strings.ReplaceAll(strings.ReplaceAll(got, "\r\n", "\n"), "\n", "\r\n"), "\r\n")+"\r\n"+text), lookup)
		if err != nil || chain.Status != Pass || len(chain.Sets) != 2 || chain.Sets[1].Domain != "m.test" {
			t.Errorf("%+v (%v) of\n%s", chain, err, got)
		}
	})
}

func FuzzValidate(f *testing.F) {
	f.Add(message)
	f.Add("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=l.test; s=rsa; b=AAAA\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=l.test; s=rsa; h=from; bh=; b=\r\n" +
		"ARC-Authentication-Results: i=1; mx; none\r\n" + message)
	f.Fuzz(func(t *testing.T, text string) {
		chain, err := Validate(t.Context(), strings.NewReader(text), lookup)
		if err == nil && chain.Status == Pass {
			t.Errorf("a chain that nobody has sealed holds:\n%s", text)
		}
	})
}
