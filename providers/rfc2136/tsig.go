package rfc2136

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A key signs messages and checks signatures (RFC 8945). It never shows its
// secret.
type key struct {
	name      string // as a domain name, in lower case
	algorithm string // as a domain name
	secret    []byte
}

// String leaves the secret out.
func (k *key) String() string { return strings.TrimSuffix(k.name, ".") }

// GoString leaves the secret out.
func (k *key) GoString() string { return k.String() }

var hashes = map[string]func() hash.Hash{
	dns.HmacSHA1: sha1.New, dns.HmacSHA224: sha256.New224, dns.HmacSHA256: sha256.New, dns.HmacSHA384: sha512.New384, dns.HmacSHA512: sha512.New,
}

func newKey(name, algorithm, secret string) (*key, error) {
	k := &key{name: dns.CanonicalName(name), algorithm: dns.Fqdn(algorithm)}
	if hashes[k.algorithm] == nil {
		return nil, fmt.Errorf("there is no algorithm %q", algorithm)
	}
	var err error
	if k.secret, err = base64.StdEncoding.DecodeString(secret); err != nil {
		return nil, fmt.Errorf("the secret of the key %s is not base64", k) // and never shown
	}
	return k, nil
}

// fudge is by how many seconds the clocks of both sides may differ.
const fudge = 300

// sign packs a message and signs it. The answers are to be checked with the chain.
func (k *key) sign(m *dns.Msg) ([]byte, *chain, error) {
	if k == nil {
		raw, err := m.Pack()
		return raw, nil, err
	}
	m.SetTsig(k.name, k.algorithm, fudge, time.Now().Unix())
	c := &chain{key: k}
	raw, mac, err := dns.TsigGenerateWithProvider(m, c, "", false)
	c.mac = mac
	return raw, c, err
}

// A chain checks the signatures of the answers to one message. Of the messages of
// a zone transfer not each has one (RFC 8945 §5.3.1): those without are part of
// what the next signature is of.
type chain struct {
	key     *key
	mac     string // of the message before, in hex
	later   bool   // the first answer has been seen
	pending []byte // messages without a signature
	count   int
	code    byte // of the message that is checked
}

// maxUnsigned bounds the messages in a row without a signature.
const maxUnsigned = 100

// Generate implements dns.TsigProvider.
func (c *chain) Generate(msg []byte, _ *dns.TSIG) ([]byte, error) {
	h := hmac.New(hashes[c.key.algorithm], c.key.secret)
	h.Write(msg)
	return h.Sum(nil), nil
}

// Verify implements dns.TsigProvider. The message begins with the MAC of the one
// before, which messages without a signature follow.
func (c *chain) Verify(msg []byte, t *dns.TSIG) error {
	mac, err := hex.DecodeString(t.MAC)
	if err != nil {
		return dns.ErrSig
	}
	at := 2 + len(c.mac)/2
	if at > len(msg) {
		return dns.ErrSig
	}
	if len(msg) > at+codeAt {
		msg[at+codeAt] |= c.code
	}
	h := hmac.New(hashes[c.key.algorithm], c.key.secret)
	h.Write(msg[:at])
	h.Write(c.pending)
	h.Write(msg[at:])
	if !hmac.Equal(h.Sum(nil), mac) {
		return dns.ErrSig
	}
	return nil
}

// codeAt is the octet of a message with its code, in its lower four bits.
const codeAt = 3

// check verifies one answer. last says that nothing comes after it, so that it
// has to be signed.
func (c *chain) check(raw []byte, m *dns.Msg, last bool) error {
	t := m.IsTsig()
	if t == nil {
		switch c.count++; {
		case !c.later || last:
			return fmt.Errorf("%w: the server answers without a signature", ErrKey)
		case c.count > maxUnsigned:
			return fmt.Errorf("%w: more than %d messages of a transfer have no signature", ErrKey, maxUnsigned)
		}
		c.pending = append(c.pending, raw...)
		return nil
	}
	if dns.CanonicalName(t.Hdr.Name) != c.key.name || dns.CanonicalName(t.Algorithm) != c.key.algorithm {
		return fmt.Errorf("%w: the answer is signed by %s with %s", ErrKey, t.Hdr.Name, t.Algorithm)
	}
	// The library takes every NOTAUTH for one of TSIG and does not look further, so
	// the code is put back in only for the signature.
	raw = bytes.Clone(raw)
	c.code = raw[codeAt] & 0xf
	raw[codeAt] &^= 0xf
	if err := dns.TsigVerifyWithProvider(raw, c, c.mac, c.later); err != nil {
		return fmt.Errorf("%w: the signature of an answer is not right (%w)", ErrKey, err)
	}
	c.mac, c.later, c.pending, c.count = t.MAC, true, nil, 0
	return nil
}

// complaint is what a server says of our own signature; nil: nothing.
func (k *key) complaint(m *dns.Msg) error {
	t := m.IsTsig()
	if t == nil || t.Error == dns.RcodeSuccess {
		return nil
	}
	switch t.Error {
	case dns.RcodeBadKey:
		return fmt.Errorf("%w: BADKEY, the server does not know a key %s with the algorithm %s, or does not let it do this", ErrKey, k, strings.TrimSuffix(k.algorithm, "."))
	case dns.RcodeBadSig:
		return fmt.Errorf("%w: BADSIG, the server has another secret for the key %s", ErrKey, k)
	case dns.RcodeBadTime:
		return fmt.Errorf("%w: BADTIME, the clocks of the server and of this machine differ by more than %d seconds%s", ErrKey, fudge, serverTime(t))
	case dns.RcodeBadTrunc:
		return fmt.Errorf("%w: BADTRUNC, the server wants a longer signature", ErrKey)
	}
	return fmt.Errorf("%w: the server answers with the TSIG error %d", ErrKey, t.Error)
}

// serverTime says what time a server has that refused ours (RFC 8945 §5.2.3).
func serverTime(t *dns.TSIG) string {
	raw, err := hex.DecodeString(t.OtherData)
	if err != nil || len(raw) != 6 {
		return ""
	}
	seconds := int64(binary.BigEndian.Uint64(append([]byte{0, 0}, raw...)))
	return fmt.Sprintf("; by the server it is %s", time.Unix(seconds, 0).UTC().Format(time.RFC3339))
}
