package clients

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates, by way of one between.
type authority struct {
	root, between *x509.Certificate
	key           crypto.Signer
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	rootKey := ecdsaKey(t)
	a.root = certificate(t, "root", true, nil, rootKey, rootKey.Public())
	a.key = ecdsaKey(t)
	a.between = certificate(t, "between", true, a.root, rootKey, a.key.Public())
	return a
}

func (a *authority) issue(t *testing.T, key crypto.Signer) *tls.Certificate {
	leaf := certificate(t, "mail.example.com", false, a.between, a.key, key.Public())
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.between.Raw}, PrivateKey: key, Leaf: leaf}
}

func ecdsaKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t *testing.T, name string, ca bool, parent *x509.Certificate, signer crypto.Signer, public crypto.PublicKey) *x509.Certificate {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		tmpl.KeyUsage = x509.KeyUsageCertSign
	}
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// OpenSSL takes the profile out of its envelope, finds the chain in it, and refuses one
// that somebody has changed.
func TestOpenSSLVerifiesSignedProfiles(t *testing.T) {
	openssl := need(t, "openssl")
	profile, err := samples()["user"].Apple()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(signed []byte) ([]byte, error) {
		cmd := exec.Command(openssl, "cms", "-verify", "-inform", "DER", "-binary", "-CAfile", root, "-purpose", "any")
		cmd.Stdin = bytes.NewReader(signed)
		return cmd.Output()
	}
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "ECDSA": ecdsaKey(t)} {
		t.Run(name, func(t *testing.T) {
			signed, err := Sign(profile, a.issue(t, key))
			if err != nil {
				t.Fatal(err)
			}
			out, err := verify(signed)
			if err != nil || !bytes.Equal(out, profile) {
				t.Errorf("%v: %q", err, out)
			}
			if _, err := verify(bytes.Replace(signed, []byte("alice@example.com"), []byte("mally@example.com"), 1)); err == nil {
				t.Error("a profile that was changed is taken")
			}
		})
	}
}

func TestAKeyOfAnotherSortDoesNotSign(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign([]byte("x"), newAuthority(t).issue(t, key)); err == nil || !strings.Contains(err.Error(), "RSA or an ECDSA") {
		t.Error(err)
	}
}
