package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/mailform/mailform/providers/embedded/store"
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

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// fakeKeys are keys by domain.
type fakeKeys struct {
	keys map[string][]store.DKIMKey
	err  error
}

func (f fakeKeys) DKIMKeys(_ context.Context, domain string) ([]store.DKIMKey, error) {
	return f.keys[domain], f.err
}

// lookupTXT is the DNS of the test: both public keys under their selectors.
func lookupTXT(name string) ([]string, error) {
	for algorithm, key := range testKeys() {
		if !strings.HasPrefix(name, algorithm+"._domainkey.") {
			continue
		}
		var public []byte
		switch p := key.Public().(type) {
		case *rsa.PublicKey:
			der, err := x509.MarshalPKIXPublicKey(p)
			if err != nil {
				return nil, err
			}
			public = der
		case ed25519.PublicKey:
			public = p
		}
		return []string{"v=DKIM1; k=" + algorithm + "; p=" + base64.StdEncoding.EncodeToString(public)}, nil
	}
	return nil, fmt.Errorf("no such name: %s", name)
}

func verify(t *testing.T, message string) []*msgauth.Verification {
	t.Helper()
	vs, err := msgauth.VerifyWithOptions(strings.NewReader(message), &msgauth.VerifyOptions{LookupTXT: lookupTXT})
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

const mail = "From: Alice\r\n <alice@d.test>\r\nTo: bob@d.test\r\nSubject: hi  there\r\nReceived: x\r\n" +
	"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\nHello\r\n\r\nworld \r\n\r\n\r\n"

func signer(t *testing.T, algorithms ...string) *Signer {
	var keys []store.DKIMKey
	for _, a := range algorithms {
		keys = append(keys, store.DKIMKey{Domain: "d.test", Selector: a, Algorithm: a, PrivatePEM: pkcs8(t, testKeys()[a])})
	}
	return New(fakeKeys{keys: map[string][]store.DKIMKey{"d.test": keys}})
}

func TestSignaturesVerify(t *testing.T) {
	for name, algorithms := range map[string][]string{
		"rsa": {"rsa"}, "ed25519": {"ed25519"}, "both while keys change": {"rsa", "ed25519"},
	} {
		for what, text := range map[string]string{
			"a message": mail, "no body": "From: a@d.test\r\n\r\n",
			"a large body":          "From: a@d.test\r\n\r\n" + strings.Repeat("0123456789\r\n", 100_000),
			"a long field":          "From: a@d.test\r\nSubject: " + strings.Repeat("x", 20_000) + "\r\n\r\nx\r\n",
			"no line end at end":    "From: a@d.test\r\n\r\nx",
			"UTF-8 and many fields": "From: \u00e4@d.test\r\n" + strings.Repeat("List-Id: x\r\n", 20) + "\r\n\u00e4\r\n",
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				fields, err := signer(t, algorithms...).Sign(context.Background(), "d.test", strings.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				vs := verify(t, "Return-Path: <>\r\nReceived: y\r\n"+string(fields)+text)
				if len(vs) != len(algorithms) {
					t.Fatalf("%d signatures", len(vs))
				}
				for _, v := range vs {
					if v.Err != nil || v.Domain != "d.test" {
						t.Errorf("%+v", v)
					}
				}
				if n := strings.Count(string(fields), "c=relaxed/relaxed"); n != len(algorithms) {
					t.Errorf("fields %s", fields)
				}
			})
		}
	}
}

func TestChangesBreakASignature(t *testing.T) {
	fields, err := signer(t, "rsa").Sign(context.Background(), "d.test", strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text  string
		holds bool
	}{
		"nothing":                  {mail, true},
		"another Received":         {"Received: z\r\n" + mail, true},
		"a list's Reply-To":        {"Reply-To: list@x.test\r\n" + mail, true},
		"space that does not tell": {strings.Replace(mail, "hi  there", "hi there", 1), true},
		"the body":                 {strings.Replace(mail, "Hello", "Hullo", 1), false},
		"the subject":              {strings.Replace(mail, "hi ", "ho ", 1), false},
		"a second From":            {"From: eve@x.test\r\n" + mail, false},
		"a second Subject":         {"Subject: x\r\n" + mail, false},
		"a Content-Type":           {"Content-Type: text/html\r\n" + mail, false},
	} {
		t.Run(name, func(t *testing.T) {
			vs := verify(t, string(fields)+tt.text)
			if len(vs) != 1 || (vs[0].Err == nil) != tt.holds {
				t.Errorf("%+v", vs[0])
			}
		})
	}
}

func TestADomainWithoutKeysIsNotSigned(t *testing.T) {
	fields, err := signer(t, "rsa").Sign(context.Background(), "other.test", iotestNever{t})
	if err != nil || len(fields) > 0 {
		t.Errorf("got %q, %v", fields, err)
	}
}

// iotestNever is not to be read.
type iotestNever struct{ t *testing.T }

func (r iotestNever) Read([]byte) (int, error) {
	r.t.Error("the message was read")
	return 0, io.EOF
}

func TestSigningFails(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	trouble := errors.New("trouble")
	for name, tt := range map[string]struct {
		keys fakeKeys
		text string
		want error
	}{
		"no PEM":                  {withKey([]byte("c2VjcmV0")), mail, ErrKey},
		"no key":                  {withKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("c2VjcmV0")})), mail, ErrKey},
		"a key that cannot sign":  {withKey(pkcs8(t, ec)), mail, ErrKey},
		"trouble with the store":  {fakeKeys{err: trouble}, mail, trouble},
		"a message without a end": {withKey(pkcs8(t, testKeys()["ed25519"])), "From: a@d.test\r\n", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.keys).Sign(context.Background(), "d.test", strings.NewReader(tt.text))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v", err)
			}
			if bytes.Contains([]byte(err.Error()), []byte("c2VjcmV0")) {
				t.Errorf("the key is in the error: %v", err)
			}
		})
	}
}

func withKey(p []byte) fakeKeys {
	return fakeKeys{keys: map[string][]store.DKIMKey{"d.test": {{Domain: "d.test", Selector: "s", PrivatePEM: p}}}}
}
