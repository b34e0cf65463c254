// Package dane checks the certificates of mail servers against TLSA records
// (DANE for SMTP, RFC 7672 and RFC 6698): the domain of the server says in the DNS,
// under DNSSEC, which keys are its own.
//
// The package decides about records and certificates only. That the records are
// authentic is for the caller to know: without that they are worth nothing.
package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Usages, selectors and matching types (RFC 6698 §7).
const (
	usageTA, usageEE                    = 2, 3
	selectCert, selectSPKI              = 0, 1
	matchFull, matchSHA256, matchSHA512 = 0, 1, 2
)

// ErrMismatch says that no record fits the certificates.
var ErrMismatch = errors.New("no TLSA record fits the certificate")

// Usable returns the records that mail servers are judged by: those that name a
// certificate or key of their own (DANE-EE) or of a CA (DANE-TA), in a way that is
// known. Where there are records and none is usable, TLS has to be used, by
// whomever (RFC 7672 §2.2).
func Usable(records []dns.RR) (usable []*dns.TLSA) {
	for _, rr := range records {
		r, ok := rr.(*dns.TLSA)
		if !ok || r.Usage != usageTA && r.Usage != usageEE || r.Selector > selectSPKI || r.MatchingType > matchSHA512 {
			continue
		}
		if data, err := hex.DecodeString(r.Certificate); err != nil || len(data) == 0 ||
			r.MatchingType == matchSHA256 && len(data) != sha256.Size || r.MatchingType == matchSHA512 && len(data) != sha512.Size {
			continue
		}
		usable = append(usable, r)
	}
	return usable
}

// Verify checks the certificates of a server, its own first, against records as
// [Usable] returns them. Where a record names a CA, the certificate must be for one
// of the names and valid now; where it names the server's own key, nothing else
// counts (RFC 7672 §3.1.1). The error is [ErrMismatch] or wraps it.
func Verify(records []*dns.TLSA, certs []*x509.Certificate, names []string, now time.Time) error {
	if len(certs) == 0 {
		return fmt.Errorf("%w: there is none", ErrMismatch)
	}
	var last error
	for _, r := range records {
		if r.Usage == usageEE {
			if fits(r, certs[0]) {
				return nil
			}
			continue
		}
		if err := verifyTA(r, certs, names, now); err == nil {
			return nil
		} else if last == nil || !errors.Is(err, ErrMismatch) {
			last = err
		}
	}
	if last != nil && !errors.Is(last, ErrMismatch) {
		return fmt.Errorf("%w: %w", ErrMismatch, last)
	}
	return ErrMismatch
}

// verifyTA builds a chain to a CA that the record names. The CA comes with the
// certificates, or stands in the record as a whole.
func verifyTA(r *dns.TLSA, certs []*x509.Certificate, names []string, now time.Time) error {
	roots, found := x509.NewCertPool(), false
	for _, c := range certs {
		if fits(r, c) {
			roots.AddCert(c)
			found = true
		}
	}
	if r.Selector == selectCert && r.MatchingType == matchFull {
		der, _ := hex.DecodeString(r.Certificate)
		if c, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return ErrMismatch
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return err
	}
	var err error
	for _, n := range names {
		if err = certs[0].VerifyHostname(n); err == nil {
			return nil
		}
	}
	return err
}

// fits says whether a record names a certificate or its key.
func fits(r *dns.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == selectSPKI {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.MatchingType {
	case matchSHA256:
		sum := sha256.Sum256(data)
		data = sum[:]
	case matchSHA512:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	want, err := hex.DecodeString(r.Certificate)
	return err == nil && bytes.Equal(want, data)
}
