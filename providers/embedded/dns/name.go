package dns

import (
	"strings"

	"github.com/miekg/dns"
)

// A name is a domain name as it stands in a message, uncompressed (RFC 1035
// §3.1), with small letters: labels of a length octet and that many octets, and
// the root. So a query's name is looked up without being taken apart, and no
// escape has to be thought of.
type name string

// root is the name of the root.
const root name = "\x00"

const (
	// maxName is the length of a name in a message (RFC 1035 §2.3.4).
	maxName = 255
	// maxLabels is how many labels fit into it, the root's left out.
	maxLabels = maxName / 2
)

// parseName reads an absolute name as people write it.
func parseName(s string) (name, bool) {
	var buf [maxName]byte
	if !dns.IsFqdn(s) {
		return "", false
	}
	n, err := dns.PackDomainName(s, buf[:], 0, nil, false)
	if err != nil {
		return "", false
	}
	lower(buf[:n])
	return name(buf[:n]), true
}

// lower makes the letters of a name small. Length octets are no letters.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
}

// fold is the name with small letters.
func (n name) fold() name {
	for i := range len(n) {
		if c := n[i]; 'A' <= c && c <= 'Z' {
			b := []byte(n)
			lower(b)
			return name(b)
		}
	}
	return n
}

// parent is the name without its first label. That of the root is the root.
func (n name) parent() name {
	if n == root {
		return root
	}
	return n[1+n[0]:]
}

// isBelow reports whether a name lies below another one.
func (n name) isBelow(above name) bool {
	if !strings.HasSuffix(string(n), string(above)) {
		return false
	}
	at := n
	for len(at) > len(above) {
		at = at.parent()
	}
	return len(at) == len(above) && len(n) > len(above)
}

// isWildcard reports whether the first label is "*" (RFC 4592 §2.1.1).
func (n name) isWildcard() bool { return strings.HasPrefix(string(n), "\x01*") }

// String is the name as people write it.
func (n name) String() string {
	s, _, err := dns.UnpackDomainName([]byte(n), 0)
	if err != nil {
		return "(no name)"
	}
	return s
}
