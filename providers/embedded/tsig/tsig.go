// Package tsig signs messages of the DNS and checks what others have signed (TSIG,
// RFC 8945).
//
// A [Ring] has the keys; it is changed live. [Ring.Check] judges a query, and hands
// out what signs the answers to it.
package tsig

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// fudge is how much clocks may differ, in seconds (RFC 8945 §10).
const fudge = 300

// A Key is shared with another server.
type Key struct {
	Name      string // canonical
	Algorithm string // as in a configuration: hmac-sha256
	Secret    string // base64; never log it
}

// String never shows the secret.
func (k Key) String() string { return k.Name }

// GoString never shows the secret.
func (k Key) GoString() string { return k.Name }

// A Ring holds keys. The zero value holds none.
type Ring struct {
	keys atomic.Pointer[map[string]Key]
}

// Set makes the keys of the ring these.
func (r *Ring) Set(keys []Key) {
	m := make(map[string]Key, len(keys))
	for _, k := range keys {
		m[dns.CanonicalName(k.Name)] = k
	}
	r.keys.Store(&m)
}

func (r *Ring) find(name, algorithm string) (Key, bool) {
	keys := r.keys.Load()
	if keys == nil {
		return Key{}, false
	}
	k, ok := (*keys)[dns.CanonicalName(name)]
	return k, ok && dns.CanonicalName(algorithm) == dns.Fqdn(strings.ToLower(k.Algorithm))
}

// ErrMalformed: what should be a signature is none.
var ErrMalformed = errors.New("the signature cannot be read")

// A Signer signs the messages of an answer, or of a question and what follows.
type Signer struct {
	Key   Key
	mac   string // of the message before
	later bool   // the first message has been signed
}

// NewSigner signs a message that is no answer.
func NewSigner(k Key) *Signer { return &Signer{Key: k} }

// Check looks for a signature on a query: packet is what has come, m the same
// taken apart. Where there is none the signer is nil; where it is wrong, the error
// is the answer to send, an [*Refusal], or [ErrMalformed].
func (r *Ring) Check(packet []byte, m *dns.Msg) (*Signer, error) {
	t := m.IsTsig()
	if t == nil {
		return nil, nil
	}
	if t.Algorithm == "" { // it has no data
		return nil, ErrMalformed
	}
	k, ok := r.find(t.Hdr.Name, t.Algorithm)
	if !ok {
		return nil, refuse(m, t, dns.RcodeBadKey, nil)
	}
	err := dns.TsigVerify(append([]byte(nil), packet...), k.Secret, "", false)
	switch {
	case err == nil:
		return &Signer{Key: k, mac: t.MAC}, nil
	case errors.Is(err, dns.ErrTime):
		return nil, refuse(m, t, dns.RcodeBadTime, &Signer{Key: k, mac: t.MAC})
	default:
		return nil, refuse(m, t, dns.RcodeBadSig, nil)
	}
}

// Sign signs the next message and packs it.
func (s *Signer) Sign(m *dns.Msg) ([]byte, error) {
	m.SetTsig(s.Key.Name, dns.Fqdn(s.Key.Algorithm), fudge, time.Now().Unix())
	wire, mac, err := dns.TsigGenerate(m, s.Key.Secret, s.mac, s.later)
	if err != nil {
		return nil, fmt.Errorf("sign with the key %s: %w", s.Key, err)
	}
	s.mac, s.later = mac, true
	return wire, nil
}

// CheckAnswer checks the answer to a question that the signer has signed.
func (s *Signer) CheckAnswer(packet []byte) error {
	if err := dns.TsigVerify(append([]byte(nil), packet...), s.Key.Secret, s.mac, false); err != nil {
		return fmt.Errorf("check what is signed with the key %s: %w", s.Key, err)
	}
	return nil
}

// A Refusal is the answer to a query with a signature that is wrong (RFC 8945 §5.2).
type Refusal struct {
	Answer []byte
	reason uint16
}

func (r *Refusal) Error() string {
	return "the signature is refused: " + dns.RcodeToString[int(r.reason)]
}

func refuse(m *dns.Msg, t *dns.TSIG, reason uint16, by *Signer) error {
	out := new(dns.Msg).SetRcode(m, dns.RcodeNotAuth)
	answer := &dns.TSIG{
		Hdr:       dns.RR_Header{Name: t.Hdr.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm: t.Algorithm, TimeSigned: t.TimeSigned, Fudge: fudge, OrigId: m.Id, Error: reason,
	}
	secret, mac := "", ""
	if by != nil { // too late or too early: the answer tells our time
		secret, mac = by.Key.Secret, by.mac
		answer.OtherLen, answer.OtherData = 6, fmt.Sprintf("%012x", time.Now().Unix())
	}
	out.Extra = append(out.Extra, answer)
	wire, _, err := dns.TsigGenerate(out, secret, mac, false)
	if err != nil {
		return fmt.Errorf("answer to a wrong signature: %w", err)
	}
	return &Refusal{Answer: wire, reason: reason}
}
