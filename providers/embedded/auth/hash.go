package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
	"golang.org/x/crypto/bcrypt"
)

// MaxPassword is the length of the longest password, in bytes. Some schemes take
// time that grows with the square of the length.
const MaxPassword = 1024

// Errors of hashes. They are wrapped with the name of the scheme, never with the
// hash.
var (
	// ErrMalformed: the hash cannot be read, or asks for more memory or time than
	// is allowed.
	ErrMalformed = errors.New("malformed password hash")
	// ErrUnknownScheme: the hash is of no scheme that this package knows.
	ErrUnknownScheme = errors.New("unknown password hash scheme")
	// ErrUnavailable: a directory judges the password, and does not say.
	ErrUnavailable = errors.New("the directory cannot be asked")
)

// maxBcryptCost is the dearest bcrypt hash that is checked: about 4 s.
const maxBcryptCost = 16

// Hash makes an argon2id hash in PHC string format with the parameters that
// OWASP recommends: 19 MiB, 2 passes, 1 lane. A password is 1 to [MaxPassword]
// bytes.
func Hash(password []byte) (string, error) {
	switch {
	case len(password) == 0:
		return "", errors.New("the password is empty")
	case len(password) > MaxPassword:
		return "", fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	h := argon2Hash{argon2Params: defaultArgon2, salt: salt}
	h.digest = h.derive(password, digestLength)
	return h.String(), nil
}

// Verify reports whether one of the hashes is that of the password. SCRAM
// verifiers are asked only where there is no other hash: they stand beside one
// of the same password for another use, and asking both would take a time that
// tells how many there are.
//
// The error is nil when the answer is sure; otherwise it joins an [ErrMalformed]
// or [ErrUnknownScheme], or [ErrUnavailable], for each hash that could not be checked. A match is a
// match, whatever the others are.
func Verify(hashes []string, password []byte) (bool, error) {
	if len(password) == 0 || len(password) > MaxPassword {
		return false, nil
	}
	var errs []error
	for _, h := range usable(hashes) {
		ok, err := verify(h, password)
		if ok {
			return true, nil
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return false, errors.Join(errs...)
}

// usable leaves SCRAM verifiers out where there is something else.
func usable(hashes []string) []string {
	var other []string
	for _, h := range hashes {
		if !strings.HasPrefix(h, "{SCRAM-") {
			other = append(other, h)
		}
	}
	if len(other) > 0 {
		return other
	}
	return hashes
}

// schemes are found by how a hash begins.
var schemes = []struct {
	prefix, name string
	verify       func(hash string, password []byte) (bool, error)
}{
	{"$argon2id$", "argon2id", verifyArgon2},
	{"$2a$", "bcrypt", verifyBcrypt},
	{"$2b$", "bcrypt", verifyBcrypt},
	{"$2y$", "bcrypt", verifyBcrypt},
	{"$6$", "sha512-crypt", verifySHACrypt},
	{"$5$", "sha256-crypt", verifySHACrypt},
	{"$pbkdf2-sha256$", "pbkdf2-sha256", verifyPBKDF2},
	{"$pbkdf2-sha512$", "pbkdf2-sha512", verifyPBKDF2},
	{"{PBKDF2}", "pbkdf2", verifyDovecotPBKDF2},
	{schema.DjangoPrefix, "pbkdf2-sha256", verifyDjango},
	{"{SSHA}", "ssha", verifySSHA},
	{"{SSHA256}", "ssha256", verifySSHA},
	{"{SSHA512}", "ssha512", verifySSHA},
	{"{SCRAM-SHA-256}", "scram-sha-256", verifySCRAM},
	{"{SCRAM-SHA-1}", "scram-sha-1", verifySCRAM},
	{schema.LDAPVerifierPrefix, "ldap", verifyLDAP},
}

func verify(hash string, password []byte) (bool, error) {
	for _, s := range schemes {
		if !strings.HasPrefix(hash, s.prefix) {
			continue
		}
		ok, err := s.verify(hash, password)
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.name, err)
		}
		return ok, nil
	}
	return false, ErrUnknownScheme
}

// verifyBcrypt looks at the first 72 bytes of a password only, as all of bcrypt.
func verifyBcrypt(hash string, password []byte) (bool, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > maxBcryptCost || len(hash) != 60 {
		return false, ErrMalformed
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), password)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	}
	return false, ErrMalformed
}
