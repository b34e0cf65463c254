package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strconv"
	"strings"
)

// Rounds of SHA-crypt. The specification allows 999,999,999; what is more than
// the bound here would take many seconds.
const (
	defaultRounds = 5000
	minRounds     = 1000
	maxRounds     = 2_000_000
)

// maxCryptSalt is the length of the part of a salt that counts.
const maxCryptSalt = 16

// A shaCrypt is one of the two SHA-crypt schemes (Ulrich Drepper, "Unix crypt
// using SHA-256 and SHA-512", 2008).
type shaCrypt struct {
	new func() hash.Hash
	// order is how the bytes of the digest are taken for base 64: three at a
	// time, the highest first; the last may be one or two.
	order []int
}

var (
	sha256Crypt = shaCrypt{sha256.New, []int{
		0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14,
		15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, 31, 30,
	}}
	sha512Crypt = shaCrypt{sha512.New, []int{
		0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26,
		6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51, 31, 52, 10, 53, 11, 32,
		12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38,
		18, 39, 60, 40, 61, 19, 62, 20, 41, 63,
	}}
)

// verifySHACrypt checks $5$salt$digest and $6$salt$digest, each also with
// "rounds=N$" before the salt.
func verifySHACrypt(s string, password []byte) (bool, error) {
	scheme := sha512Crypt
	if strings.HasPrefix(s, "$5$") {
		scheme = sha256Crypt
	}
	f := strings.Split(s, "$")[2:]
	rounds := defaultRounds
	if digits, ok := strings.CutPrefix(f[0], "rounds="); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n > maxRounds {
			return false, ErrMalformed
		}
		rounds = max(n, minRounds)
		f = f[1:]
	}
	if len(f) != 2 {
		return false, ErrMalformed
	}
	salt, want := []byte(f[0]), []byte(f[1])
	if len(want) != (len(scheme.order)*8+5)/6 {
		return false, ErrMalformed
	}
	got := scheme.encode(scheme.digest(password, salt[:min(len(salt), maxCryptSalt)], rounds))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// digest is the algorithm; the numbers are the steps of the specification.
func (c shaCrypt) digest(password, salt []byte, rounds int) []byte {
	h := c.new()
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	b := sum(password, salt, password)            // 4–8
	first := [][]byte{password, salt}             // 1–3
	first = append(first, fill(b, len(password))) // 9, 10
	for n := len(password); n > 0; n >>= 1 {      // 11
		if n&1 != 0 {
			first = append(first, b)
		} else {
			first = append(first, password)
		}
	}
	a := sum(first...)                                                   // 12
	p := fill(sum(bytes.Repeat(password, len(password))), len(password)) // 13–16
	s := fill(sum(bytes.Repeat(salt, 16+int(a[0]))), len(salt))          // 17–20
	for i := range rounds {                                              // 21
		h.Reset()
		if i&1 != 0 {
			h.Write(p)
		} else {
			h.Write(a)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i&1 != 0 {
			h.Write(a)
		} else {
			h.Write(p)
		}
		a = h.Sum(a[:0])
	}
	return a
}

// fill repeats b up to a length.
func fill(b []byte, length int) []byte {
	out := make([]byte, 0, length+len(b))
	for len(out) < length {
		out = append(out, b...)
	}
	return out[:length]
}

// encode is step 22: the alphabet of crypt(3), six bits at a time from the
// lowest.
func (c shaCrypt) encode(digest []byte) []byte {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out := make([]byte, 0, 86)
	for i := 0; i < len(c.order); i += 3 {
		group := c.order[i:min(i+3, len(c.order))]
		var bits uint32
		for _, at := range group {
			bits = bits<<8 | uint32(digest[at])
		}
		for range (len(group)*8 + 5) / 6 {
			out = append(out, alphabet[bits&63])
			bits >>= 6
		}
	}
	return out
}
