// Package certificate gives a server of a host a certificate of its own, where
// its files name none: self-signed, good enough to encrypt what would go in
// clear text, and for nobody to believe in who has not been told of it.
package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"time"

	"github.com/mailform/mailform/providers/host"
)

// life is how long a certificate is good for. Nobody renews it by the calendar:
// who needs one that ends sooner has an authority, and names its files.
const life = 10 * 365 * 24 * time.Hour

// A Pair are the paths of a certificate and its key.
type Pair struct{ Certificate, Key string }

// Paths are where the own certificate of a server lies in a directory.
func Paths(dir string) Pair {
	return Pair{filepath.Join(dir, "tls-own.pem"), filepath.Join(dir, "tls-own.key")}
}

// Good reports whether there is an own certificate for a name in a directory.
func Good(ctx context.Context, h host.Host, dir, hostname string) (bool, error) {
	p := Paths(dir)
	files, err := h.Read(ctx, p.Certificate, p.Key)
	if err != nil {
		return false, err
	}
	return files[0].Exists && files[1].Exists && fits(files[0].Content, files[1].Content, hostname), nil
}

// Ensure makes a certificate for a name in a directory, which has to be there,
// unless there is one. owner, "user:group", can read the key beside root; empty:
// nobody else.
func Ensure(ctx context.Context, h host.Host, dir, hostname, owner string) (Pair, error) {
	p := Paths(dir)
	good, err := Good(ctx, h, dir, hostname)
	if err != nil || good {
		return p, err
	}
	cert, key, err := issue(hostname)
	if err != nil {
		return p, fmt.Errorf("make a certificate for %s: %w", hostname, err)
	}
	mode := host.File{Path: p.Key, Content: key, Mode: 0o600}
	if owner != "" {
		mode.Owner, mode.Mode = owner, 0o640
	}
	return p, h.Write(ctx, mode, host.File{Path: p.Certificate, Content: cert, Mode: 0o644})
}

// fits reports whether a certificate and a key are good for a name by now.
func fits(cert, key []byte, hostname string) bool {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil || pair.Leaf == nil {
		return false
	}
	now := time.Now()
	return pair.Leaf.VerifyHostname(hostname) == nil && now.Before(pair.Leaf.NotAfter) && now.After(pair.Leaf.NotBefore)
}

func issue(hostname string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hostname}, DNSNames: []string{hostname},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life), // a clock may be late
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(hostname) > 64 { // a common name cannot be longer (RFC 5280 appendix A.1)
		template.Subject.CommonName = ""
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	var c, k bytes.Buffer
	if err := pem.Encode(&c, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return nil, nil, err
	}
	if err := pem.Encode(&k, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}); err != nil {
		return nil, nil, err
	}
	return c.Bytes(), k.Bytes(), nil
}
