package dnssec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/miekg/dns"
)

// A Role is what a key signs.
type Role string

// The roles of keys.
const (
	KSK Role = "ksk" // the DNSKEY record set; the parent's DS stands for it
	ZSK Role = "zsk" // everything else
)

// A State is how far a key has come in its life.
type State string

// The states of keys. Each key is in the DNSKEY record set from the first on.
const (
	// Published: it is there to become known. A KSK signs the DNSKEY set already.
	Published State = "published"
	// Ready: a KSK whose DS the parent is to have; CDS and CDNSKEY say so.
	Ready State = "ready"
	// Active: a ZSK signs; the parent has the DS of a KSK.
	Active State = "active"
	// Retired: the successor has taken over; what the key signed may still be in
	// caches.
	Retired State = "retired"
)

// algorithm is that of all keys: ECDSA P-256 with SHA-256, which RFC 8624 §3.1 asks
// every signer to know.
const algorithm = dns.ECDSAP256SHA256

// A Key is one key of a zone.
type Key struct {
	Zone    string // canonical name
	Role    Role
	State   State
	Since   time.Time // when it came into its state
	Created time.Time
	// Idle is since when nothing leads to a retired key any more: no signature in the
	// zone, no DS in the parent. Zero: something still does.
	Idle time.Time
	Tag  uint16

	private *ecdsa.PrivateKey
	public  string // as in a DNSKEY record
}

// NewKey makes a key. It gets a tag that none of the others has: validators may
// take two keys of one tag for an attack (CVE-2023-50387).
func NewKey(zone string, role Role, state State, now time.Time, others []*Key) (*Key, error) {
	for range 100 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		k, err := newKey(Key{Zone: zone, Role: role, State: state, Since: now, Created: now}, private)
		if err != nil {
			return nil, err
		}
		if !hasTag(others, k.Tag) {
			return k, nil
		}
	}
	return nil, errors.New("make a key: no tag is free")
}

func hasTag(keys []*Key, tag uint16) bool {
	for _, k := range keys {
		if k.Tag == tag {
			return true
		}
	}
	return false
}

// ParseKey makes a key of what is kept of it: k without its private half, and that
// half as [Key.Marshal] gives it.
func ParseKey(k Key, private []byte) (*Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read the key %d of %s: it is no PKCS #8", k.Tag, k.Zone)
	}
	p, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || p.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read the key %d of %s: it is none of ECDSA P-256", k.Tag, k.Zone)
	}
	return newKey(k, p)
}

func newKey(k Key, private *ecdsa.PrivateKey) (*Key, error) {
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	k.private = private
	k.public = base64.StdEncoding.EncodeToString(point[1:]) // without the 4 of uncompressed points (RFC 6605 §4)
	k.Tag = k.DNSKEY(0).KeyTag()
	return &k, nil
}

// Marshal is the private half, as PKCS #8.
func (k *Key) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

// String never shows more than which key it is.
func (k *Key) String() string { return fmt.Sprintf("%s %d of %s (%s)", k.Role, k.Tag, k.Zone, k.State) }

// DNSKEY is the public half as a record.
func (k *Key) DNSKEY(ttl uint32) *dns.DNSKEY {
	flags := uint16(dns.ZONE)
	if k.Role == KSK {
		flags |= dns.SEP
	}
	return &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: k.Zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: ttl},
		Flags: flags, Protocol: 3, Algorithm: algorithm, PublicKey: k.public,
	}
}

// DS is what the parent is to have for a KSK, with a digest of SHA-256 (RFC 8624
// §3.3).
func (k *Key) DS(ttl uint32) *dns.DS {
	ds := k.DNSKEY(ttl).ToDS(dns.SHA256)
	ds.Hdr.Ttl = ttl
	return ds
}

// sign signs data. Without a source of randomness Go signs by RFC 6979.
func (k *Key) sign(data ...[]byte) (string, error) {
	h := sha256.New()
	for _, d := range data {
		h.Write(d)
	}
	der, err := k.private.Sign(nil, h.Sum(nil), crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k, err)
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		return "", fmt.Errorf("sign with %s: %w", k, err)
	}
	var sig [64]byte
	point.R.FillBytes(sig[:32])
	point.S.FillBytes(sig[32:])
	return base64.StdEncoding.EncodeToString(sig[:]), nil
}
