package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Lengths of what [Hash] makes, in bytes.
const (
	saltLength   = 16
	digestLength = 32
)

// defaultArgon2 is what OWASP's Password Storage Cheat Sheet recommends.
var defaultArgon2 = argon2Params{memory: 19456, passes: 2, lanes: 1}

// Bounds of an argon2id hash that is checked. Memory is bounded for each check;
// the authenticator bounds how many run at once.
const (
	maxArgon2Memory = 256 << 10 // KiB
	maxArgon2Passes = 32
	maxArgon2Lanes  = 16
	maxArgon2Work   = 2 << 20 // memory times passes: about 2 s
)

// argon2Params are the cost parameters of RFC 9106 §3.1. Memory is in KiB.
type argon2Params struct {
	memory, passes uint32
	lanes          uint8
}

type argon2Hash struct {
	argon2Params
	salt, digest []byte
}

func (h *argon2Hash) derive(password []byte, length uint32) []byte {
	return argon2.IDKey(password, h.salt, h.passes, h.memory, h.lanes, length)
}

// String is the hash in PHC string format.
func (h *argon2Hash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.passes, h.lanes, enc.EncodeToString(h.salt), enc.EncodeToString(h.digest))
}

// parseArgon2 reads $argon2id$v=19$m=…,t=…,p=…$salt$digest.
func parseArgon2(s string) (*argon2Hash, error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, ErrMalformed
	}
	params := strings.Split(f[3], ",")
	if len(params) != 3 {
		return nil, ErrMalformed
	}
	var values [3]uint32
	for i, bound := range []struct {
		name     string
		min, max uint64
	}{
		{"m=", 8, maxArgon2Memory},
		{"t=", 1, maxArgon2Passes},
		{"p=", 1, maxArgon2Lanes},
	} {
		digits, ok := strings.CutPrefix(params[i], bound.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || n < bound.min || n > bound.max {
			return nil, ErrMalformed
		}
		values[i] = uint32(n)
	}
	h := &argon2Hash{argon2Params: argon2Params{memory: values[0], passes: values[1], lanes: uint8(values[2])}}
	if h.memory < 8*uint32(h.lanes) || h.memory*h.passes > maxArgon2Work {
		return nil, ErrMalformed
	}
	var err error
	if h.salt, err = decodeBase64(f[4], 8, 64); err != nil {
		return nil, err
	}
	if h.digest, err = decodeBase64(f[5], 16, 64); err != nil {
		return nil, err
	}
	return h, nil
}

// decodeBase64 reads base64 with or without padding, of a length within bounds.
func decodeBase64(s string, shortest, longest int) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) < shortest || len(b) > longest {
		return nil, ErrMalformed
	}
	return b, nil
}

func verifyArgon2(s string, password []byte) (bool, error) {
	h, err := parseArgon2(s)
	if err != nil {
		return false, err
	}
	got := h.derive(password, uint32(len(h.digest)))
	return subtle.ConstantTimeCompare(got, h.digest) == 1, nil
}
