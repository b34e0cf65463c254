package smtp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// A session decides about the commands of one conversation. go-smtp calls it
// from the connection's goroutine, except for Data of a BDAT message, which
// runs beside it; only tx is shared between the two.
type session struct {
	srv      *Server
	w        *wire
	conn     *gosmtp.Conn
	engine   *gosmtp.Server // of this conversation alone
	hostname string

	account *store.Account // who has logged in

	mu sync.Mutex
	tx *transaction // nil outside of one

	filters filters
}

// A transaction is one message on its way in.
type transaction struct {
	id         string
	from       address // zero for <>
	helo       string
	esmtp      bool
	utf8       bool
	size       int64 // as announced; 0: not
	maxSize    int64
	recipients []address
	accounts   []int64
	remote     []string
	scripted   map[int64]string  // accounts with scripts, by the recipient that led to each
	senders    map[string]string // of forwarded mail, by addresses of remote
	forwarders []address         // recipients whose mail goes on elsewhere
	waiting    []string          // own addresses whose mailboxes are full
	wishes     store.Wishes
	wanted     map[string]dsn.Asked // what is to be told, by addresses of recipients
	asked      map[string]dsn.Asked // the same by addresses of remote
	arrivals   []dsn.Recipient      // here, whose sender wants to be told
	own        []string             // addresses that the sender may use (Submission)
	begun      chan struct{}        // closed when the content begins to be taken
	verdict    milter.Message       // of the filters, without the content
	junk       bool                 // it is to lie apart
	results    string               // of checks, as a field of the header
	messageID  string               // of the message, without brackets
	spf        *spfLook             // nil: nobody looks
	// seal seals the message for its way on from an address; nil: it goes unsealed.
	seal   store.Seal
	listed []string // what lists say of the client, as results of checks
}

// Answers. They are never wrapped: go-smtp looks at the bare type, and answers
// 554 for everything else that comes out of Data.
var (
	errTemporary = reply(451, 4, 3, 0, "Temporary failure, try again later")
	errSequence  = reply(503, 5, 5, 1, "Bad sequence of commands")
	errNested    = reply(503, 5, 5, 1, "A transaction is open already")
	errSender    = reply(501, 5, 1, 7, "Bad sender address syntax")
	errRecipient = reply(501, 5, 1, 3, "Bad recipient address syntax")
	errLogin     = reply(530, 5, 7, 0, "Authentication required")
	errStartTLS  = reply(530, 5, 7, 0, "Must issue a STARTTLS command first")
	errNotYours  = reply(553, 5, 7, 1, "Sender address is not yours")
	errUnknown   = reply(550, 5, 1, 1, "No such user here")
	errDisabled  = reply(550, 5, 2, 1, "Mailbox is disabled")
	errRelay     = reply(550, 5, 7, 1, "Relaying denied")
	errLiteral   = reply(550, 5, 1, 2, "Address literals are not delivered to")
	errOverQuota = reply(452, 4, 2, 2, "Mailbox is full")
	errTooBig    = reply(552, 5, 3, 4, "Message size limit exceeded")
)

func reply(code, class, subject, detail int, text string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{class, subject, detail}, Message: text}
}

// Mail begins a transaction.
func (s *session) Mail(from string, opts *gosmtp.MailOptions) error {
	if s.current() != nil {
		return errNested
	}
	if err := s.lookAfterLogin(); err != nil {
		return err
	}
	if s.srv.o.Mode == Submission && s.account == nil {
		if s.w.tls == nil {
			return errStartTLS
		}
		return errLogin
	}
	tx := &transaction{
		id: rand.Text()[:16], helo: s.conn.Hostname(), esmtp: s.w.esmtp,
		utf8: opts.UTF8, size: opts.Size, maxSize: s.w.maxSize, begun: make(chan struct{}),
	}
	tx.wishes = store.Wishes{Return: string(opts.Return), EnvelopeID: opts.EnvelopeID, RequireTLS: opts.RequireTLS}
	if opts.Size > tx.maxSize {
		return errTooBig
	}
	if from != "" {
		a, err := parseAddress(from)
		if err != nil {
			return errSender
		}
		tx.from = a
	}
	if s.srv.o.Mode == Submission {
		own, err := s.srv.o.Store.AddressesOf(s.srv.group.Context(), s.account.ID)
		if errors.Is(err, store.ErrNotFound) {
			s.account = nil // closed since the login
			return errLogin
		}
		if err != nil {
			return s.internal("addresses of the sender", err)
		}
		tx.own = append(own, s.account.Address)
		// The null sender is for receipts and other automatic answers.
		if from != "" && !tx.owns(tx.from) {
			return errNotYours
		}
	}
	if err := s.limitSending(s.srv.group.Context(), 1); err != nil {
		s.refuseSender(tx, err)
		return err
	}
	if err := s.limitMessages(); err != nil {
		s.refuseSender(tx, err)
		return err
	}
	if err := s.filterMail(tx, opts); err != nil {
		return err
	}
	// go-smtp refuses a message of exactly its limit, since it looks for the end
	// only after the limit; the session counts itself.
	s.engine.MaxMessageBytes = tx.maxSize + 1
	s.w.transaction.Store(true)
	s.mu.Lock()
	s.tx = tx
	s.mu.Unlock()
	return nil
}

// refuseSender notes that a transaction did not come about.
func (s *session) refuseSender(tx *transaction, err error) {
	var refusal *gosmtp.SMTPError
	if errors.As(err, &refusal) {
		s.srv.o.Logger.Info("sender refused", "id", tx.id, "from", tx.from.path(),
			"remote", s.w.RemoteAddr().String(), "code", refusal.Code, "reply", refusal.Message)
	}
}

func (tx *transaction) owns(a address) bool {
	base, _, _ := strings.Cut(a.Local, "+") // what a user puts behind his name is his, too
	base = address{base, a.Domain}.key()
	return slices.ContainsFunc(tx.own, func(o string) bool { return strings.EqualFold(o, a.key()) || strings.EqualFold(o, base) })
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, opts *gosmtp.RcptOptions) error {
	tx := s.current()
	if tx == nil {
		return errSequence
	}
	err := s.rcpt(tx, to, opts)
	var refusal *gosmtp.SMTPError
	if errors.As(err, &refusal) {
		s.srv.o.Logger.Info("recipient refused", "id", tx.id, "from", tx.from.path(), "to", to,
			"remote", s.w.RemoteAddr().String(), "code", refusal.Code, "reply", refusal.Message)
	}
	return err
}

func (s *session) rcpt(tx *transaction, to string, opts *gosmtp.RcptOptions) error {
	a, err := parseAddress(to)
	if err != nil {
		return errRecipient
	}
	if s.srv.o.Mode == MTA && a.routed() {
		// Known or not, nobody's mail goes on by a route in the local part.
		return errRelay
	}
	r, err := s.resolve(a)
	if err != nil {
		return err
	}
	if err := s.limitSending(s.srv.group.Context(), len(tx.recipients)+1); err != nil {
		return err
	}
	if err := s.limitRecipients(tx); err != nil {
		return err
	}
	if err := s.refuseListed(tx, a); err != nil {
		return err
	}
	if err := s.putOff(s.srv.group.Context(), tx, a); err != nil {
		return err
	}
	if err := s.filterRcpt(a); err != nil {
		return err
	}
	tx.wants(a, opts)
	if err := s.postpone(s.srv.group.Context(), tx, a, &r); err != nil {
		return s.storeError("check quota", err)
	}
	if err := s.forward(s.srv.group.Context(), tx, a, r.Forwards); err != nil {
		return s.internal("rewrite the sender", err)
	}
	tx.add(a, r)
	if s.checked() && s.srv.o.Settings().Checks.SPF != verify.Off {
		s.startSPF(tx)
	}
	s.w.begun = tx.begun
	return nil
}

// add takes a recipient in, with where its mail goes.
func (tx *transaction) add(a address, r store.Resolution) {
	for _, id := range r.Accounts {
		if !slices.Contains(tx.accounts, id) {
			tx.accounts = append(tx.accounts, id)
		}
	}
	for _, id := range r.Scripted {
		if tx.scripted == nil {
			tx.scripted = map[int64]string{}
		}
		if _, ok := tx.scripted[id]; !ok {
			tx.scripted[id] = a.path()
		}
	}
	for _, f := range tx.ask(a, r) {
		if !slices.Contains(tx.remote, f) {
			tx.remote = append(tx.remote, f)
		}
	}
	tx.recipients = append(tx.recipients, a)
}

// to are the recipients, for the log.
func (tx *transaction) to() []string {
	out := make([]string, len(tx.recipients))
	for i, a := range tx.recipients {
		out[i] = a.path()
	}
	return out
}

// resolve finds where mail for a goes.
func (s *session) resolve(a address) (store.Resolution, error) {
	var r store.Resolution
	err := store.ErrUnknownDomain
	if !a.literal() {
		r, err = s.srv.o.Store.Resolve(s.srv.group.Context(), a.key())
	}
	if errors.Is(err, store.ErrUnknownDomain) {
		switch {
		case s.srv.o.Mode != Submission || s.account == nil:
			return r, errRelay
		case a.literal():
			return r, errLiteral
		}
		return store.Resolution{Forwards: []string{a.path()}}, nil
	}
	if err != nil {
		return r, s.storeError("resolve recipient", err)
	}
	if len(r.Accounts) == 0 && len(r.Forwards) == 0 {
		return r, errUnknown
	}
	return r, nil
}

// storeError answers an error of the store.
func (s *session) storeError(op string, err error) *gosmtp.SMTPError {
	switch {
	case errors.Is(err, store.ErrUnknownUser):
		return errUnknown
	case errors.Is(err, store.ErrMailDisabled):
		return errDisabled
	case errors.Is(err, store.ErrNeverFits):
		return errNeverFits
	case errors.Is(err, store.ErrOverQuota):
		return errOverQuota
	case errors.Is(err, store.ErrTooLarge):
		return errTooBig
	}
	if answer := s.tooMuch(err); answer != nil {
		return answer
	}
	var rejected *store.RejectedError
	if errors.As(err, &rejected) {
		return reply(550, 5, 7, 1, reasonLine(rejected.Reason))
	}
	return s.internal(op, err)
}

// reasonLine makes of what a user has written one line that any client can read.
func reasonLine(reason string) string {
	reason = strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\n', r == '\t':
			return ' '
		case r < ' ', r >= 0x7f:
			return '?'
		}
		return r
	}, reason)
	const longest = 400 // RFC 5321 §4.5.3.1.5 has 512 for the whole line
	reason = strings.Join(strings.Fields(reason), " ")
	if reason == "" {
		return "The recipient does not want this message"
	}
	return reason[:min(len(reason), longest)]
}

// internal logs what went wrong here and tells the client to try again: a 5xx
// would make it bounce the message.
func (s *session) internal(op string, err error) *gosmtp.SMTPError {
	if !errors.Is(err, context.Canceled) {
		s.srv.o.Logger.Error("smtp: "+op, "remote", s.w.RemoteAddr().String(), "error", err)
	}
	return errTemporary
}

// Data takes the content. The answer 250 comes after it is on disk.
func (s *session) Data(r io.Reader) error {
	tx := s.current()
	if tx == nil {
		return errSequence
	}
	close(tx.begun)
	ctx, cancel := context.WithTimeout(s.srv.group.Context(), s.w.times.Accept)
	defer cancel()
	size, err := s.receive(ctx, tx, r)
	if err != nil {
		s.srv.o.Logger.Info("message refused", "id", tx.id, "from", tx.from.path(), "to", tx.to(), "message_id", tx.messageID,
			"remote", s.w.RemoteAddr().String(), "code", err.Code, "reply", err.Message)
		return err
	}
	s.srv.o.Logger.Info(tx.became(), "id", tx.id, "from", tx.from.path(), "to", tx.to(), "message_id", tx.messageID,
		"remote", s.w.RemoteAddr().String(), "size", size,
		"local", len(tx.accounts), "queued", len(tx.remote), "junk", tx.junk)
	return reply(250, 2, 0, 0, "OK: queued as "+tx.id)
}

// Reset ends the transaction. A BDAT message that is still being read keeps
// its own pointer to it, and fails.
func (s *session) Reset() {
	s.drop()
	s.filters.reset()
	s.w.transaction.Store(false)
	s.w.chunked, s.w.begun = false, nil
	s.engine.MaxMessageBytes = s.srv.o.Settings().maxSize()
}

// Logout ends the session.
func (s *session) Logout() error {
	s.drop()
	s.filters.close()
	return nil
}

// drop lets go of the transaction, if there is one.
func (s *session) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx != nil && s.tx.spf != nil {
		s.tx.spf.stop()
	}
	s.tx = nil
}

func (s *session) current() *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx
}

// remoteIP is the client's address without its port.
func (s *session) remoteIP() net.IP {
	if t, ok := s.w.RemoteAddr().(*net.TCPAddr); ok {
		return t.IP
	}
	return nil
}
