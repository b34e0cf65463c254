package main

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

// before are those of clients that were there before a change.
type before struct {
	idle, smtp *session
}

// open opens an IMAP session that waits for news, and an SMTP session in the
// middle of a message.
func (r *real) open() *before {
	r.t.Helper()
	s := &before{idle: dial(r.t, r.addr("imaps")), smtp: dial(r.t, r.addr("smtp"))}
	s.idle.secure(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate of its own, on loopback
	s.idle.until("* OK")
	for _, cmd := range []string{"LOGIN alice@example.com quickstart", "SELECT INBOX"} {
		if got := s.idle.imap("s", cmd); !strings.Contains(got, "s OK") {
			r.t.Fatalf("%s: %s", cmd, got)
		}
	}
	s.idle.send("i IDLE")
	s.idle.until("+ ")
	s.smtp.expect("", "220", "EHLO client.remote.test", "250", "MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250")
	return s
}

// alive expects both to go on where they were.
func (s *before) alive(t *testing.T) {
	t.Helper()
	for _, one := range []*session{s.idle, s.smtp} { // they have waited for long
		if err := one.c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	s.smtp.expect("DATA", "354", "Subject: from-before-the-change\r\n\r\nhello\r\n.", "250", "QUIT", "221")
	s.idle.send("DONE")
	told := s.idle.until("i ")
	if !strings.HasPrefix(told[len(told)-1], "i OK") {
		t.Errorf("the session that waited ends with %q", told)
	}
	answer := ""
	defer func() {
		if t.Failed() {
			t.Logf("what it heard while it waited: %q; the last answer to SEARCH: %q", told, answer)
		}
	}()
	eventually(t, "it hears of the message", func() bool {
		answer = s.idle.imap("f", "SEARCH SUBJECT from-before-the-change")
		return strings.Contains(answer, "* SEARCH ")
	})
}
