package clients

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// Sign puts a profile into an envelope (CMS SignedData, RFC 5652) that says who made it: Apple's
// systems then show it as verified, where they know the authority of the
// certificate. The chain goes with it. Keys are RSA or ECDSA.
func Sign(profile []byte, cert *tls.Certificate) ([]byte, error) {
	switch cert.PrivateKey.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		return nil, fmt.Errorf("a profile is signed with an RSA or an ECDSA key, and this is another sort (%T)", cert.PrivateKey)
	}
	if cert.Leaf == nil {
		return nil, errors.New("sign a profile: there is no certificate")
	}
	data, err := pkcs7.NewSignedData(profile)
	if err != nil {
		return nil, fmt.Errorf("sign a profile: %w", err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSigner(cert.Leaf, cert.PrivateKey, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("sign a profile: %w", err)
	}
	for _, der := range cert.Certificate[1:] {
		between, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("sign a profile: the chain behind the certificate: %w", err)
		}
		data.AddCertificate(between)
	}
	signed, err := data.Finish()
	if err != nil {
		return nil, fmt.Errorf("sign a profile: %w", err)
	}
	return signed, nil
}
