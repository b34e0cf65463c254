package schema

import (
	"errors"
	"fmt"
	"strings"
)

// An Address is a mail address in its canonical form: the local part in lower
// case, the domain of A-labels in lower case without a dot at the end.
type Address struct {
	Local, Domain string
}

// String is the address as it stands in a message.
func (a Address) String() string { return a.Local + "@" + a.Domain }

// ParseAddress reads an address such as alice@example.com. Quoted local parts
// and address literals are refused: nobody is known by one.
func ParseAddress(s string) (Address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, errors.New("it has no @")
	}
	if strings.HasPrefix(s, "mailto:") {
		return Address{}, errors.New("it is a URL; leave out \"mailto:\"")
	}
	local, err := ParseLocalPart(s[:at])
	if err != nil {
		return Address{}, fmt.Errorf("before the @: %w", err)
	}
	domain, err := ParseDomainName(s[at+1:])
	if err != nil {
		return Address{}, fmt.Errorf("after the @: %w", err)
	}
	return Address{local, domain}, nil
}

// ParseReportAddress reads an address with or without "mailto:", as it stands
// in DMARC records.
func ParseReportAddress(s string) (Address, error) {
	return ParseAddress(strings.TrimPrefix(s, "mailto:"))
}

// ParseLocalPart reads what stands before the @: a dot-string (RFC 5321
// §4.1.2) of at most 64 bytes. The result is in lower case.
func ParseLocalPart(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case strings.Contains(s, "@"):
		return "", errors.New("it holds an @; the domain does not belong here")
	case len(s) > 64:
		return "", errors.New("it is longer than 64 bytes")
	case s[0] == '.' || s[len(s)-1] == '.':
		return "", errors.New("it begins or ends with a dot")
	case strings.Contains(s, ".."):
		return "", errors.New("it has two dots in a row")
	}
	for _, r := range s {
		if r >= 0x80 || !isAlnum(byte(r)) && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r) {
			return "", fmt.Errorf("it holds %s; a local part has letters from a to z, digits, dots, and any of !#$%%&'*+-/=?^_`{|}~", character(r))
		}
	}
	return strings.ToLower(s), nil
}
