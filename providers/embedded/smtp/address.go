package smtp

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// errAddress says that something is not a mail address (RFC 5321 §4.1.2).
var errAddress = errors.New("bad address syntax")

// maxPath is the longest address taken, in bytes. RFC 5321 §4.5.3.1.3 asks for
// 254; senders with long tagged return paths go beyond it.
const maxPath = 512

// An address is a mailbox name, split and normalised.
type address struct {
	// Local is the local part without quotes, in the sender's letter case.
	Local string
	// Domain is in lower case and A-labels, without a trailing dot; an address
	// literal keeps its brackets.
	Domain string
}

// parseAddress takes what go-smtp makes of a path: the local part with its
// quotes already removed, "@", the domain. So the last "@" is the divider.
func parseAddress(s string) (address, error) {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || len(s) > maxPath || !utf8.ValidString(s) {
		return address{}, errAddress
	}
	local := s[:at]
	for i := 0; i < len(local); i++ {
		if local[i] < ' ' || local[i] == 0x7f {
			return address{}, errAddress
		}
	}
	domain, err := normalDomain(s[at+1:])
	if err != nil {
		return address{}, err
	}
	return address{Local: norm.NFC.String(local), Domain: domain}, nil
}

// normalDomain returns a domain in lower case and A-labels.
func normalDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		if !strings.HasSuffix(s, "]") || strings.ContainsFunc(s, notLiteral) {
			return "", errAddress
		}
		return strings.ToLower(s), nil
	}
	s = strings.TrimSuffix(s, ".")
	if !isASCII(s) {
		a, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", errAddress
		}
		s = a
	}
	s = strings.ToLower(s)
	if len(s) == 0 || len(s) > 253 {
		return "", errAddress
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 {
			return "", errAddress
		}
	}
	if strings.ContainsFunc(s, notHostname) {
		return "", errAddress
	}
	return s, nil
}

func notHostname(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
}

func notLiteral(r rune) bool {
	return r <= ' ' || r > '~' || r == '<' || r == '>' || r == '\\'
}

// path is the address as it stands between angle brackets, quoted where that
// is needed.
func (a address) path() string {
	if a == (address{}) {
		return ""
	}
	return quoteLocal(a.Local) + "@" + a.Domain
}

// key is the form that addresses are looked up in.
func (a address) key() string { return strings.ToLower(a.path()) }

// routed says that the local part itself holds a route, as relays of old took
// it: user%elsewhere@here, elsewhere!user@here, "user@elsewhere"@here.
func (a address) routed() bool { return strings.ContainsAny(a.Local, "%!@") }

// literal says that the domain is an address literal.
func (a address) literal() bool { return strings.HasPrefix(a.Domain, "[") }

func quoteLocal(local string) string {
	if isDotString(local) {
		return local
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if local[i] == '"' || local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

// isDotString says whether a local part needs no quotes (RFC 5321 Dot-string,
// with the UTF-8 of RFC 6531).
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0:
		default:
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
