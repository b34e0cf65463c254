package dane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var now = time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)

// issue makes a certificate; parent nil: it signs itself.
func issue(t *testing.T, name string, ca bool, until time.Time, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: until,
		IsCA: ca, BasicConstraintsValid: true}
	if !ca {
		tmpl.DNSNames = []string{name}
	}
	if parent == nil {
		parent, by = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func record(usage, selector, matching uint8, data []byte) dns.RR {
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return &dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Certificate: hex.EncodeToString(data)}
}

func TestVerify(t *testing.T) {
	later := now.Add(time.Hour)
	root, rootKey := issue(t, "root", true, later, nil, nil)
	middle, middleKey := issue(t, "middle", true, later, root, rootKey)
	leaf, _ := issue(t, "mx.far.test", false, later, middle, middleKey)
	stale, _ := issue(t, "mx.far.test", false, now.Add(-time.Minute), middle, middleKey)
	other, _ := issue(t, "other.test", false, later, middle, middleKey)
	domain, _ := issue(t, "far.test", false, later, middle, middleKey)
	stranger, _ := issue(t, "mx.far.test", false, later, nil, nil)
	for name, tt := range map[string]struct {
		records []dns.RR
		certs   []*x509.Certificate
		ok      bool
		usable  int
	}{
		"the key of the server":                    {[]dns.RR{record(3, 1, 1, leaf.RawSubjectPublicKeyInfo)}, []*x509.Certificate{leaf}, true, 1},
		"the whole certificate of the server":      {[]dns.RR{record(3, 0, 0, leaf.Raw)}, []*x509.Certificate{leaf, middle}, true, 1},
		"the server's by SHA-512":                  {[]dns.RR{record(3, 0, 2, leaf.Raw)}, []*x509.Certificate{leaf, middle}, true, 1},
		"the server's own, whose time is up":       {[]dns.RR{record(3, 1, 1, stale.RawSubjectPublicKeyInfo)}, []*x509.Certificate{stale}, true, 1},
		"the server's own, for another name":       {[]dns.RR{record(3, 1, 1, other.RawSubjectPublicKeyInfo)}, []*x509.Certificate{other}, true, 1},
		"another's key":                            {[]dns.RR{record(3, 1, 1, leaf.RawSubjectPublicKeyInfo)}, []*x509.Certificate{stranger}, false, 1},
		"the key of the CA's, not of the server's": {[]dns.RR{record(3, 1, 1, middle.RawSubjectPublicKeyInfo)}, []*x509.Certificate{leaf, middle}, false, 1},
		"one of several, in a change of keys":      {[]dns.RR{record(3, 1, 1, stranger.RawSubjectPublicKeyInfo), record(3, 1, 1, leaf.RawSubjectPublicKeyInfo)}, []*x509.Certificate{leaf}, true, 2},
		"a CA that comes along":                    {[]dns.RR{record(2, 1, 1, middle.RawSubjectPublicKeyInfo)}, []*x509.Certificate{leaf, middle}, true, 1},
		"the CA of that CA":                        {[]dns.RR{record(2, 0, 1, root.Raw)}, []*x509.Certificate{leaf, middle, root}, true, 1},
		"a CA that does not come along":            {[]dns.RR{record(2, 0, 1, root.Raw)}, []*x509.Certificate{leaf, middle}, false, 1},
		"a CA that stands in the record":           {[]dns.RR{record(2, 0, 0, root.Raw)}, []*x509.Certificate{leaf, middle}, true, 1},
		"a CA, for the domain in place of the MX":  {[]dns.RR{record(2, 0, 1, middle.Raw)}, []*x509.Certificate{domain, middle}, true, 1},
		"a CA, for another name":                   {[]dns.RR{record(2, 0, 1, middle.Raw)}, []*x509.Certificate{other, middle}, false, 1},
		"a CA, whose certificate's time is up":     {[]dns.RR{record(2, 0, 1, middle.Raw)}, []*x509.Certificate{stale, middle}, false, 1},
		"a CA beside a server it did not certify":  {[]dns.RR{record(2, 0, 1, middle.Raw)}, []*x509.Certificate{stranger, middle}, false, 1},
		"records of the public CAs":                {[]dns.RR{record(1, 1, 1, leaf.RawSubjectPublicKeyInfo), record(0, 0, 1, root.Raw)}, []*x509.Certificate{leaf, middle}, false, 0},
		"records of unknown kinds":                 {[]dns.RR{record(3, 2, 1, leaf.Raw), record(3, 1, 3, leaf.Raw), record(4, 1, 1, leaf.Raw)}, []*x509.Certificate{leaf}, false, 0},
		"a record that is cut short":               {[]dns.RR{&dns.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Certificate: "abcd"}}, []*x509.Certificate{leaf}, false, 0},
		"no certificate":                           {[]dns.RR{record(3, 1, 1, leaf.RawSubjectPublicKeyInfo)}, nil, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			usable := Usable(tt.records)
			if len(usable) != tt.usable {
				t.Errorf("%d usable, want %d", len(usable), tt.usable)
			}
			err := Verify(usable, tt.certs, []string{"mx.far.test", "far.test"}, now)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrMismatch) {
				t.Errorf("error %v", err)
			}
		})
	}
}
