package rdata

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

// A Name is a domain name: absolute, with its trailing dot, lower-case, with
// A-labels for what is written in other scripts (RFC 5890). Two equal names are
// equal strings. Make one with [ParseName] or [ParseOwner].
type Name string

// Root is the name of the root zone. As the target of an MX or SRV record it
// says that there is no such service (RFC 7505, RFC 2782).
const Root Name = "."

// Errors that callers tell apart with errors.Is.
var (
	// ErrOutside: an owner name does not lie in its zone.
	ErrOutside = errors.New("the name lies outside the zone")
	// ErrAddress: there is an IP address where a name has to be.
	ErrAddress = errors.New("this is an IP address, and here has to be a name")
)

// Host is the name without its trailing dot, as mail addresses, greetings and
// certificates have it.
func (n Name) Host() string {
	if n == Root {
		return "."
	}
	return strings.TrimSuffix(string(n), ".")
}

// In reports whether the name is that of the zone or lies below it.
func (n Name) In(zone Name) bool {
	if zone == Root || n == zone {
		return true
	}
	if !strings.HasSuffix(string(n), string(zone)) {
		return false
	}
	rest := n[:len(n)-len(zone)]
	if !strings.HasSuffix(string(rest), ".") {
		return false
	}
	// The dot may be an escaped one, part of a label. An odd number of
	// backslashes before it says so.
	backslashes := 0
	for i := len(rest) - 2; i >= 0 && rest[i] == '\\'; i-- {
		backslashes++
	}
	return backslashes%2 == 0
}

// Parent is the name without its first label. The root's parent is the root.
func (n Name) Parent() Name {
	next, end := dns.NextLabel(string(n), 0)
	if end {
		return Root
	}
	return n[next:]
}

// Under is the name with labels put in front: Under("_dmarc"). It checks
// nothing: what is put in front is a constant or comes from a Name.
func (n Name) Under(labels string) Name {
	if n == Root {
		return Name(labels + ".")
	}
	return Name(labels + "." + string(n))
}

// ParseName reads a domain name. It is absolute whether or not it ends in a dot.
// A label may have any visible character; letters of other scripts become an
// A-label, and octets that mean something in a zone file are written \. or \046.
func ParseName(s string) (Name, error) {
	switch s {
	case "":
		return "", errors.New("the name is empty")
	case ".":
		return Root, nil
	}
	if n, ok := fastName(s); ok {
		return n, nil
	}
	labels, err := splitLabels(s)
	if err != nil {
		return "", err
	}
	for i, label := range labels {
		if labels[i], err = canonicalLabel(label); err != nil {
			return "", err
		}
	}
	n, err := checkLength(strings.Join(labels, ".") + ".")
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(n.Host()); err == nil {
		return "", ErrAddress
	}
	return n, nil
}

// fastName takes what nearly all names are: plain ASCII labels.
func fastName(s string) (Name, bool) {
	if len(s) > 253 {
		return "", false
	}
	label, letters, lower := 0, false, true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', c == '_':
			letters = true
			label++
		case 'A' <= c && c <= 'Z':
			letters, lower = true, false
			label++
		case '0' <= c && c <= '9', c == '-':
			label++
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = 0
		default:
			return "", false
		}
		if label > 63 {
			return "", false
		}
	}
	if !letters { // might be an address
		return "", false
	}
	if !lower {
		s = strings.ToLower(s)
	}
	if s[len(s)-1] != '.' {
		s += "."
	}
	return Name(s), true
}

// splitLabels cuts a name at its dots, those that are not escaped.
func splitLabels(s string) ([]string, error) {
	var labels []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '.':
			if i == start {
				return nil, errors.New("the name has an empty label (two dots in a row, or one in front)")
			}
			labels = append(labels, s[start:i])
			start = i + 1
		}
	}
	if start < len(s) {
		labels = append(labels, s[start:])
	}
	return labels, nil
}

func canonicalLabel(label string) (string, error) {
	ascii := true
	for i := 0; i < len(label); i++ {
		switch c := label[i]; {
		case c >= 0x80:
			ascii = false
		case c == '\\':
			n, err := escapeLength(label[i:])
			if err != nil {
				return "", err
			}
			i += n - 1
		case c == ' ':
			return "", errors.New("a name has no spaces")
		case c < ' ', c == 0x7f, strings.IndexByte(`@;()"'`, c) >= 0:
			return "", fmt.Errorf("the character %q cannot be in a name", string(rune(c)))
		}
	}
	if ascii {
		return strings.ToLower(label), nil
	}
	a, err := idna.Lookup.ToASCII(label)
	if err != nil || strings.Contains(a, ".") {
		return "", fmt.Errorf("the label %q is no internationalised name (RFC 5891)", label)
	}
	return a, nil
}

// escapeLength measures an escape at the start of s: \X or \DDD.
func escapeLength(s string) (int, error) {
	if len(s) < 2 {
		return 0, errors.New("the name ends within an escape")
	}
	if s[1] < '0' || s[1] > '9' {
		return 2, nil
	}
	if len(s) < 4 || s[2] < '0' || s[2] > '9' || s[3] < '0' || s[3] > '9' ||
		int(s[1]-'0')*100+int(s[2]-'0')*10+int(s[3]-'0') > 255 {
		return 0, errors.New("an escape is a backslash with one character, or with three digits up to 255")
	}
	return 4, nil
}

// checkLength holds the limits of RFC 1035 §2.3.4, and brings escapes into one
// form by way of the wire.
func checkLength(name string) (Name, error) {
	for _, label := range dns.SplitDomainName(name) {
		if len(label) > 63 && !strings.Contains(label, `\`) {
			return "", fmt.Errorf("the label %q has %d octets, and a label has at most 63", label, len(label))
		}
	}
	wire := make([]byte, 255)
	n, err := dns.PackDomainName(name, wire, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("%q is too long: a name has at most 253 octets, a label at most 63", name)
	}
	canonical, _, err := dns.UnpackDomainName(wire[:n], 0)
	if err != nil {
		return "", fmt.Errorf("%q is no domain name", name)
	}
	return Name(strings.ToLower(canonical)), nil
}

// ParseOwner reads the owner name of a record in a zone: "@" is the zone itself,
// a name that ends in a dot, or that ends in the zone's name, is absolute,
// everything else is relative to the zone. The error is ErrOutside for an
// absolute name elsewhere.
func ParseOwner(s string, zone Name) (Name, error) {
	if s == "@" {
		return zone, nil
	}
	n, err := ParseName(s)
	if err != nil {
		return "", err
	}
	if err := plausible(s); err != nil {
		return "", err
	}
	switch {
	case n.In(zone):
		return n, nil
	case strings.HasSuffix(s, ".") && !strings.HasSuffix(s, `\.`):
		return "", ErrOutside
	case zone == Root:
		return n, nil
	}
	return checkLength(string(n) + string(zone))
}

// plausible refuses what can be in a name and is far more likely a slip: a "*"
// that is no wildcard (RFC 4592 §2.1.1), and unescaped punctuation other than
// that of real names (the slash is from RFC 2317).
func plausible(s string) error {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '*' && i == 0 && (len(s) == 1 || s[1] == '.'):
		case c == '*':
			return errors.New(`a "*" can only be the whole first label of a name`)
		case strings.IndexByte("!#$%&+,:<=>?[]^`{|}~", c) >= 0:
			return fmt.Errorf("the character %q is hardly meant to be in a name; if it is, put a backslash before it", string(rune(c)))
		}
	}
	return nil
}

// ParseContact reads the mail address of the one who answers for a zone, and
// returns its form in a SOA record (RFC 1035 §8): hostmaster@example.com is
// hostmaster.example.com. A text without "@" is taken to be in that form.
func ParseContact(s string) (Name, error) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return ParseName(s)
	}
	local, domain := s[:i], s[i+1:]
	if local == "" {
		return "", errors.New("there is nothing before the @")
	}
	return ParseName(strings.ReplaceAll(local, ".", `\.`) + "." + domain)
}
