package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers/ldap/ldapconn"
	"github.com/mailform/mailform/schema"
)

// ldapTimeout is how long a directory may take to judge a password.
const ldapTimeout = 5 * time.Second

// isLDAP reports whether a directory judges the password.
func isLDAP(hash string) bool { return strings.HasPrefix(hash, schema.LDAPVerifierPrefix) }

// verifyLDAP asks a directory whether it lets one in as the entry that a verifier
// names (a simple bind, RFC 4513 §5.1.3). The error is [ErrUnavailable] where the
// directory does not say.
func verifyLDAP(verifier string, password []byte) (bool, error) {
	v, err := schema.ParseLDAPVerifier(verifier)
	if err != nil {
		return false, ErrMalformed
	}
	if len(password) == 0 {
		return false, nil // a bind without a password is one as nobody, and succeeds
	}
	conn, err := ldapconn.Open(context.Background(), ldapconn.Options{Server: v.Server, StartTLS: v.StartTLS, CAFile: v.CAFile, Timeout: ldapTimeout})
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer conn.Close()
	_, err = conn.SimpleBind(&goldap.SimpleBindRequest{Username: v.DN, Password: string(password)})
	switch {
	case err == nil:
		return true, nil
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultNoSuchObject,
		goldap.LDAPResultInvalidDNSyntax, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultConstraintViolation):
		return false, nil
	}
	return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
}
