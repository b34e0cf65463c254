package rdata

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Fields of a TLSA record (RFC 6698 §2.1), by the names of RFC 7218.
const (
	UsagePKIXTA = 0
	UsagePKIXEE = 1
	UsageDANETA = 2
	UsageDANEEE = 3

	SelectorCert = 0
	SelectorSPKI = 1

	MatchFull   = 0
	MatchSHA256 = 1
	MatchSHA512 = 2
)

// TLSA is the value of a TLSA record for a certificate in PEM, or with
// SelectorSPKI for a public key in PEM. Of a chain the first certificate is
// meant, that of the server; a record for an authority takes that alone. Its
// errors never hold any of the text.
func TLSA(usage, selector, matching int, text string) (string, error) {
	switch {
	case usage < UsagePKIXTA || usage > UsageDANEEE:
		return "", fmt.Errorf("the usage is %d, and has to be 0 to 3 (RFC 6698 §2.1.1); for mail 3, the server's own certificate, or 2, an authority (RFC 7672 §3.1)", usage)
	case selector < SelectorCert || selector > SelectorSPKI:
		return "", fmt.Errorf("the selector is %d, and has to be 0, the certificate, or 1, its public key (RFC 6698 §2.1.2)", selector)
	case matching < MatchFull || matching > MatchSHA512:
		return "", fmt.Errorf("the matching type is %d, and has to be 0, everything, 1, SHA-256, or 2, SHA-512 (RFC 6698 §2.1.3)", matching)
	}
	data, err := tlsaData(usage, selector, text)
	if err != nil {
		return "", err
	}
	switch matching {
	case MatchSHA256:
		sum := sha256.Sum256(data)
		data = sum[:]
	case MatchSHA512:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return fmt.Sprintf("%d %d %d %s", usage, selector, matching, hex.EncodeToString(data)), nil
}

// tlsaData is what a selector takes of a certificate or key in PEM.
func tlsaData(usage, selector int, text string) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("there is no PEM block in it")
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it is a private key. It stays where it is used; the certificate belongs here")
	case block.Type == "PUBLIC KEY" && selector == SelectorCert:
		return nil, errors.New("it is a public key, and the selector 0 means a whole certificate")
	case block.Type == "PUBLIC KEY":
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, errors.New("the public key in it is damaged")
		}
		return block.Bytes, nil
	case block.Type != "CERTIFICATE":
		return nil, fmt.Errorf("it is a PEM block %q, and has to be a CERTIFICATE", block.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("the certificate in it is damaged")
	}
	if next, _ := pem.Decode(rest); next != nil && (usage == UsagePKIXTA || usage == UsageDANETA) {
		return nil, errors.New("it holds more than one block; a record for an authority takes the certificate of that authority alone")
	}
	if selector == SelectorSPKI {
		return cert.RawSubjectPublicKeyInfo, nil
	}
	return cert.Raw, nil
}
