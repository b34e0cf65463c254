package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/store"
)

var (
	errBareCR    = reply(550, 5, 5, 2, "Message holds a bare CR, lines end in CRLF")
	errBareLF    = reply(550, 5, 5, 2, "Message holds a bare LF, lines end in CRLF")
	errNUL       = reply(550, 5, 6, 0, "Message holds NUL, which nobody could read by IMAP")
	errLongLine  = reply(550, 5, 5, 2, "Message holds a line that is too long")
	errBigHeader = reply(552, 5, 3, 4, "Message header is too long")
	errLoop      = reply(554, 5, 4, 6, "Too many hops, this message is looping")
)

// slack is room in a draft for what is put on top of the message.
const slack = 64 << 10

// maxPooled is the largest buffer that is kept, in bytes.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 32<<10)) }}

// receive reads the message, completes it and hands it to the store. It returns
// the message's size.
func (s *session) receive(ctx context.Context, tx *transaction, r io.Reader) (int64, *gosmtp.SMTPError) {
	d := s.srv.o.Store.NewDraft(tx.maxSize + slack)
	defer d.Close()
	c := &content{r: r, limit: tx.maxSize, maxLine: s.w.limits.LineLength}
	h, err := s.fill(ctx, tx, c, d)
	if _, chunked := r.(*io.PipeReader); err == nil && !chunked && s.w.ends.swallowed {
		err = errBareCR
	}
	if err != nil {
		return 0, s.contentError(err)
	}
	// Before the filters, which may change what was signed.
	if refusal := s.check(ctx, tx, h, d); refusal != nil {
		return 0, refusal
	}
	filtered, h, refusal := s.filterMessage(ctx, tx, h, d)
	if filtered != d {
		defer filtered.Close()
		d = filtered
	}
	switch {
	case refusal != nil:
		return 0, refusal
	case tx.verdict.Discard:
		return c.size, nil
	}
	if s.srv.o.Mode == Submission {
		if err := s.sign(ctx, tx, h, d); err != nil {
			return 0, s.internal("sign message", err)
		}
	}
	if err := s.accept(ctx, tx, d); err != nil {
		return 0, s.storeError("accept message", err)
	}
	return c.size, nil
}

// fill copies the message into the draft, with its header put in order.
func (s *session) fill(ctx context.Context, tx *transaction, c *content, d *store.Draft) (*header, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buffers.Put(buf)
		}
	}()
	buf.Reset()
	end, err := readHeader(c, buf, s.w.limits.HeaderSize)
	if err != nil {
		return nil, err
	}
	h := parseHeader(buf.Bytes()[:end])
	rest := buf.Bytes()[h.length:]
	if h.hops >= s.w.limits.Hops {
		return nil, errLoop
	}
	if tx.loops(h) {
		return nil, errLoop
	}
	h.clean(s.hostname)
	if s.srv.o.Mode == Submission {
		if err := s.complete(ctx, tx, h); err != nil {
			return nil, err
		}
	}
	tx.messageID = h.messageID()
	if err := h.write(d); err != nil {
		return nil, err
	}
	// A body right after a header that just breaks off needs its empty line.
	if !bytes.HasPrefix(rest, crlf) {
		if _, err := d.Write(crlf); err != nil {
			return nil, err
		}
	}
	if _, err := d.Write(rest); err != nil {
		return nil, err
	}
	if c.done {
		return h, nil
	}
	buf.Reset()
	_, err = io.CopyBuffer(d, c, buf.AvailableBuffer()[:buf.Available()])
	return h, err
}

// contentError answers an error met while reading the message: one of ours, one
// of the store, or the client has gone.
func (s *session) contentError(err error) *gosmtp.SMTPError {
	var answer *gosmtp.SMTPError
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.Is(err, store.ErrTooLarge):
		return errTooBig
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gosmtp.ErrDataReset), isTimeout(err):
		return errTemporary
	}
	return s.internal("read message", err)
}

// accept stores the message for all recipients at once. What goes elsewhere has
// no Return-Path: that is for the last hop (RFC 5321 §4.4).
func (s *session) accept(ctx context.Context, tx *transaction, d *store.Draft) error {
	e := &store.Envelope{
		Draft: d, From: tx.from.path(), ID: tx.id, Received: s.srv.o.Now(),
		Accounts: tx.accounts, Remote: slices.Concat(tx.remote, tx.waiting), Senders: tx.senders, Scripted: tx.scripted,
		Wishes: tx.wishes, Asked: tx.asked, Seal: tx.seal,
	}
	if tx.junk {
		e.SpecialUse = junk
	}
	if s.account != nil {
		e.Login = s.account.Address
	}
	e.Sending = s.sending(len(tx.recipients))
	tx.obey(e)
	received := s.received(tx, e.Received)
	d.Prepend(received)
	if tx.results != "" {
		d.Prepend([]byte(tx.results))
	}
	onward := d // as it goes on elsewhere
	returnPath := ""
	if len(e.Accounts) > 0 {
		if len(e.Remote) > 0 {
			e.RemoteDraft = s.srv.o.Store.NewDraft(tx.maxSize + slack)
			defer e.RemoteDraft.Close()
			if _, err := io.Copy(e.RemoteDraft, d.Reader()); err != nil {
				return fmt.Errorf("copy message for the queue: %w", err)
			}
			onward = e.RemoteDraft
		}
		returnPath = "Return-Path: <" + e.From + ">\r\n"
		d.Prepend([]byte(returnPath))
	}
	if len(e.Accounts) == 0 || onward != d {
		tx.mark(onward)
		s.seal(ctx, tx, onward)
	}
	if err := s.tell(ctx, tx, e); err != nil {
		return err
	}
	for _, r := range e.Reports {
		defer r.Draft.Close()
	}
	reports := e.Reports
	err := s.srv.o.Store.Accept(ctx, e)
	if errors.Is(err, store.ErrOverQuota) && e.Hold == "" {
		e.Reports = reports
		err = s.acceptSome(ctx, e, int64(len(returnPath)), err)
	}
	return err
}

// readHeader reads until the buffer holds the whole header, and mostly more. It
// returns where the header ends, after its last field.
func readHeader(c *content, buf *bytes.Buffer, limit int) (int, error) {
	for searched := 0; ; {
		b := buf.Bytes()
		if bytes.HasPrefix(b, crlf) {
			return 0, nil
		}
		if i := bytes.Index(b[searched:], emptyLine); i >= 0 {
			if searched+i > limit {
				return 0, errBigHeader
			}
			return searched + i + len(crlf), nil
		}
		if c.done {
			return len(b), nil
		}
		if len(b) > limit {
			return 0, errBigHeader
		}
		searched = max(0, len(b)-len(emptyLine))
		if buf.Available() == 0 {
			buf.Grow(max(len(b), bytes.MinRead))
		}
		room := buf.AvailableBuffer()[:buf.Available()]
		n, err := c.Read(room)
		buf.Write(room[:n])
		if err != nil && err != io.EOF {
			return 0, err
		}
	}
}

var (
	crlf      = []byte("\r\n")
	emptyLine = []byte("\r\n\r\n")
)

// content reads a message and refuses what must not be stored: CR or LF alone
// (RFC 5321 §2.3.8; the root of SMTP smuggling, and signatures would break),
// NUL (RFC 9051 has no way to send it to a reader), lines and messages without
// measure.
type content struct {
	r       io.Reader
	limit   int64 // bytes
	maxLine int   // bytes
	size    int64
	line    int
	cr      bool // the last byte was a CR
	done    bool // the end has been read
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.size += int64(n)
	if c.size > c.limit {
		return 0, errTooBig
	}
	if err := c.check(p[:n]); err != nil {
		return 0, err
	}
	if err == io.EOF {
		c.done = true
		if c.cr {
			return 0, errBareCR
		}
	}
	return n, err
}

func (c *content) check(p []byte) error {
	if bytes.IndexByte(p, 0) >= 0 {
		return errNUL
	}
	for len(p) > 0 {
		if c.cr && p[0] != '\n' {
			return errBareCR
		}
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		cr := bytes.IndexByte(part, '\r')
		if cr >= 0 && cr != len(part)-1 {
			return errBareCR
		}
		if c.line += len(part); c.line > c.maxLine {
			return errLongLine
		}
		if end < 0 {
			c.cr = cr >= 0
			return nil
		}
		if cr < 0 && !(c.cr && end == 0) {
			return errBareLF
		}
		c.cr, c.line = false, 0
		p = p[end+1:]
	}
	return nil
}
