package schema

import (
	"errors"
	"strings"
)

// hashSchemes are the ways in which password verifiers begin. The last column
// is the least number of $-separated fields that follow.
var hashSchemes = []struct {
	prefix, name string
	fields       int
}{
	{"$argon2id$", "argon2id", 4}, // v=19$m=…,t=…,p=…$salt$digest
	{"$2a$", "bcrypt", 2},
	{"$2b$", "bcrypt", 2},
	{"$2y$", "bcrypt", 2},
	{"$6$", "sha512-crypt", 2},
	{"$5$", "sha256-crypt", 2},
	{"$pbkdf2-sha256$", "pbkdf2-sha256", 3},
	{"$pbkdf2-sha512$", "pbkdf2-sha512", 3},
	{"{SCRAM-SHA-256}", "scram-sha-256", 1},
	{"{SCRAM-SHA-1}", "scram-sha-1", 1},
	{"{PBKDF2}", "pbkdf2", 1},
	{DjangoPrefix, "pbkdf2-sha256 of Django", 3},
	{"{SSHA}", "ssha", 1},
	{"{SSHA256}", "ssha256", 1},
	{"{SSHA512}", "ssha512", 1},
}

// DjangoPrefix is how the verifiers of Django begin, which have no sign of their own
// in front.
const DjangoPrefix = "pbkdf2_sha256$"

// HoldsPasswordHash reports whether there is, somewhere in a text, something that
// begins as a password verifier does.
func HoldsPasswordHash(text string) bool { return len(PasswordHashes(text)) > 0 }

// PasswordHashes finds in a text what begins as password verifiers do. Each goes
// to the next quotation mark or white space: from the first byte to that behind
// the last.
func PasswordHashes(text string) [][2]int {
	var found [][2]int
	for _, h := range hashSchemes {
		for at := 0; ; {
			i := strings.Index(text[at:], h.prefix)
			if i < 0 {
				break
			}
			from := at + i
			at = len(text)
			if n := strings.IndexAny(text[from:], "\"'` \t\r\n"); n >= 0 {
				at = from + n
			}
			found = append(found, [2]int{from, at})
		}
	}
	return found
}

// ParsePasswordHash names the scheme of a password verifier. Its errors never
// hold any part of the value, which may be a password in plain text.
func ParsePasswordHash(s string) (scheme string, err error) {
	if strings.HasPrefix(s, LDAPVerifierPrefix) {
		if _, err := ParseLDAPVerifier(s); err != nil {
			return "", err
		}
		return "ldap", nil
	}
	for _, h := range hashSchemes {
		rest, ok := strings.CutPrefix(s, h.prefix)
		if !ok {
			continue
		}
		fields := strings.Split(rest, "$")
		if len(fields) < h.fields || fields[len(fields)-1] == "" || strings.ContainsAny(s, " \t\r\n\x00") {
			return "", errors.New("it begins like " + h.name + " and is not complete")
		}
		return h.name, nil
	}
	if s == "" {
		return "", errors.New("it is empty; leave the argument out for a user who cannot log in")
	}
	return "", errors.New("it is not a hash of a scheme that mailform knows; mailform passwd makes one, plain text is never accepted")
}
