package dovecot

import (
	"errors"
	"strings"
)

// schemes say how Dovecot calls the verifiers of a configuration.
var schemes = []struct{ prefix, scheme string }{
	{"$argon2id$", "{ARGON2ID}"},
	{"$2a$", "{BLF-CRYPT}"}, {"$2b$", "{BLF-CRYPT}"}, {"$2y$", "{BLF-CRYPT}"},
	{"$6$", "{SHA512-CRYPT}"},
	{"$5$", "{SHA256-CRYPT}"},
}

// same are the schemes whose verifiers are written here as Dovecot writes them.
var same = []string{"{SCRAM-SHA-256}", "{SCRAM-SHA-1}", "{PBKDF2}", "{SSHA}", "{SSHA256}", "{SSHA512}"}

// noPassword is one that no password fits.
const noPassword = "{CRYPT}*"

// encode writes a verifier as Dovecot has it.
func encode(verifier string) (string, error) {
	if strings.ContainsAny(verifier, ":\n\r\x00\t ") {
		return "", errors.New("it has a character that cannot stand in a file of users")
	}
	for _, s := range schemes {
		if strings.HasPrefix(verifier, s.prefix) {
			return s.scheme + verifier, nil
		}
	}
	for _, s := range same {
		if strings.HasPrefix(verifier, s) {
			return verifier, nil
		}
	}
	return "", errors.New("Dovecot does not know its scheme: expected argon2id, bcrypt, sha512-crypt, sha256-crypt, SCRAM, {PBKDF2} or {SSHA}")
}

// decode is encode the other way; what it does not know stays as it is.
func decode(password string) string {
	for _, s := range schemes {
		if rest, ok := strings.CutPrefix(password, s.scheme); ok && strings.HasPrefix(rest, s.prefix) {
			return rest
		}
	}
	return password
}

// give picks the verifier that Dovecot is given: the first that is not for SCRAM
// alone, or else the first. The others are kept beside it.
func give(verifiers []string) (password string, n note, err error) {
	if len(verifiers) == 0 {
		return noPassword, note{}, nil
	}
	at, why := -1, error(nil)
	for i, v := range verifiers {
		text, err := encode(v)
		if err != nil {
			why = err
			continue
		}
		if at < 0 || strings.HasPrefix(password, "{SCRAM") && !strings.HasPrefix(text, "{SCRAM") {
			at, password = i, text
		}
	}
	if at < 0 {
		return "", note{}, why
	}
	if len(verifiers) > 1 {
		n.At = at
		n.Others = append(append([]string{}, verifiers[:at]...), verifiers[at+1:]...)
	}
	return password, n, nil
}

// taken is give the other way.
func taken(password string, n note) []string {
	if password == noPassword || password == "" {
		return nil
	}
	list := append([]string{}, n.Others...)
	at := min(max(n.At, 0), len(list))
	return append(list[:at:at], append([]string{decode(password)}, list[at:]...)...)
}
