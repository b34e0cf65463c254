package dns

import (
	"encoding/binary"
	"errors"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/tsig"
)

// mayBeSigned reports whether a query has additional records, as one with a
// signature has.
func mayBeSigned(packet []byte) bool {
	return len(packet) >= headerSize && packet[2]&(bitQR|opcodes) == 0 && binary.BigEndian.Uint16(packet[10:]) > 0
}

// signed answers a query with a signature (RFC 8945 §5.2), and signs the answer:
// secondaries want it so when they ask for the SOA. known says that the client has
// proved to have one of the keys. The answer is nil for a query without a signature.
func (r *responder) signed(zs *zones, packet []byte, from client) (wire []byte, known bool) {
	q := new(dns.Msg)
	if !countsUpTo(packet, 1, 1, 2) || q.Unpack(packet) != nil || q.IsTsig() == nil {
		return nil, false
	}
	signer, err := r.server.options.Keys.Check(packet, q)
	var refusal *tsig.Refusal
	switch {
	case errors.As(err, &refusal):
		r.opt, r.about = edns{}, nil
		r.out = append(r.out[:0], refusal.Answer...)
		return r.out, false
	case err != nil:
		r.opt, r.about = edns{}, nil
		return r.status(packet, 0, dns.RcodeFormatError), false
	}
	q.Extra = q.Extra[:len(q.Extra)-1]
	unsigned, err := q.Pack()
	if err != nil {
		return nil, true
	}
	m := new(dns.Msg)
	if m.Unpack(r.slow(zs, unsigned, from)) != nil {
		return nil, true
	}
	m.Compress = true
	if wire, err = signer.Sign(m); err != nil {
		return nil, true
	}
	return wire, true
}
