package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A failure is a recipient that the message did not reach.
type failure struct {
	entry   store.QueueEntry
	outcome outcome
}

// maxReport bounds a report, in bytes; it holds the header of the message only.
const maxReport = 1 << 20

// bounce makes the report about failed recipients of one message. It is nil
// where nobody is to be told: the message is a report itself (RFC 5321 §6.1), or
// its sender is a local address that exists no more.
func (q *Queue) bounce(ctx context.Context, lost []failure) (*store.Envelope, error) {
	sender := lost[0].entry.From
	if sender == "" {
		q.o.Logger.Warn("report cannot be delivered", "id", lost[0].entry.Envelope)
		return nil, nil
	}
	now := q.o.Now()
	e := &store.Envelope{ID: rand.Text()[:16], Received: now}
	r, err := q.o.Store.Resolve(ctx, strings.ToLower(sender))
	switch {
	case errors.Is(err, store.ErrUnknownDomain):
		e.Remote = []string{sender}
	case errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		q.o.Logger.Warn("sender to report to is gone", "id", lost[0].entry.Envelope, "sender", sender)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("resolve sender %s: %w", sender, err)
	default:
		e.Accounts, e.Remote = r.Accounts, r.Forwards
	}
	e.Draft = q.o.Store.NewDraft(maxReport)
	if err := q.writeReport(ctx, e, sender, lost); err != nil {
		e.Draft.Close()
		return nil, fmt.Errorf("write report for %s: %w", sender, err)
	}
	return e, nil
}

// writeReport writes a multipart/report (RFC 6522) with the delivery status
// (RFC 3464) and the header of the original.
func (q *Queue) writeReport(ctx context.Context, e *store.Envelope, sender string, lost []failure) error {
	hostname := q.o.Settings().Hostname
	mp := multipart.NewWriter(e.Draft)
	var head strings.Builder
	if len(e.Accounts) > 0 {
		head.WriteString("Return-Path: <>\r\n")
	}
	date := e.Received.Format("Mon, 02 Jan 2006 15:04:05 -0700")
	fmt.Fprintf(&head, "Date: %s\r\n", date)
	fmt.Fprintf(&head, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", hostname)
	fmt.Fprintf(&head, "To: <%s>\r\n", sender)
	head.WriteString("Subject: Undelivered mail returned to sender\r\n")
	fmt.Fprintf(&head, "Message-ID: <%s@%s>\r\n", e.ID, hostname)
	head.WriteString("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n")
	fmt.Fprintf(&head, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n\r\n", mp.Boundary())
	if _, err := io.WriteString(e.Draft, head.String()); err != nil {
		return err
	}
	header, err := q.originalHeader(ctx, lost[0].entry)
	if err != nil {
		return err
	}
	utf8 := !isASCII(sender)
	for _, f := range lost {
		utf8 = utf8 || !isASCII(f.entry.To)
	}
	status, headers := "message/delivery-status", "text/rfc822-headers"
	if utf8 {
		status = "message/global-delivery-status" // RFC 6533
	}
	if utf8 || !isASCII(string(header)) {
		headers = "message/global-headers"
	}
	for _, p := range []struct {
		kind string
		text []byte
	}{
		{"text/plain; charset=utf-8", []byte(explanation(hostname, lost))},
		{status, []byte(deliveryStatus(hostname, lost))},
		{headers, header},
	} {
		h := textproto.MIMEHeader{"Content-Type": {p.kind}}
		if !isASCII(string(p.text)) {
			h.Set("Content-Transfer-Encoding", "8bit")
		}
		w, err := mp.CreatePart(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(p.text); err != nil {
			return err
		}
	}
	return mp.Close()
}

// originalHeader reads the message's header; a message that is gone has none.
func (q *Queue) originalHeader(ctx context.Context, e store.QueueEntry) ([]byte, error) {
	body, err := q.o.Store.OpenBody(ctx, e.Body)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readHeader(body)
}

// explanation is for people.
func explanation(hostname string, lost []failure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\r\n\r\n", hostname)
	b.WriteString("Your message could not be delivered to the recipients below. Its header\r\nis attached.\r\n\r\n")
	for _, f := range lost {
		fmt.Fprintf(&b, "<%s>: %s\r\n", f.entry.To, line(f.outcome.String()))
	}
	return b.String()
}

// deliveryStatus is for programs (RFC 3464 §2).
func deliveryStatus(hostname string, lost []failure) string {
	var b strings.Builder
	first := lost[0].entry
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\r\n", hostname)
	fmt.Fprintf(&b, "Arrival-Date: %s\r\n", first.Created.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	for _, f := range lost {
		kind := "rfc822"
		if !isASCII(f.entry.To) {
			kind = "utf-8"
		}
		fmt.Fprintf(&b, "\r\nFinal-Recipient: %s; %s\r\nAction: failed\r\nStatus: %s\r\n", kind, f.entry.To, f.outcome.status)
		if f.outcome.host != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns; %s\r\n", f.outcome.host)
		}
		if f.outcome.diagnostic != "" {
			fmt.Fprintf(&b, "Diagnostic-Code: smtp; %s\r\n", line(f.outcome.diagnostic))
		}
	}
	return b.String()
}

// line makes text that came from elsewhere fit on one line.
func line(s string) string {
	const longest = 900 // RFC 5322 §2.1.1 has 998
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
