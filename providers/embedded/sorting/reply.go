package sorting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"

	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/embedded/store"
)

// dateFormat is that of RFC 5322 §3.3.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"

// maxReply bounds what a script has sent, in bytes.
const maxReply = 256 << 10

// reply answers for a user who is away (RFC 5230 §5).
func (w *sorted) reply(ctx context.Context, account *store.Account, r *sieve.Reply) error {
	from := (&mail.Address{Address: account.Address}).String()
	if r.From != "" {
		from = oneLine(r.From)
	}
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	id := newID()
	field("From", from)
	field("To", "<"+r.To+">")
	field("Subject", mime.QEncoding.Encode("utf-8", cut(oneLine(r.Subject), 200)))
	field("Date", w.envelope.Received.Format(dateFormat))
	field("Message-ID", "<"+id+"@"+w.o.Hostname()+">")
	field("Auto-Submitted", "auto-replied (vacation)")
	if answered := messageID(r.MessageID); answered != "" {
		field("In-Reply-To", answered)
		field("References", strings.TrimSpace(references(r.References)+" "+answered))
	}
	field("MIME-Version", "1.0")
	if r.MIME {
		b.WriteString(crlf(r.Reason))
	} else {
		field("Content-Type", "text/plain; charset=utf-8")
		field("Content-Transfer-Encoding", "quoted-printable")
		b.WriteString("\r\n")
		q := quotedprintable.NewWriter(&b)
		_, err := io.WriteString(q, crlf(r.Reason))
		if err := errors.Join(err, q.Close()); err != nil {
			return fmt.Errorf("write a reply: %w", err)
		}
	}
	once := &store.Once{Account: account.ID, What: r.Handle + " " + strings.ToLower(r.To), Interval: r.Interval}
	return w.send(ctx, account, r.To, id, b.String(), once)
}

// sendRejection tells the sender that one of several does not want the message
// (RFC 5429 §2.2.1). A message without a sender is dropped without a word.
func (w *sorted) sendRejection(ctx context.Context, r rejection) error {
	to := w.envelope.From
	if to == "" {
		return nil
	}
	id := newID()
	var b strings.Builder
	mp := multipart.NewWriter(&b)
	fmt.Fprintf(&b, "From: %s\r\nTo: <%s>\r\nSubject: Rejected: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n",
		(&mail.Address{Address: r.account.Address}).String(), to,
		mime.QEncoding.Encode("utf-8", cut(oneLine(w.message.Subject()), 200)), w.envelope.Received.Format(dateFormat), id, w.o.Hostname())
	fmt.Fprintf(&b, "Auto-Submitted: auto-replied (rejected)\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary=\"%s\"\r\n\r\n", mp.Boundary())
	text, err := mp.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err != nil {
		return fmt.Errorf("write a rejection: %w", err)
	}
	q := quotedprintable.NewWriter(text)
	_, err = fmt.Fprintf(q, "Your message to <%s> was rejected by its recipient:\r\n\r\n%s\r\n", r.account.Address, crlf(r.reason))
	if err := errors.Join(err, q.Close()); err != nil {
		return fmt.Errorf("write a rejection: %w", err)
	}
	report, err := mp.CreatePart(textproto.MIMEHeader{"Content-Type": {"message/disposition-notification"}})
	if err != nil {
		return fmt.Errorf("write a rejection: %w", err)
	}
	fmt.Fprintf(report, "Reporting-UA: %s; mailform\r\nFinal-Recipient: rfc822; %s\r\n", w.o.Hostname(), r.account.Address)
	for _, original := range w.message.Values("Message-ID")[:min(1, len(w.message.Values("Message-ID")))] {
		fmt.Fprintf(report, "Original-Message-ID: %s\r\n", cut(original, 900))
	}
	fmt.Fprint(report, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n")
	if err := mp.Close(); err != nil {
		return fmt.Errorf("write a rejection: %w", err)
	}
	return w.send(ctx, r.account, to, id, b.String(), nil)
}

// send puts a message from a user, without a sender that could be answered, on
// its way together with the one that caused it.
func (w *sorted) send(ctx context.Context, from *store.Account, to, id, text string, once *store.Once) error {
	r, err := w.o.Store.Resolve(ctx, strings.ToLower(to))
	switch {
	case errors.Is(err, store.ErrUnknownDomain):
		r = store.Resolution{Forwards: []string{to}}
	case errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		return nil
	case err != nil:
		return err
	}
	var signature []byte
	if w.o.Signer != nil {
		domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
		if signature, err = w.o.Signer.Sign(ctx, domain, strings.NewReader(text)); err != nil {
			w.o.Log.Warn("sign a reply", "account", from.Address, "error", err)
		}
	}
	f := &store.Envelope{
		ID: id, Received: w.envelope.Received, Accounts: r.Accounts, Remote: r.Forwards, Once: once,
		Draft: w.o.Store.NewDraft(0), RemoteDraft: w.o.Store.NewDraft(0),
	}
	w.envelope.Reports = append(w.envelope.Reports, f)
	_, here := io.WriteString(f.Draft, "Return-Path: <>\r\n"+string(signature)+text)
	_, away := io.WriteString(f.RemoteDraft, string(signature)+text)
	if err := errors.Join(here, away); err != nil {
		return fmt.Errorf("write a reply: %w", err)
	}
	return nil
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// crlf makes all line ends those of mail.
func crlf(s string) string {
	if len(s) > maxReply {
		s = s[:maxReply]
	}
	s = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\x00", "")
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// messageID is a Message-ID that can stand in a field; empty: it is none.
func messageID(s string) string {
	if len(s) > 900 || !strings.HasPrefix(s, "<") || !strings.HasSuffix(s, ">") || strings.ContainsAny(s, " \t\r\n") {
		return ""
	}
	return s
}

// references are the last Message-IDs of a thread.
func references(s string) string {
	var ids []string
	for _, id := range strings.Fields(s) {
		if id = messageID(id); id != "" && len(id) < 200 {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids[max(0, len(ids)-4):], " ")
}
