package smtp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/store"
)

// filters are those of one conversation. A BDAT message is judged beside the
// goroutine of the connection, so only one may speak with them at a time.
type filters struct {
	mu    sync.Mutex
	chain *milter.Chain // nil: there are none, or there was no mail yet
}

func (f *filters) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chain != nil {
		f.chain.Reset()
	}
}

func (f *filters) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chain != nil {
		f.chain.Close()
	}
	f.chain = nil
}

// filterMail tells the filters of a sender.
func (s *session) filterMail(tx *transaction, opts *gosmtp.MailOptions) error {
	if s.srv.o.Filters == nil {
		return nil
	}
	f := &s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chain == nil {
		list := s.srv.o.Filters()
		if len(list) == 0 {
			return nil
		}
		f.chain = milter.New(list, tx.maxSize, s.srv.o.Logger)
	}
	on := &milter.Connection{
		Hostname: s.hostname, Submission: s.srv.o.Mode == Submission, Helo: tx.helo,
		Remote: s.w.RemoteAddr(), Local: s.w.LocalAddr(), TLS: s.w.tls,
	}
	if s.account != nil {
		on.Login = s.account.Address
	}
	var args []string
	if opts.Size > 0 {
		args = append(args, "SIZE="+strconv.FormatInt(opts.Size, 10))
	}
	if opts.Body != "" {
		args = append(args, "BODY="+string(opts.Body))
	}
	if opts.UTF8 {
		args = append(args, "SMTPUTF8")
	}
	if r := f.chain.Mail(s.srv.group.Context(), on, tx.id, tx.from.path(), args); r != nil {
		return filterReply(r)
	}
	return nil
}

// filterRcpt tells the filters of a recipient that is taken.
func (s *session) filterRcpt(a address) error {
	f := &s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chain == nil {
		return nil
	}
	if r := f.chain.Rcpt(s.srv.group.Context(), a.path(), nil); r != nil {
		return filterReply(r)
	}
	return nil
}

func filterReply(r *milter.Reply) *gosmtp.SMTPError {
	return reply(r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2], r.Text)
}

// filterMessage has the filters judge the message in a draft. It returns the draft
// and the header as they are then; another draft is the caller's to close.
func (s *session) filterMessage(ctx context.Context, tx *transaction, h *header, d *store.Draft) (*store.Draft, *header, *gosmtp.SMTPError) {
	f := &s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chain == nil {
		return d, h, nil
	}
	m, err := messageOf(tx, d)
	if err != nil {
		return d, h, s.internal("read message for the filters", err)
	}
	if r := f.chain.Message(ctx, m); r != nil {
		return d, h, filterReply(r)
	}
	if err := s.readdress(tx, m); err != nil {
		return d, h, err
	}
	tx.takeResults(m)
	if m.Changed && !m.Discard {
		if d, h, err = s.rewrite(tx, m); err != nil {
			return d, h, s.contentError(err)
		}
	}
	tx.verdict = milter.Message{Junk: m.Junk, Discard: m.Discard, Quarantine: m.Quarantine}
	return d, h, nil
}

// takeResults takes the results of our checks, which filters saw on top, out of the
// fields again: they go on top of all at the end. What a filter has taken away or changed
// stays so.
func (tx *transaction) takeResults(m *milter.Message) {
	if tx.results == "" {
		return
	}
	i := slices.IndexFunc(m.Fields, func(f milter.Field) bool { return string(f.Raw) == tx.results })
	if i < 0 {
		tx.results = ""
		return
	}
	m.Fields = slices.Delete(m.Fields, i, i+1)
}

// messageOf takes a draft apart, with what our checks have found on top.
func messageOf(tx *transaction, d *store.Draft) (*milter.Message, error) {
	m := &milter.Message{From: tx.from.path()}
	for _, a := range tx.recipients {
		m.Recipients = append(m.Recipients, a.path())
	}
	var buf bytes.Buffer
	end, err := readHeader(&content{r: d.Reader(), limit: math.MaxInt64, maxLine: math.MaxInt}, &buf, math.MaxInt)
	if err != nil {
		return nil, err
	}
	h := parseHeader(buf.Bytes()[:end])
	if tx.results != "" {
		m.Fields = append(m.Fields, milter.Field{Name: "Authentication-Results", Raw: []byte(tx.results)})
	}
	for _, f := range h.fields {
		name, _, _ := bytes.Cut(f.raw, []byte(":"))
		m.Fields = append(m.Fields, milter.Field{Name: string(bytes.TrimRight(name, " \t")), Raw: f.raw})
	}
	at := int64(h.length + len(crlf)) // fill has seen to the empty line
	m.Body = io.NewSectionReader(d, at, d.Size()-at)
	return m, nil
}

// rewrite writes down what the filters have made of a message. Its header is read
// anew: it is what is signed.
func (s *session) rewrite(tx *transaction, m *milter.Message) (*store.Draft, *header, error) {
	var b bytes.Buffer
	for _, f := range m.Fields {
		b.Write(f.Raw)
	}
	h := parseHeader(b.Bytes())
	d := s.srv.o.Store.NewDraft(tx.maxSize + slack + filterSlack)
	_, err := d.Write(append(b.Bytes(), crlf...))
	if err == nil {
		_, err = io.Copy(d, io.NewSectionReader(m.Body, 0, m.Body.Size()))
	}
	return d, h, err
}

// filterSlack is how much longer than the limit filters may make a message.
const filterSlack = 1 << 20

// readdress takes over the envelope that filters have made: they are trusted, and
// may send mail where the client could not.
func (s *session) readdress(tx *transaction, m *milter.Message) *gosmtp.SMTPError {
	if m.From != tx.from.path() {
		a := address{}
		if m.From != "" {
			var err error
			if a, err = parseAddress(m.From); err != nil {
				return s.internal("take over the sender of a filter", err)
			}
		}
		tx.from = a
	}
	same := slices.EqualFunc(tx.recipients, m.Recipients, func(a address, r string) bool { return a.path() == r })
	if same {
		return nil
	}
	if len(m.Recipients) == 0 {
		m.Discard = true
		return nil
	}
	tx.recipients, tx.accounts, tx.remote, tx.scripted, tx.asked, tx.arrivals = nil, nil, nil, nil, nil, nil
	for _, to := range m.Recipients {
		a, err := parseAddress(to)
		if err != nil {
			return s.internal("take over the recipients of a filter", err)
		}
		r, err := s.srv.o.Store.Resolve(s.srv.group.Context(), a.key())
		if errors.Is(err, store.ErrUnknownDomain) {
			r, err = store.Resolution{Forwards: []string{a.path()}}, nil
		}
		if err == nil && len(r.Accounts)+len(r.Forwards) == 0 {
			err = store.ErrUnknownUser
		}
		if err != nil {
			return s.internal("take over the recipients of a filter: "+a.path(), err)
		}
		tx.add(a, r)
	}
	return nil
}

// obey makes of an envelope what the filters have decided.
func (tx *transaction) obey(e *store.Envelope) {
	if tx.verdict.Junk {
		e.SpecialUse = `\Junk`
	}
	if tx.verdict.Quarantine == "" {
		return
	}
	e.Hold, e.Accounts, e.Remote, e.Scripted = tx.verdict.Quarantine, nil, nil, nil
	for _, a := range tx.recipients {
		e.Remote = append(e.Remote, a.path())
	}
	// Nothing has arrived yet.
	e.Asked, tx.arrivals = tx.wanted, nil
}

// became says for the log what has become of a message that was accepted.
func (tx *transaction) became() string {
	switch {
	case tx.verdict.Discard:
		return "message discarded by a filter"
	case tx.verdict.Quarantine != "":
		return "message held by a filter"
	case tx.verdict.Junk:
		return "message accepted as junk"
	}
	return "message accepted"
}
