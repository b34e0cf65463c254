package rdata

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// expected says what the value of a type looks like, for error texts.
var expected = map[string]string{
	"A":          `an IPv4 address, such as "192.0.2.80"`,
	"AAAA":       `an IPv6 address, such as "2001:db8::80"`,
	"AFSDB":      `a subtype and a host name, such as "1 afs.example.com."`,
	"CAA":        `flags, a tag and a quoted value, such as "0 issue \"ca.example.net\""`,
	"CDNSKEY":    `flags, protocol, algorithm and a key in base64`,
	"CDS":        `a key tag, algorithm, digest type and a digest in hex`,
	"CERT":       `a type, key tag, algorithm and a certificate in base64`,
	"CNAME":      `a name, such as "www.example.com."`,
	"DHCID":      `a digest in base64`,
	"DNAME":      `a name, such as "example.net."`,
	"DNSKEY":     `flags, protocol, algorithm and a key in base64`,
	"DS":         `a key tag, algorithm, digest type and a digest in hex`,
	"HINFO":      `two quoted texts, such as "\"ANY\" \"\""`,
	"HTTPS":      `a priority, a target and parameters, such as "1 . alpn=\"h2\""`,
	"LOC":        `a place (RFC 1876), such as "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"`,
	"MX":         `a preference and a host name, such as "10 mail.example.com."`,
	"NAPTR":      `order, preference, flags, service, pattern and a name (RFC 3403)`,
	"NS":         `the name of a name server, such as "ns1.example.net."`,
	"OPENPGPKEY": `a key in base64`,
	"PTR":        `a name, such as "mail.example.com."`,
	"RP":         `a mailbox name and a name, such as "admin.example.com. ."`,
	"SMIMEA":     `usage, selector, matching type and data in hex`,
	"SRV":        `priority, weight, port and a host name, such as "0 1 993 mail.example.com."`,
	"SSHFP":      `algorithm, fingerprint type and a fingerprint in hex`,
	"SVCB":       `a priority, a target and parameters, such as "1 mail.example.com."`,
	"TLSA":       `usage, selector, matching type and data in hex, such as "3 1 1 0c72…"`,
	"TXT":        `a text, without quotes around it`,
	"URI":        `priority, weight and a quoted URI, such as "10 1 \"https://example.com/\""`,
}

// notDeclared are types that have another place or none.
var notDeclared = map[string]string{
	"SOA":        "the SOA record is made from the attributes of the zone or domain block",
	"SPF":        "the type SPF is out of use (RFC 7208 §3.1); the type is TXT",
	"RRSIG":      "signatures are made by the name server",
	"NSEC":       "this type is made by the name server when it signs",
	"NSEC3":      "this type is made by the name server when it signs",
	"NSEC3PARAM": "this type is made by the name server when it signs",
	"SIG":        "this type is a signature of single messages (RFC 2931)",
	"ZONEMD":     "the digest of a zone is made by what publishes it (RFC 8976)",
	"OPT":        "this type belongs to messages (RFC 6891)",
}

// ErrType is the error of a record type that cannot be declared.
var ErrType = errors.New("no type of record that can be declared")

// ParseType reads a record type: a name in any letter case, or TYPE and its
// number (RFC 3597). Types that are hardly in use come out by their number, since
// mailform has no form of its own for them. The error is an ErrType.
func ParseType(s string) (string, error) {
	t := strings.ToUpper(strings.TrimSpace(s))
	if _, ok := expected[t]; ok {
		return t, nil
	}
	if why, ok := notDeclared[t]; ok {
		return "", fmt.Errorf("%w: %s", ErrType, why)
	}
	var number uint16
	if digits, ok := strings.CutPrefix(t, "TYPE"); ok {
		if _, err := fmt.Sscanf(digits, "%d", &number); err == nil && fmt.Sprint(number) == digits {
			if name := TypeName(number); name != t {
				return ParseType(name)
			}
			// 128 to 255 are questions and meta types (RFC 6895 §3.1).
			if number != 0 && (number < 128 || number > 255) {
				return t, nil
			}
		}
	} else if number, ok := dns.StringToType[t]; ok {
		return ParseType("TYPE" + strconv.Itoa(int(number)))
	}
	return "", ErrType
}

// Types lists the types that are known by name, sorted.
func Types() []string {
	types := make([]string, 0, len(expected))
	for t := range expected {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// Expected says what a value of a type looks like, as the end of a sentence:
// an IPv4 address, such as "192.0.2.80".
func Expected(rrtype string) string {
	if e, ok := expected[rrtype]; ok {
		return e
	}
	return `the record's data as RFC 3597 writes it, such as "\# 4 0a000001"`
}
