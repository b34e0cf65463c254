package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"
)

// maxIterations bounds PBKDF2 (RFC 8018 §5.2): about 2 s.
const maxIterations = 5_000_000

func parseIterations(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxIterations {
		return 0, ErrMalformed
	}
	return n, nil
}

// samePBKDF2 derives a key from the password and compares.
func samePBKDF2(h func() hash.Hash, password, salt []byte, iterations int, digest []byte) (bool, error) {
	got, err := pbkdf2.Key(h, string(password), salt, iterations, len(digest))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, digest) == 1, nil
}

// verifyPBKDF2 checks $pbkdf2-sha256$iterations$salt$digest, as Python's passlib
// writes it: base64 with "." for "+", without padding.
func verifyPBKDF2(s string, password []byte) (bool, error) {
	f := strings.Split(s, "$")
	if len(f) != 5 {
		return false, ErrMalformed
	}
	h := sha256.New
	if f[1] == "pbkdf2-sha512" {
		h = sha512.New
	}
	iterations, err := parseIterations(f[2])
	if err != nil {
		return false, err
	}
	salt, err := decodeBase64(strings.ReplaceAll(f[3], ".", "+"), 0, 1024)
	if err != nil {
		return false, err
	}
	digest, err := decodeBase64(strings.ReplaceAll(f[4], ".", "+"), 16, 64)
	if err != nil {
		return false, err
	}
	return samePBKDF2(h, password, salt, iterations, digest)
}

// verifyDjango checks pbkdf2_sha256$iterations$salt$digest, as Django writes it: the
// salt as it stands, the digest in base64.
func verifyDjango(s string, password []byte) (bool, error) {
	f := strings.Split(s, "$")
	if len(f) != 4 || f[2] == "" {
		return false, ErrMalformed
	}
	iterations, err := parseIterations(f[1])
	if err != nil {
		return false, err
	}
	digest, err := decodeBase64(f[3], sha256.Size, sha256.Size)
	if err != nil {
		return false, err
	}
	return samePBKDF2(sha256.New, password, []byte(f[2]), iterations, digest)
}

// verifySSHA checks {SSHA}digest-and-salt and its siblings, as slapd and Dovecot write
// them: the hash of the password with the salt behind it, once.
func verifySSHA(s string, password []byte) (bool, error) {
	scheme, rest, _ := strings.Cut(s, "}")
	h := map[string]func() hash.Hash{"{SSHA": sha1.New, "{SSHA256": sha256.New, "{SSHA512": sha512.New}[scheme]()
	both, err := decodeBase64(rest, h.Size()+1, h.Size()+1024)
	if err != nil {
		return false, err
	}
	h.Write(password)
	h.Write(both[h.Size():])
	return subtle.ConstantTimeCompare(h.Sum(nil), both[:h.Size()]) == 1, nil
}

// verifyDovecotPBKDF2 checks {PBKDF2}$1$salt$iterations$digest, as Dovecot
// writes it: SHA-1, the salt as it stands, the digest in hexadecimal.
func verifyDovecotPBKDF2(s string, password []byte) (bool, error) {
	f := strings.Split(s, "$")
	if len(f) != 5 || f[1] != "1" {
		return false, ErrMalformed
	}
	iterations, err := parseIterations(f[3])
	if err != nil {
		return false, err
	}
	digest, err := hex.DecodeString(f[4])
	if err != nil || len(digest) < 16 || len(digest) > 64 {
		return false, ErrMalformed
	}
	return samePBKDF2(sha1.New, password, []byte(f[2]), iterations, digest)
}

// verifySCRAM checks {SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey, as
// Dovecot writes what RFC 5803 §2 describes. The server key is for SCRAM itself.
func verifySCRAM(s string, password []byte) (bool, error) {
	scheme, rest, _ := strings.Cut(s, "}")
	h := sha256.New
	if scheme == "{SCRAM-SHA-1" {
		h = sha1.New
	}
	f := strings.Split(rest, ",")
	if len(f) != 4 {
		return false, ErrMalformed
	}
	iterations, err := parseIterations(f[0])
	if err != nil {
		return false, err
	}
	salt, err := decodeBase64(f[1], 1, 1024)
	if err != nil {
		return false, err
	}
	size := h().Size()
	storedKey, err := decodeBase64(f[2], size, size)
	if err != nil {
		return false, err
	}
	// Clients prepare the password (RFC 5802 §2.2, RFC 4013), others send it as it is.
	for _, p := range prepared(string(password)) {
		salted, err := pbkdf2.Key(h, p, salt, iterations, size)
		if err != nil {
			return false, err
		}
		// StoredKey is H(HMAC(SaltedPassword, "Client Key")): RFC 5802 §3.
		mac := hmac.New(h, salted)
		mac.Write([]byte("Client Key"))
		d := h()
		d.Write(mac.Sum(nil))
		if subtle.ConstantTimeCompare(d.Sum(nil), storedKey) == 1 {
			return true, nil
		}
	}
	return false, nil
}

// prepared are the forms of a password that a verifier may have been made of.
// How many they are depends on the password alone.
func prepared(password string) []string {
	p, err := stringprep.SASLprep.Prepare(password)
	if err != nil || p == password {
		return []string{password}
	}
	return []string{p, password}
}
