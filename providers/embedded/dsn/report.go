package dsn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// An Action is what became of a message (RFC 3464 §2.3.3).
type Action string

const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed" // to a server that does not report on its own
)

// A Recipient is one that the report is about.
type Recipient struct {
	Address  string
	Original string // as in [Asked]
	// Status is an enhanced status code (RFC 3463).
	Status string
	// Text says why, for people.
	Text string
	// Host is the other server's name and Diagnostic its reply; either may be empty.
	Host, Diagnostic string
	// Until is when a delayed message is given up; zero: not known.
	Until time.Time
}

// A Report is about one message and recipients that all met with the same.
type Report struct {
	// ID is the report's own, Hostname the name of the server that reports.
	ID, Hostname string
	// To is the sender of the message.
	To   string
	Date time.Time
	// Arrival is when the message came, EnvelopeID what its sender called it
	// (ENVID; may be empty).
	Arrival    time.Time
	EnvelopeID string
	Action     Action
	Recipients []Recipient
	// Final: the report goes to a mailbox here, and gets a Return-Path.
	Final bool
	// Full: the whole message comes with the report, not only its header.
	Full bool
}

// Message is the stored message that a report is about.
type Message interface {
	io.ReaderAt
	Size() int64
}

const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"

// Write writes the report as a message. original is nil where it is gone.
func (r *Report) Write(w io.Writer, original Message) error {
	var header []byte
	if original != nil {
		var err error
		if header, err = Header(original); err != nil {
			return err
		}
	}
	mp := multipart.NewWriter(w)
	if _, err := io.WriteString(w, r.head(mp.Boundary())); err != nil {
		return err
	}
	global := r.global()
	status := "message/delivery-status"
	if global {
		status = "message/global-delivery-status" // RFC 6533
	}
	if err := part(mp, "text/plain; charset=utf-8", strings.NewReader(r.explanation()), isASCII(r.explanation())); err != nil {
		return err
	}
	if err := part(mp, status, strings.NewReader(r.status()), isASCII(r.status())); err != nil {
		return err
	}
	kind, rest := "text/rfc822-headers", io.Reader(bytes.NewReader(header))
	ascii := isASCII(string(header))
	switch {
	case r.Full && original != nil:
		kind, rest = "message/rfc822", io.NewSectionReader(original, 0, original.Size())
		if !ascii {
			kind = "message/global"
		}
		ascii = false // who knows what the body holds
	case global || !ascii:
		kind = "message/global-headers"
	}
	if err := part(mp, kind, rest, ascii); err != nil {
		return err
	}
	return mp.Close()
}

func part(mp *multipart.Writer, kind string, text io.Reader, ascii bool) error {
	h := textproto.MIMEHeader{"Content-Type": {kind}}
	if !ascii {
		h.Set("Content-Transfer-Encoding", "8bit")
	}
	w, err := mp.CreatePart(h)
	if err == nil {
		_, err = io.Copy(w, text)
	}
	return err
}

// words are what a report says of its message, by what became of it.
var words = map[Action]struct{ subject, text string }{
	Failed:    {"Undelivered mail returned to sender", "Your message could not be delivered to the recipients below."},
	Delayed:   {"Delayed mail, still being retried", "Your message could not yet be delivered to the recipients below. Nothing\r\nneeds to be done: it will be tried again, and if it has to be given up, you\r\nwill be told."},
	Delivered: {"Delivered mail", "Your message has been delivered to the recipients below, as you asked to be\r\ntold."},
	Relayed:   {"Relayed mail", "Your message has been handed on for the recipients below, as you asked to be\r\ntold, to a server that sends no such reports itself."},
}

func (r *Report) head(boundary string) string {
	var b strings.Builder
	if r.Final {
		b.WriteString("Return-Path: <>\r\n")
	}
	fmt.Fprintf(&b, "Date: %s\r\n", r.Date.Format(dateFormat))
	fmt.Fprintf(&b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", r.Hostname)
	fmt.Fprintf(&b, "To: <%s>\r\n", r.To)
	fmt.Fprintf(&b, "Subject: %s\r\n", words[r.Action].subject)
	fmt.Fprintf(&b, "Message-ID: <%s@%s>\r\n", r.ID, r.Hostname)
	b.WriteString("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n")
	fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n\r\n", boundary)
	return b.String()
}

// global says whether an address goes beyond ASCII.
func (r *Report) global() bool {
	return !isASCII(r.To) || slices.ContainsFunc(r.Recipients, func(p Recipient) bool { return !isASCII(p.Address) })
}

// explanation is for people.
func (r *Report) explanation() string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\r\n\r\n%s", r.Hostname, words[r.Action].text)
	if r.Full {
		b.WriteString(" It\r\nis attached.\r\n\r\n")
	} else {
		b.WriteString(" Its header\r\nis attached.\r\n\r\n")
	}
	for _, p := range r.Recipients {
		text := p.Text
		if p.Diagnostic != "" {
			text += ": " + p.Diagnostic
		}
		fmt.Fprintf(&b, "<%s>: %s\r\n", p.Address, line(text))
		if !p.Until.IsZero() {
			fmt.Fprintf(&b, "  It is tried until %s.\r\n", p.Until.Format(dateFormat))
		}
	}
	return b.String()
}

// status is for programs (RFC 3464 §2).
func (r *Report) status() string {
	var b strings.Builder
	if r.EnvelopeID != "" {
		fmt.Fprintf(&b, "Original-Envelope-Id: %s\r\n", line(r.EnvelopeID))
	}
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\r\n", r.Hostname)
	fmt.Fprintf(&b, "Arrival-Date: %s\r\n", r.Arrival.Format(dateFormat))
	for _, p := range r.Recipients {
		kind := "rfc822"
		if !isASCII(p.Address) {
			kind = "utf-8"
		}
		b.WriteString("\r\n")
		if p.Original != "" {
			kind, addr, _ := strings.Cut(p.Original, ";")
			fmt.Fprintf(&b, "Original-Recipient: %s; %s\r\n", kind, line(addr))
		}
		fmt.Fprintf(&b, "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n", kind, p.Address, r.Action, p.Status)
		if p.Host != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns; %s\r\n", p.Host)
		}
		if p.Diagnostic != "" {
			fmt.Fprintf(&b, "Diagnostic-Code: smtp; %s\r\n", line(p.Diagnostic))
		}
		if !p.Until.IsZero() {
			fmt.Fprintf(&b, "Will-Retry-Until: %s\r\n", p.Until.Format(dateFormat))
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

// maxHeader is how much of a message is looked at for its header, in bytes.
const maxHeader = 64 << 10

// Header returns the header of a message without the empty line after it, or
// where it has more than 64 KiB of it, the beginning.
func Header(m Message) ([]byte, error) {
	b := make([]byte, min(maxHeader, m.Size()))
	n, err := m.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read header: %w", err)
	}
	b = b[:n]
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return b[:i+2], nil
	}
	return b[:bytes.LastIndexByte(b, '\n')+1], nil
}
