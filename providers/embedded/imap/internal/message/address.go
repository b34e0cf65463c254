package message

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// ParseAddresses reads an address list (RFC 5322 §3.4). Names stay encoded as
// they stand in the header. Groups are marked as ENVELOPE wants them (RFC 9051
// §7.5.2): an address without host begins one, an empty address ends it. What
// is no address is shown as a mailbox without host's name, so that a reader
// sees something rather than nothing.
func ParseAddresses(v string) []imap.Address {
	const most = 10000
	s := scanner{text: v}
	var out []imap.Address
	inGroup := false
	for s.pos < len(s.text) && len(out) < most {
		item, end := s.address()
		switch end {
		case ':':
			if !inGroup {
				inGroup = true
				out = append(out, imap.Address{Mailbox: item.phrase()})
			}
			continue
		default:
			if a, ok := item.address(); ok {
				out = append(out, a)
			}
		}
		if end == ';' && inGroup {
			inGroup = false
			out = append(out, imap.Address{})
		}
	}
	if inGroup {
		out = append(out, imap.Address{})
	}
	return out
}

// rawAddress is what stands between two commas.
type rawAddress struct {
	words   []string // before the "<", or all of a bare address
	angle   string
	inAngle bool
	comment string
}

// address reads up to the byte that ends an address, and returns that byte:
// ',' ';' or ':' (the name before it is that of a group), 0 at the end.
func (s *scanner) address() (a rawAddress, end byte) {
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			a.words = append(a.words, word.String())
			word.Reset()
		}
	}
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch c {
		case ',', ';', ':':
			s.pos++
			flush()
			return a, c
		case ' ', '\t':
			s.pos++
			flush()
		case '"':
			word.WriteString(s.quoted())
		case '(':
			if text := strings.TrimSpace(s.comment()); a.comment == "" {
				a.comment = text
			}
		case '<':
			s.pos++
			flush()
			a.angle, a.inAngle = s.until(">"), true
			s.accept('>')
		default:
			word.WriteByte(c)
			s.pos++
		}
	}
	flush()
	return a, 0
}

func (a rawAddress) phrase() string { return strings.Join(a.words, " ") }

func (a rawAddress) address() (imap.Address, bool) {
	addr, name := strings.Join(a.words, ""), a.comment
	if a.inAngle {
		addr = strings.TrimSpace(a.angle)
		if p := a.phrase(); p != "" {
			name = p
		}
	}
	// A source route (<@relay:user@host>) is obsolete and says nothing.
	if strings.HasPrefix(addr, "@") {
		if _, after, ok := strings.Cut(addr, ":"); ok {
			addr = after
		}
	}
	if addr == "" && name == "" {
		return imap.Address{}, false
	}
	mailbox, host := addr, ""
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		mailbox, host = addr[:i], addr[i+1:]
	}
	if host == "" {
		// Without a host it would read as the beginning of a group.
		host = "MISSING_DOMAIN"
	}
	if mailbox == "" {
		mailbox = "MISSING_MAILBOX"
	}
	return imap.Address{Name: name, Mailbox: mailbox, Host: host}, true
}
