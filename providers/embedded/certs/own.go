package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Life times of what is made here.
const (
	day          = 24 * time.Hour
	caLife       = 3650 * day
	caRenew      = 730 * day // before its end
	serverLife   = 365 * day
	serverRenew  = 30 * day // before its end
	clockSkew    = time.Hour
	caName       = "ca"
	localhost    = "localhost"
	maxHostname  = 253 // RFC 1035 §2.3.4
	serialLength = 127 // bits; RFC 5280 §4.1.2.2 allows 159
)

// ownCertificate returns the certificate of a server as it lies in the folder,
// made or renewed where that is due.
func (m *Manager) ownCertificate(n Name) (*tls.Certificate, error) {
	if !fileName(n.Hostname) {
		return nil, fmt.Errorf("%q is no host name", n.Hostname)
	}
	ca, err := m.authority()
	if err != nil {
		return nil, err
	}
	base := filepath.Join(m.dir, n.Hostname)
	key, err := m.key(base + ".key")
	if err != nil {
		return nil, err
	}
	tmpl := serverTemplate(n)
	cert, err := readCertificate(base + ".pem")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil || m.stale(cert, tmpl, ca, key) {
		if cert, err = m.issue(base+".pem", tmpl, ca.cert, key, ca.key, serverLife); err != nil {
			return nil, err
		}
		m.log.Info("certs: made a certificate", "hostname", n.Hostname, "until", cert.NotAfter)
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// fileName reports whether a host name can be a file's name, too.
func fileName(host string) bool {
	if host == "" || len(host) > maxHostname || host[0] == '.' || host == caName {
		return false
	}
	return strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// stale reports whether a certificate has to be made anew.
func (m *Manager) stale(cert, want *x509.Certificate, ca *authority, key *ecdsa.PrivateKey) bool {
	return m.now().After(cert.NotAfter.Add(-serverRenew)) ||
		m.now().Before(cert.NotBefore) ||
		!key.PublicKey.Equal(cert.PublicKey) ||
		cert.CheckSignatureFrom(ca.cert) != nil ||
		!slices.Equal(cert.DNSNames, want.DNSNames) ||
		!slices.EqualFunc(cert.IPAddresses, want.IPAddresses, net.IP.Equal)
}

func serverTemplate(n Name) *x509.Certificate {
	tmpl := &x509.Certificate{
		DNSNames:    []string{n.Hostname},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(n.Hostname) <= 64 { // RFC 5280 appendix A, ub-common-name
		tmpl.Subject = pkix.Name{CommonName: n.Hostname}
	}
	for _, a := range n.addresses() {
		if a.IsLoopback() && !slices.Contains(tmpl.DNSNames, localhost) {
			tmpl.DNSNames = append(tmpl.DNSNames, localhost)
		}
		tmpl.IPAddresses = append(tmpl.IPAddresses, a.AsSlice())
	}
	return tmpl
}

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authority loads the authority, and makes or renews it where that is due.
// Renewed, it keeps name and key, so that who trusts the old certificate trusts
// what the new one signs.
func (m *Manager) authority() (*authority, error) {
	base := filepath.Join(m.dir, caName)
	key, err := m.key(base + ".key")
	if err != nil {
		return nil, err
	}
	cert, err := readCertificate(base + ".pem")
	switch {
	case err == nil && !key.PublicKey.Equal(cert.PublicKey):
		return nil, fmt.Errorf("%s.pem and %s.key do not belong together", base, base)
	case err == nil && m.now().Before(cert.NotAfter.Add(-caRenew)):
		return &authority{cert, key}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	tmpl := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"mailform"}, CommonName: "mailform CA"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	if cert, err = m.issue(base+".pem", tmpl, tmpl, key, key, caLife); err != nil {
		return nil, err
	}
	return &authority{cert, key}, nil
}

// key loads a private key, and makes it where there is none.
func (m *Manager) key(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make a private key: %w", err)
	}
	if err := writeKey(path, key); err != nil {
		return nil, err
	}
	return key, nil
}

// issue signs a certificate and writes it. The key was written before: so a crash
// in between leaves a key without certificate, which is taken up again.
func (m *Manager) issue(path string, tmpl, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialLength))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := m.now()
	tmpl.SerialNumber = serial.Add(serial, big.NewInt(1)) // positive
	tmpl.NotBefore, tmpl.NotAfter = now.Add(-clockSkew), now.Add(life)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", path, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", path, err)
	}
	if err := writeCertificate(path, der); err != nil {
		return nil, err
	}
	return cert, nil
}
