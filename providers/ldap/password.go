package ldap

import "strings"

// storage says how slapd writes the verifiers that a configuration has (RFC 2307
// §5.3): with the scheme in braces, which is what tells it how to verify them. The
// others stand in the directory as they are; no simple bind succeeds by them, and a
// mail server that knows them can read them there.
var storage = []struct{ ours, theirs string }{
	{"$argon2id$", "{ARGON2}$argon2id$"}, // slapd's module argon2
	{"$2a$", "{CRYPT}$2a$"},              // crypt(3) of the server's machine
	{"$2b$", "{CRYPT}$2b$"},
	{"$2y$", "{CRYPT}$2y$"},
	{"$6$", "{CRYPT}$6$"},
	{"$5$", "{CRYPT}$5$"},
	{"$pbkdf2-sha256$", "{PBKDF2-SHA256}"}, // slapd's module pw-pbkdf2
	{"$pbkdf2-sha512$", "{PBKDF2-SHA512}"},
}

// stored is a verifier as the directory has it.
func stored(hash string) string {
	for _, s := range storage {
		if rest, ok := strings.CutPrefix(hash, s.ours); ok {
			return s.theirs + rest
		}
	}
	return hash
}

// declared is a verifier of a directory as a configuration has it. Schemes that
// mailform does not know ({SMD5} and older ones) stay as they are. The name of a
// scheme may be in any case.
func declared(value string) string {
	scheme, _, ok := strings.Cut(value, "}")
	if !ok {
		return value
	}
	for _, s := range storage {
		prefix, _, _ := strings.Cut(s.theirs, "}")
		if !strings.EqualFold(prefix, scheme) {
			continue
		}
		if rest, ok := strings.CutPrefix(value[len(scheme):], s.theirs[len(prefix):]); ok {
			return s.ours + rest
		}
	}
	return value
}
