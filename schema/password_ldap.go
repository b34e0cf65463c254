package schema

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// LDAPVerifierPrefix begins a verifier that is none itself, but says which entry of
// a directory the password is of: a login is right if the directory lets one in as
// that entry. Behind it stands an LDAP URL (RFC 4516) with the name of the entry:
//
//	{LDAP}ldaps://ldap.example.com/uid=alice,ou=people,dc=example,dc=com
//
// Its extensions can be x-start-tls, and x-ca-file with the path of a PEM file.
const LDAPVerifierPrefix = "{LDAP}"

// Extensions of the URL of a verifier.
const (
	extStartTLS = "x-start-tls"
	extCAFile   = "x-ca-file"
)

// An LDAPVerifier says who judges a password.
type LDAPVerifier struct {
	Server   LDAPServer
	StartTLS bool
	CAFile   string // absolute; empty: the authorities of the machine
	DN       string
}

// String is the verifier as a configuration has it. It holds no white space.
func (v LDAPVerifier) String() string {
	var b strings.Builder
	b.WriteString(LDAPVerifierPrefix + v.Server.Scheme + "://")
	if v.Server.Scheme == "ldapi" {
		b.WriteString(url.QueryEscape(v.Server.Address))
	} else {
		b.WriteString(v.Server.Address)
	}
	b.WriteString("/" + escapeURL(v.DN))
	var extensions []string
	if v.StartTLS {
		extensions = append(extensions, extStartTLS)
	}
	if v.CAFile != "" {
		extensions = append(extensions, extCAFile+"="+escapeURL(v.CAFile))
	}
	if len(extensions) > 0 {
		b.WriteString("????" + strings.Join(extensions, ","))
	}
	return b.String()
}

// escapeURL escapes what has a meaning in an LDAP URL, and what is no printing
// ASCII. Equals signs and commas of names stay readable.
func escapeURL(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte("%?#\"'`<>\\^{|}$", c) >= 0 {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// ParseLDAPVerifier reads a verifier that begins with [LDAPVerifierPrefix]. One by
// which passwords would go over a network in clear text is refused.
func ParseLDAPVerifier(s string) (LDAPVerifier, error) {
	rest, ok := strings.CutPrefix(s, LDAPVerifierPrefix)
	if !ok {
		return LDAPVerifier{}, errors.New("it does not begin with " + LDAPVerifierPrefix)
	}
	if strings.ContainsAny(s, " \t\r\n\x00") {
		return LDAPVerifier{}, errors.New("it holds white space, which is written as %20")
	}
	scheme, rest, _ := strings.Cut(rest, "://")
	host, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return LDAPVerifier{}, errors.New("behind " + LDAPVerifierPrefix + " has to stand an LDAP URL with the name of an entry: ldaps://ldap.example.com/uid=alice,dc=example,dc=com")
	}
	var v LDAPVerifier
	var err error
	if v.Server, err = ParseLDAP(scheme + "://" + host + "/"); err != nil {
		return LDAPVerifier{}, err
	}
	parts := strings.Split(rest, "?")
	if v.DN, err = url.PathUnescape(parts[0]); err != nil || v.DN == "" || strings.ContainsRune(v.DN, 0) {
		return LDAPVerifier{}, errors.New("it names no entry behind the server")
	}
	switch {
	case len(parts) == 1:
	case len(parts) == 5 && parts[1]+parts[2]+parts[3] == "":
		for _, extension := range strings.Split(parts[4], ",") {
			name, value, _ := strings.Cut(extension, "=")
			value, err := url.PathUnescape(value)
			switch {
			case err == nil && name == extStartTLS && value == "" && v.Server.Scheme == "ldap":
				v.StartTLS = true
			case err == nil && name == extCAFile && strings.HasPrefix(value, "/") && !strings.ContainsRune(value, 0):
				v.CAFile = value
			default:
				return LDAPVerifier{}, errors.New("its extensions can be x-start-tls, for ldap://, and x-ca-file with an absolute path")
			}
		}
	default:
		return LDAPVerifier{}, errors.New("it asks for attributes, or searches: it can only name an entry")
	}
	if v.Server.Scheme == "ldap" && !v.StartTLS && !isLoopback(v.Server.Host) {
		return LDAPVerifier{}, errors.New("passwords would go to the directory in clear text: write ldaps://, or ????x-start-tls at the end")
	}
	return v, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
