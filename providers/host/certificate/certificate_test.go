package certificate_test

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
)

func TestEnsure(t *testing.T) {
	dir, h := t.TempDir(), host.Local()
	long := strings.Repeat("a", 60) + ".mail.example.com"
	serial := ""
	for _, step := range []struct {
		hostname string
		anew     bool
	}{{"mail.example.com", true}, {"mail.example.com", false}, {"mx.example.com", true}, {long, true}, {long, false}} {
		p, err := certificate.Ensure(t.Context(), h, dir, step.hostname, "")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := pair.Leaf.VerifyHostname(step.hostname); err != nil {
			t.Error(err)
		}
		if anew := pair.Leaf.SerialNumber.String() != serial; anew != step.anew {
			t.Errorf("for %s it was made anew: %v", step.hostname, anew)
		}
		serial = pair.Leaf.SerialNumber.String()
		if info, err := os.Stat(p.Key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key has the permissions %v, %v", info.Mode(), err)
		}
		if good, err := certificate.Good(t.Context(), h, dir, step.hostname); err != nil || !good {
			t.Errorf("good: %v, %v", good, err)
		}
	}
	if good, err := certificate.Good(t.Context(), h, dir, "other.example.com"); err != nil || good {
		t.Errorf("good for another name: %v, %v", good, err)
	}
}
