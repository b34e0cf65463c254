package schema

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// idnaProfile maps names as people type them (upper case, full-width dots) to
// A-labels, as UTS 46 says for look-ups, and holds them to STD 3.
var idnaProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.BidiRule(),
	idna.VerifyDNSLength(true),
)

// ParseDomainName reads a domain name of at least two labels, with or without a
// dot at the end. The result is in lower case, of A-labels (RFC 5890), without
// that dot.
func ParseDomainName(s string) (string, error) {
	name, err := ParseHostName(s)
	if err != nil {
		return "", err
	}
	if !strings.Contains(name, ".") {
		return "", errors.New("it has only one label")
	}
	return name, nil
}

// ParseHostName reads the name of a host: labels of letters, digits and
// hyphens. The result is in lower case, of A-labels, without a dot at the end.
func ParseHostName(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	if !utf8.ValidString(s) {
		return "", errors.New("it is not valid UTF-8")
	}
	if strings.Contains(s, "@") {
		return "", errors.New("it is a mail address")
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return "", errors.New("it is an IP address")
	}
	trimmed := strings.TrimSuffix(s, ".")
	if len(s) > 1000 { // idna takes its time, and no name is near that long
		return "", errors.New("it is longer than 253 bytes")
	}
	if err := checkLabels(trimmed); err != nil {
		return "", err
	}
	name, err := idnaProfile.ToASCII(trimmed)
	if err != nil {
		return "", nameError(trimmed)
	}
	if err := checkLabels(name); err != nil {
		return "", err
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; isDigits(last) {
		return "", errors.New("its last label is a number")
	}
	return name, nil
}

// checkLabels finds what idna would only call invalid: its messages name code
// points and rules, not what was typed.
func checkLabels(name string) error {
	if isASCII(name) && len(name) > 253 {
		return errors.New("it is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("it has an empty label")
		case isASCII(label) && len(label) > 63:
			return fmt.Errorf("its label %q is longer than 63 bytes", label[:20]+"…")
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("its label %q begins or ends with a hyphen", label)
		}
		for _, r := range label {
			if r < 0x80 && !isAlnum(byte(r)) && r != '-' {
				return fmt.Errorf("it holds %s; a name has letters, digits and hyphens", character(r))
			}
		}
	}
	return nil
}

// nameError words a name that looked right and that idna refuses all the same.
func nameError(name string) error {
	for label := range strings.SplitSeq(name, ".") {
		if _, err := idnaProfile.ToASCII(label); err != nil {
			return fmt.Errorf("its label %q is not valid in an international name", label)
		}
	}
	return errors.New("it is longer than 253 bytes")
}

// parseEscapedOwner is ParseOwner for a name with escapes, in ASCII.
func parseEscapedOwner(s string) (string, error) {
	length := 0 // of the label, in octets
	for i := 0; i < len(s); i++ {
		c := s[i]
		length++
		switch {
		case c == '.' && length == 1:
			return "", errors.New("it has an empty label")
		case c == '.':
			length = 0
		case c == '*' && i == 0 && len(s) > 1 && s[1] == '.':
		case c == '\\':
			n := escapeLength(s[i+1:])
			if n == 0 {
				return "", errors.New("after a backslash comes one character, or three digits up to 255")
			}
			i += n
		case !isAlnum(c) && c != '-' && c != '_' && c != '/':
			return "", fmt.Errorf("it holds %s", character(rune(c)))
		}
		if length > 63 {
			return "", errors.New("a label of it is longer than 63 bytes")
		}
	}
	return strings.ToLower(s), nil
}

// escapeLength measures what comes after a backslash; 0: no escape.
func escapeLength(s string) int {
	switch {
	case s == "" || s[0] < ' ' || s[0] > '~':
		return 0
	case s[0] < '0' || s[0] > '9':
		return 1
	case len(s) < 3:
		return 0
	}
	if n, err := strconv.ParseUint(s[:3], 10, 8); err != nil || n > 255 {
		return 0
	}
	return 3
}

// ParseOwner reads the name of a record as it is written in a zone: relative
// ("www", "_sip._tcp", "*.dev"), "@" for the zone itself, or complete with a dot
// at the end. The result is in lower case and of A-labels; the dot stays. What
// else an octet can be is written as in a zone file: \. or \046.
func ParseOwner(s string) (string, error) {
	if s == "@" {
		return s, nil
	}
	if s == "" {
		return "", errors.New("it is empty; the zone itself is \"@\"")
	}
	if !utf8.ValidString(s) {
		return "", errors.New("it is not valid UTF-8")
	}
	if len(s) > 1000 {
		return "", errors.New("it is longer than 253 bytes")
	}
	if strings.Contains(s, `\`) {
		return parseEscapedOwner(s)
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for i, label := range labels {
		switch {
		case label == "":
			return "", errors.New("it has an empty label")
		case label == "*" && i == 0:
			continue
		case isASCII(label):
			for _, r := range label {
				if !isAlnum(byte(r)) && r != '-' && r != '_' && r != '/' {
					return "", fmt.Errorf("it holds %s; a name has letters, digits, hyphens and underscores", character(r))
				}
			}
			if len(label) > 63 {
				return "", fmt.Errorf("its label %q is longer than 63 bytes", label[:20]+"…")
			}
			labels[i] = strings.ToLower(label)
		default:
			ascii, err := idnaProfile.ToASCII(label)
			if err != nil {
				return "", fmt.Errorf("its label %q is not valid in an international name", label)
			}
			labels[i] = ascii
		}
	}
	name := strings.Join(labels, ".")
	if len(name) > 253 {
		return "", errors.New("it is longer than 253 bytes")
	}
	if strings.HasSuffix(s, ".") {
		name += "."
	}
	return name, nil
}

// ParsePolicyDomain reads the name of a domain whose policy is meant, which is
// often one that no host has: _spf.example.com.
func ParsePolicyDomain(s string) (string, error) {
	if s == "@" || strings.HasPrefix(s, "*") || strings.Contains(s, "/") {
		return "", errors.New("it is the name of a record, and has to be that of a domain")
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return "", errors.New("it is an IP address")
	}
	name, err := ParseOwner(s)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".")
	if !strings.Contains(name, ".") {
		return "", errors.New("it has only one label")
	}
	return name, nil
}

// parseRecordType only looks at the letters: package rdata knows the types.
func parseRecordType(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	for _, r := range s {
		if r >= 0x80 || !isAlnum(byte(r)) && r != '-' {
			return "", fmt.Errorf("it holds %s", character(r))
		}
	}
	return strings.ToUpper(s), nil
}

func parseSelector(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	if !isASCII(s) {
		return "", errors.New("it holds letters beyond ASCII")
	}
	if err := checkLabels(s); err != nil {
		return "", err
	}
	return strings.ToLower(s), nil
}

// character names a character for a message.
func character(r rune) string {
	switch r {
	case ' ':
		return "a space"
	case '\t':
		return "a tab"
	case '\n', '\r':
		return "a line break"
	}
	return fmt.Sprintf("%q", r)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
