package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// shown is how much of what a server says is repeated.
const shown = 500

// unreached words that there is no connection.
func (s *server) unreached(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the directory at %s did not answer within %s", s.url, s.timeout)
	}
	return fmt.Errorf("the directory at %s cannot be reached: %w", s.url, err)
}

// badTLS words that TLS did not begin.
func (s *server) badTLS(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var answer *goldap.Error
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of the directory at %s is of no authority that is believed. Name the file with the right one as ca_file", s.url)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate of the directory at %s is for another name: %w", s.url, name)
	case errors.As(err, &record), strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return fmt.Errorf("the directory at %s does not begin with TLS. Write ldap:// with start_tls = true, or the port of ldaps://, which is 636 as a rule", s.url)
	case errors.As(err, &answer) && answer.ResultCode < goldap.ErrorNetwork:
		return fmt.Errorf("the directory at %s has no TLS (%s): its own configuration has to name a certificate", s.url, said(answer))
	}
	return fmt.Errorf("TLS with the directory at %s: %w", s.url, err)
}

// badLogin words that a server does not take the credentials.
func (s *server) badLogin(ctx context.Context, who credentials, err error) error {
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication) && who.dn != "":
		return fmt.Errorf("the directory at %s does not take bind_dn %q with its bind_password", s.url, who.dn)
	case goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidDNSyntax):
		return fmt.Errorf("bind_dn %q is no name of an entry", who.dn)
	case goldap.IsErrorWithCode(err, goldap.ErrorEmptyPassword):
		return fmt.Errorf("bind_dn is %q, and there is no bind_password", who.dn)
	}
	return s.explain(ctx, err, who.dn, who.password)
}

// explain words an error of the directory about an entry. What it says is shown
// without the secrets.
func (s *server) explain(ctx context.Context, err error, dn string, secrets ...string) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var answer *goldap.Error
	if !errors.As(err, &answer) || answer.ResultCode >= goldap.ErrorNetwork {
		if strings.Contains(err.Error(), "timed out") {
			return fmt.Errorf("the directory at %s did not answer within %s", s.url, s.timeout)
		}
		return fmt.Errorf("the directory at %s has ended the connection: %s", s.url, quiet(strings.TrimPrefix(err.Error(), "LDAP Result Code 200 \"Network Error\": "), secrets...))
	}
	detail := quiet(said(answer), secrets...)
	switch answer.ResultCode {
	case goldap.LDAPResultNoSuchObject:
		nearest := ""
		if answer.MatchedDN != "" {
			nearest = "; the nearest that is there, or that may be seen, is " + answer.MatchedDN
		}
		return fmt.Errorf("the directory at %s has no entry %s%s. Make it, or correct base", s.url, dn, nearest)
	case goldap.LDAPResultInsufficientAccessRights:
		return fmt.Errorf("%s: the directory's access rules do not allow it to bind_dn (%s)", dn, detail)
	case goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultAdminLimitExceeded, goldap.LDAPResultTimeLimitExceeded:
		return fmt.Errorf("the directory at %s does not hand out all entries below %s (%s): it has a limit. For OpenLDAP, give bind_dn none: limits dn.exact=\"…\" size.soft=unlimited size.hard=unlimited size.prtotal=unlimited time=unlimited", s.url, dn, detail)
	case goldap.LDAPResultReferral:
		return fmt.Errorf("%s: the directory at %s takes no changes itself and refers to another. Give that one as url", dn, s.url)
	case goldap.LDAPResultConfidentialityRequired, goldap.LDAPResultStrongAuthRequired:
		return fmt.Errorf("the directory at %s wants more than that (%s): start_tls = true, or a url with ldaps://, or a bind_dn", s.url, detail)
	case goldap.LDAPResultNotAllowedOnNonLeaf:
		return fmt.Errorf("%s has entries below it, and stays. Move them away, or remove them, by hand", dn)
	case goldap.LDAPResultObjectClassViolation, goldap.LDAPResultUndefinedAttributeType, goldap.LDAPResultInvalidAttributeSyntax, goldap.LDAPResultConstraintViolation,
		goldap.LDAPResultNamingViolation, goldap.LDAPResultNotAllowedOnRDN, goldap.LDAPResultObjectClassModsProhibited, goldap.LDAPResultInappropriateMatching:
		return fmt.Errorf("%s would not be as the directory's schema and rules demand: %s", dn, detail)
	case goldap.LDAPResultBusy, goldap.LDAPResultUnavailable, goldap.LDAPResultUnwillingToPerform:
		return fmt.Errorf("%s: the directory at %s does not do that now: %s", dn, s.url, detail)
	}
	return fmt.Errorf("%s: the directory at %s says: %s", dn, s.url, detail)
}

// said is what a server says, as the end of a sentence.
func said(e *goldap.Error) string {
	code := strings.ToLower(goldap.LDAPResultCodeMap[e.ResultCode])
	if code == "" {
		code = fmt.Sprint("result ", e.ResultCode)
	}
	text := ""
	if e.Err != nil {
		text = strings.Join(strings.Fields(strings.ToValidUTF8(e.Err.Error(), "?")), " ")
	}
	if text == "" || text == "<nil>" {
		return code
	}
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return code + ": " + strings.TrimSuffix(text, ".")
}
