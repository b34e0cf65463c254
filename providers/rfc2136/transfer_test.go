package rfc2136_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/rfc2136"
)

func TestParseTSIG(t *testing.T) {
	for text, want := range map[string]string{
		"key \"Transfer\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n":                "transfer",
		"# hmac-sha256:x:y\nkey x.example { /* a */ secret c2VjcmV0; algorithm HMAC-SHA512; } // z": "x.example",
	} {
		if k, err := rfc2136.ParseTSIG(text); err != nil || k.String() != want || strings.Contains(fmt.Sprintf("%#v %v", k, k), "c2VjcmV0") {
			t.Errorf("%q is the key %#v, %v", text, k, err)
		}
	}
	const secret = "c2VjcmV0IHNlY3JldA"
	for _, text := range []string{
		"", "key", "key x {}", "key x { algorithm hmac-sha256; }", "key x { secret " + secret + "; }", "key x { algorithm hmac-sha256; secret " + secret + " };",
		"key x { algorithm hmac-sha256; secret \"" + secret + "; };", "key x { algorithm hmac-nonsense; secret " + secret + "==; };", "key x { algorithm hmac-sha256; secret " + secret + "; };",
		"key x { algorithm hmac-sha256; secret " + secret + "==; }; key y {};", "key a..b { algorithm hmac-sha256; secret " + secret + "==; };", "/* key",
	} {
		if _, err := rfc2136.ParseTSIG(text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseTSIG(f *testing.F) {
	f.Add("key \"a\" { algorithm hmac-sha256; secret \"c2VjcmV0\"; };")
	f.Add("/* */ key a{secret b;algorithm hmac-md5;}//")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := rfc2136.ParseTSIG(text); err == nil && k.String() == "" {
			t.Errorf("%q is a key without a name", text)
		}
	})
}

// A transfer is given to the key that may read, and to nobody else.
func TestTransfer(t *testing.T) {
	s := nametest.BIND(t, nametest.Options{Zones: map[string]string{"example.org": nametest.Zone("example.org", "www A 192.0.2.1")}})
	key := func(name, secret string) *rfc2136.TSIG {
		k, err := rfc2136.ParseTSIG(fmt.Sprintf("key %q { algorithm hmac-sha256; secret %q; };", name, secret))
		if err != nil {
			t.Fatal(err)
		}
		return &k
	}
	records, err := rfc2136.Transfer(t.Context(), s.Addr, "example.org.", key(nametest.ReadKey, nametest.ReadSecret))
	if err != nil || len(records) != 5 {
		t.Errorf("%d records, %v", len(records), err)
	}
	if _, err := rfc2136.Transfer(t.Context(), s.Addr, "example.org.", nil); !errors.Is(err, rfc2136.ErrRefused) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := rfc2136.Transfer(t.Context(), s.Addr, "example.org.", key(nametest.ReadKey, "d3Jvbmc=")); !errors.Is(err, rfc2136.ErrKey) {
		t.Errorf("with a wrong secret: %v", err)
	}
}
