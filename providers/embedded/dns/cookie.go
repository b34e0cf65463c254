package dns

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// DNS cookies (RFC 7873) in the form of RFC 9018: the server's half is a hash of
// the client's half and address, so that nothing has to be kept for a client, and
// a client that sends it back is where it says.

const (
	clientCookieSize = 8
	serverCookieSize = 16
	// minServerCookie and maxServerCookie bound what other servers may have made
	// (RFC 7873 §4).
	minServerCookie, maxServerCookie = 8, 32
	// cookieOption is the length of the option in an answer.
	cookieOption = 4 + clientCookieSize + serverCookieSize
	// Ages of a cookie, in seconds (RFC 9018 §4.3).
	cookieValid, cookieFresh, cookieAhead = 3600, 1800, 300
)

// A cookie is what a query and its answer have of it.
type cookie struct {
	present bool
	// proved: the client has sent back what this server has given it.
	proved bool
	client [clientCookieSize]byte
	server [serverCookieSize]byte
}

// A cookieSecret makes the cookies of a server.
type cookieSecret [16]byte

// read takes in the option of a query; false where it is none (RFC 7873 §5.2.2).
// now is in seconds since 1970.
func (c *cookie) read(data []byte, secret *cookieSecret, from netip.Addr, now uint32) bool {
	n := len(data) - clientCookieSize
	if n != 0 && (n < minServerCookie || n > maxServerCookie) {
		return false
	}
	c.present = true
	copy(c.client[:], data)
	if n == serverCookieSize && data[clientCookieSize] == 1 {
		// Serial number arithmetic, as the field ends in 2106.
		stamp := binary.BigEndian.Uint32(data[clientCookieSize+4:])
		age := int32(now - stamp)
		copy(c.server[:], data[clientCookieSize:clientCookieSize+8])
		secret.sign(c, from)
		if age <= cookieValid && age >= -cookieAhead &&
			subtle.ConstantTimeCompare(c.server[:], data[clientCookieSize:]) == 1 {
			c.proved = true
			if age <= cookieFresh {
				return true
			}
		}
	}
	c.server = [serverCookieSize]byte{1}
	binary.BigEndian.PutUint32(c.server[4:], now)
	secret.sign(c, from)
	return true
}

// append writes the option of an answer.
func (c *cookie) append(msg []byte) []byte {
	msg = append(msg, 0, 10, 0, clientCookieSize+serverCookieSize)
	return append(append(msg, c.client[:]...), c.server[:]...)
}

// sign puts the hash into the server's half of a cookie (RFC 9018 §4.4).
func (s *cookieSecret) sign(c *cookie, from netip.Addr) {
	var buf [clientCookieSize + 8 + 16]byte
	in := append(append(buf[:0], c.client[:]...), c.server[:8]...)
	if from.Is4() {
		a := from.As4()
		in = append(in, a[:]...)
	} else {
		a := from.As16()
		in = append(in, a[:]...)
	}
	binary.LittleEndian.PutUint64(c.server[8:], sipHash(s, in))
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein, 2012).
func sipHash(key *cookieSecret, in []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	v0, v1 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d
	v2, v3 := k0^0x6c7967656e657261, k1^0x7465646279746573
	rounds := func(n int) {
		for range n {
			v0 += v1
			v1 = bits.RotateLeft64(v1, 13) ^ v0
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v3
			v3 = bits.RotateLeft64(v3, 16) ^ v2
			v0 += v3
			v3 = bits.RotateLeft64(v3, 21) ^ v0
			v2 += v1
			v1 = bits.RotateLeft64(v1, 17) ^ v2
			v2 = bits.RotateLeft64(v2, 32)
		}
	}
	word := func(m uint64) {
		v3 ^= m
		rounds(2)
		v0 ^= m
	}
	last := uint64(len(in)) << 56
	for ; len(in) >= 8; in = in[8:] {
		word(binary.LittleEndian.Uint64(in))
	}
	for i, c := range in {
		last |= uint64(c) << (8 * i)
	}
	word(last)
	v2 ^= 0xff
	rounds(4)
	return v0 ^ v1 ^ v2 ^ v3
}
