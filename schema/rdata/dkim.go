package rdata

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// A DKIM is the public half of a signing key (RFC 6376 §3.6.1).
type DKIM struct {
	// Algorithm is "rsa" or "ed25519".
	Algorithm string
	// Key is the public key: for rsa a SubjectPublicKeyInfo in DER, for ed25519
	// the 32 octets (RFC 8463 §4).
	Key []byte
	// Hashes are the algorithms that signatures may use, such as "sha256"; none: any.
	Hashes []string
	// Services are those that the key is for, such as "email"; none: all.
	Services []string
	// Testing says that the domain only tries DKIM out: t=y.
	Testing bool
	// Strict says that signatures are for this very domain and for none below: t=s.
	Strict bool
}

// Text is the text of the record. A record without a Key says that the key is
// revoked.
func (d DKIM) Text() string {
	tags := []string{"v=DKIM1"}
	if len(d.Hashes) > 0 {
		tags = append(tags, "h="+strings.Join(d.Hashes, ":"))
	}
	tags = append(tags, "k="+d.Algorithm)
	if len(d.Services) > 0 {
		tags = append(tags, "s="+strings.Join(d.Services, ":"))
	}
	var flags []string
	if d.Testing {
		flags = append(flags, "y")
	}
	if d.Strict {
		flags = append(flags, "s")
	}
	if len(flags) > 0 {
		tags = append(tags, "t="+strings.Join(flags, ":"))
	}
	return strings.Join(append(tags, "p="+base64.StdEncoding.EncodeToString(d.Key)), "; ")
}

// Lengths of RSA keys in bits. What is shorter than the least is refused by
// receivers or soon will be (RFC 8301 §3.2), what is longer by some.
const (
	minRSA = 2048
	maxRSA = 4096
)

// ParseDKIMKey reads a public key: PEM as openssl writes it, or base64 as it
// stands in a record. Its errors never hold any of the text, which may be a
// private key by mistake.
func ParseDKIMKey(text string) (DKIM, error) {
	der, kind, err := readKey(text)
	if err != nil {
		return DKIM{}, err
	}
	if kind == "RSA PUBLIC KEY" {
		key, err := x509.ParsePKCS1PublicKey(der)
		if err != nil {
			return DKIM{}, errors.New("the PEM block is damaged: it holds no RSA key")
		}
		return rsaDKIM(key)
	}
	if kind == "" && len(der) == ed25519.PublicKeySize {
		return DKIM{Algorithm: "ed25519", Key: der}, nil
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return DKIM{}, errors.New("there is no public key in it: neither a SubjectPublicKeyInfo, as openssl pkey -pubout writes it, nor the 32 octets of an ed25519 key")
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsaDKIM(key)
	case ed25519.PublicKey:
		return DKIM{Algorithm: "ed25519", Key: key}, nil
	}
	return DKIM{}, errors.New("it is neither an RSA nor an ed25519 key, and DKIM knows no others (RFC 6376 §3.3, RFC 8463)")
}

// readKey undoes PEM or base64. The kind is the label of the PEM block, empty
// for base64.
func readKey(text string) (der []byte, kind string, err error) {
	if block, rest := pem.Decode([]byte(text)); block != nil {
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, "", errors.New("it is a private key. It stays where it signs; openssl pkey -pubout makes the public half, which belongs here")
		case block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY":
			return nil, "", fmt.Errorf("it is a PEM block %q, and has to be a PUBLIC KEY", block.Type)
		case strings.TrimSpace(string(rest)) != "":
			return nil, "", errors.New("there is something behind the key: it has to be one PEM block alone")
		}
		return block.Bytes, block.Type, nil
	}
	if strings.Contains(text, "-----BEGIN") {
		return nil, "", errors.New("the PEM block is damaged")
	}
	der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(der) == 0 {
		return nil, "", errors.New("it is neither PEM nor base64")
	}
	return der, "", nil
}

func rsaDKIM(key *rsa.PublicKey) (DKIM, error) {
	if n := key.N.BitLen(); n < minRSA || n > maxRSA {
		return DKIM{}, fmt.Errorf("the RSA key has %d bits, and has to have %d to %d (RFC 8301 §3.2)", n, minRSA, maxRSA)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return DKIM{}, errors.New("the RSA key cannot be written")
	}
	return DKIM{Algorithm: "rsa", Key: der}, nil
}

// DKIMName is the owner of the record of a key. A selector is one label or more
// (RFC 6376 §3.1).
func DKIMName(selector string, domain Name) (Name, error) {
	s, err := ParseName(selector)
	if err != nil {
		return "", err
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "", fmt.Errorf("the character %q cannot be in a selector", string(c))
		}
	}
	return checkLength(string(domain.Under(s.Host() + "._domainkey")))
}
