package smtp

import (
	"crypto/tls"
	"strings"
	"time"
)

// dateFormat is that of RFC 5322 §3.3.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"

// received makes the trace field of this hop (RFC 5321 §4.4). It names the
// recipient only when there is no other to be given away.
func (s *session) received(tx *transaction, now time.Time) []byte {
	var b strings.Builder
	b.Grow(256)
	b.WriteString("Received: from " + clean(tx.helo))
	if ip := s.remoteIP(); ip != nil {
		if ip.To4() == nil {
			b.WriteString(" ([IPv6:" + ip.String() + "])")
		} else {
			b.WriteString(" ([" + ip.String() + "])")
		}
	}
	b.WriteString("\r\n\tby " + s.hostname + " with " + s.protocol(tx))
	if s.w.tls != nil {
		b.WriteString(" (" + strings.ReplaceAll(tls.VersionName(s.w.tls.Version), " ", "") +
			" " + tls.CipherSuiteName(s.w.tls.CipherSuite) + ")")
	}
	b.WriteString("\r\n\tid " + tx.id)
	if len(tx.recipients) == 1 {
		b.WriteString(" for <" + tx.recipients[0].path() + ">")
	}
	b.WriteString("; " + now.Format(dateFormat) + "\r\n")
	return []byte(b.String())
}

// protocol is the word of RFC 3848 and RFC 6531 §3.7.3.
func (s *session) protocol(tx *transaction) string {
	p := "SMTP"
	switch {
	case tx.utf8:
		p = "UTF8SMTP"
	case tx.esmtp:
		p = "ESMTP"
	}
	if s.w.tls != nil && p != "SMTP" {
		p += "S"
	}
	if s.account != nil {
		p += "A"
	}
	return p
}

// clean keeps what a client calls itself from breaking the field.
func clean(helo string) string {
	const maxName = 255
	if len(helo) > maxName {
		helo = helo[:maxName]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-._:[]", r):
			return r
		}
		return '?'
	}, helo)
}
