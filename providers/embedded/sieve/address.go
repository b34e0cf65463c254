package sieve

import (
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"
)

// addressFields are the header fields that "address" looks at: those that hold
// addresses by RFC 5322, and what is in use beside them.
var addressFields = []string{
	"from", "to", "cc", "bcc", "sender", "reply-to", "resent-from", "resent-to", "resent-cc", "resent-bcc", "resent-sender",
	"return-path", "delivered-to", "x-original-to", "envelope-to", "errors-to", "disposition-notification-to", "mail-followup-to",
}

// parseMailAddress reads one address, with or without a name.
func parseMailAddress(s string) (*mail.Address, error) {
	p := mail.AddressParser{WordDecoder: &words2047}
	return p.Parse(s)
}

// isAddress reports whether s is an address without anything around it.
func isAddress(s string) bool {
	if len(s) > 320 || strings.ContainsAny(s, "<>\r\n") {
		return false
	}
	a, err := parseMailAddress(s)
	return err == nil && a.Name == "" && strings.Contains(a.Address, "@")
}

// isMailboxName reports whether a mailbox may have a name.
func isMailboxName(s string) bool {
	if s == "" || len(s) > 1000 || !utf8.ValidString(s) || slices.Contains(strings.Split(s, "/"), "") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '*' || r == '%' })
}

// addresses are the addresses in a field value. One that cannot be read is taken
// for a single address, as it stands.
func addresses(value string) (list []string) {
	if strings.TrimSpace(value) == "" || strings.TrimSpace(value) == "<>" {
		return nil
	}
	p := mail.AddressParser{WordDecoder: &words2047}
	found, err := p.ParseList(value)
	if err != nil {
		value = strings.TrimSpace(value)
		if i := strings.LastIndexByte(value, '<'); i >= 0 {
			value = strings.TrimSuffix(value[i+1:], ">")
		}
		return []string{value}
	}
	for _, a := range found {
		list = append(list, a.Address)
	}
	return list
}

// separator stands between the user and the detail of a local part (RFC 5233),
// as it does where mail is delivered.
const separator = "+"

// part takes a part of an address; ok is false for an address without a detail
// that was asked for its detail.
func part(c *command, address string) (_ string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	local, domain := address, ""
	if i >= 0 {
		local, domain = address[:i], address[i+1:]
	}
	user, detail, detailed := strings.Cut(local, separator)
	switch {
	case c.has("localpart"):
		return local, true
	case c.has("domain"):
		return domain, true
	case c.has("user"):
		return user, true
	case c.has("detail"):
		return detail, detailed
	}
	return address, true
}
