package sorting

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/embedded/store"
)

// Signer signs what is sent in the name of a user; *dkim.Signer is one.
type Signer interface {
	Sign(ctx context.Context, domain string, message io.Reader) ([]byte, error)
}

// Options say what a sorter works with.
type Options struct {
	Store *store.Store
	// Signer may be nil: nothing is signed.
	Signer Signer
	// Hostname stands in the Message-IDs of replies.
	Hostname func() string
	Log      *slog.Logger
}

// A Sorter runs scripts. It can be used by many goroutines.
type Sorter struct {
	o Options

	mu     sync.Mutex
	parsed map[[sha256.Size]byte]*sieve.Script
}

// New makes a sorter.
func New(o Options) *Sorter {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Sorter{o: o, parsed: map[[sha256.Size]byte]*sieve.Script{}}
}

// maxParsed bounds the scripts that are kept in mind.
const maxParsed = 1000

// script reads a script, or remembers it.
func (s *Sorter) script(text string) (*sieve.Script, error) {
	key := sha256.Sum256([]byte(text))
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parsed[key]; p != nil {
		return p, nil
	}
	p, err := sieve.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(s.parsed) >= maxParsed {
		clear(s.parsed)
	}
	s.parsed[key] = p
	return p, nil
}

// A sorted is one message on its way through the scripts of those it is for.
type sorted struct {
	*Sorter
	envelope *store.Envelope
	message  *sieve.Message
	rejected []rejection
	reports  int // how many there were before the scripts ran
	// seen are accounts that the message has come to; one that is redirected back
	// goes no further.
	seen map[int64]bool
	// redirected counts, over all accounts.
	redirected int
}

type rejection struct {
	account *store.Account
	reason  string
}

// maxRedirected bounds the redirects of one message within this server.
const maxRedirected = 50

// Sort implements store.Sorter.
func (s *Sorter) Sort(ctx context.Context, e *store.Envelope) error {
	w := &sorted{Sorter: s, envelope: e, seen: map[int64]bool{}, reports: len(e.Reports)}
	var err error
	if w.message, err = sieve.NewMessage(e.Draft, e.Draft.Size()); err != nil {
		return fmt.Errorf("sort message: %w", err)
	}
	for _, id := range e.Accounts {
		w.seen[id] = true
	}
	for _, id := range slices.Clone(e.Accounts) {
		to, ok := e.Scripted[id]
		if !ok {
			continue
		}
		if err := w.account(ctx, e, id, to); err != nil {
			return err
		}
	}
	return w.refuse(ctx)
}

// account runs the script of an account on the message and notes in e, which it
// is delivered by, what comes of it.
func (w *sorted) account(ctx context.Context, e *store.Envelope, id int64, to string) error {
	text, err := w.o.Store.Script(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && text == "" {
		return nil // it has gone since the recipient was named
	}
	if err != nil {
		return err
	}
	account, err := w.o.Store.AccountByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	outcome, err := w.run(ctx, text, account, to)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.o.Log.Warn("a script failed, and its mail is kept", "account", account.Address, "id", w.envelope.ID, "error", err)
		return nil
	}
	places := make([]store.Place, len(outcome.Places))
	for i, p := range outcome.Places {
		places[i] = store.Place(p)
	}
	for _, to := range outcome.Redirects {
		kept, err := w.redirect(ctx, account, to)
		if err != nil {
			return err
		}
		if !kept && len(places) == 0 {
			places = append(places, store.Place{Mailbox: sieve.Inbox})
		}
	}
	if outcome.Reject {
		w.rejected = append(w.rejected, rejection{account, outcome.Reason})
	}
	if r := outcome.Reply; r != nil {
		if err := w.reply(ctx, account, r); err != nil {
			return err
		}
	}
	if e.Sorted == nil {
		e.Sorted = map[int64][]store.Place{}
	}
	e.Sorted[id] = places
	w.o.Log.Info("sorted by a script", "account", account.Address, "id", w.envelope.ID,
		"places", len(places), "redirects", len(outcome.Redirects), "rejected", outcome.Reject, "reply", outcome.Reply != nil)
	return nil
}

func (w *sorted) run(ctx context.Context, text string, account *store.Account, to string) (*sieve.Outcome, error) {
	script, err := w.script(text)
	if err != nil {
		return nil, err
	}
	addresses, err := w.o.Store.AddressesOf(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	mailboxes := func() []store.Mailbox {
		list, err := w.o.Store.Mailboxes(ctx, account.ID)
		if err != nil {
			w.o.Log.Warn("list the mailboxes for a script", "account", account.Address, "error", err)
		}
		return list
	}
	return script.Run(w.message, &sieve.Envelope{
		From: w.envelope.From, To: to, Auth: w.envelope.Login, Addresses: addresses, Received: w.envelope.Received,
		Mailbox: func(name string) bool {
			return slices.ContainsFunc(mailboxes(), func(m store.Mailbox) bool {
				return m.Name == name || strings.EqualFold(name, sieve.Inbox) && m.Name == sieve.Inbox
			})
		},
		SpecialUse: func(use string) bool {
			return slices.ContainsFunc(mailboxes(), func(m store.Mailbox) bool { return strings.EqualFold(m.SpecialUse, use) })
		},
	})
}

// loopField marks what an account has redirected, so that it does not do so again
// when it comes back.
const loopField = "X-Mailform-Redirected"

// redirect sends the message on. It reports false where it must not go there and
// is to be kept instead.
func (w *sorted) redirect(ctx context.Context, from *store.Account, to string) (bool, error) {
	if w.redirected++; w.redirected > maxRedirected || slices.Contains(w.message.Values(loopField), from.Address) {
		w.o.Log.Warn("a redirect would go round in circles, and its mail is kept", "account", from.Address, "id", w.envelope.ID, "to", to)
		return false, nil
	}
	r, err := w.o.Store.Resolve(ctx, strings.ToLower(to))
	switch {
	case errors.Is(err, store.ErrUnknownDomain):
		r = store.Resolution{Forwards: []string{to}}
	case errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		w.o.Log.Warn("a redirect leads to nobody, and its mail is kept", "account", from.Address, "id", w.envelope.ID, "to", to)
		return false, nil
	case err != nil:
		return false, err
	}
	f := &store.Envelope{From: w.envelope.From, ID: w.envelope.ID, Received: w.envelope.Received, Remote: r.Forwards, Wishes: w.envelope.Wishes}
	mark := loopField + ": " + from.Address + "\r\n"
	arrived := false
	for _, id := range r.Accounts {
		if w.seen[id] {
			// It has the message already, unless its script has sent it on as well.
			_, sent := w.envelope.Scripted[id]
			arrived = arrived || slices.Contains(w.envelope.Accounts, id) && !sent
			continue
		}
		w.seen[id] = true
		f.Accounts = append(f.Accounts, id)
	}
	if len(f.Accounts)+len(f.Remote) == 0 {
		return arrived, nil
	}
	if err := w.leadBack(ctx, f, from.Address); err != nil {
		return false, err
	}
	f.Draft, f.RemoteDraft = w.o.Store.NewDraft(0), w.o.Store.NewDraft(0)
	w.envelope.Further = append(w.envelope.Further, f)
	if len(f.Accounts) > 0 {
		if err := w.copy(f.Draft, true, mark); err != nil {
			return false, err
		}
	}
	if len(f.Remote) > 0 {
		if err := w.copy(f.RemoteDraft, false, mark); err != nil {
			return false, err
		}
		if w.envelope.Seal != nil {
			if err := w.envelope.Seal(ctx, from.Address, f.RemoteDraft); err != nil {
				w.o.Log.Warn("a message is handed on without a seal", "id", w.envelope.ID, "error", err)
			}
		}
	}
	for _, id := range f.Accounts {
		if slices.Contains(r.Scripted, id) {
			if err := w.account(ctx, f, id, to); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// leadBack has what leaves the server go under a sender that leads bounces back, as
// any forward does.
func (w *sorted) leadBack(ctx context.Context, f *store.Envelope, from string) error {
	if len(f.Remote) == 0 {
		return nil
	}
	sender, err := w.o.Store.SenderOf(ctx, f.From, from)
	if err != nil || sender == f.From {
		return err
	}
	f.Senders = make(map[string]string, len(f.Remote))
	for _, to := range f.Remote {
		f.Senders[to] = sender
	}
	return nil
}

// copy copies the message with a line on top. What leaves the server has no
// Return-Path, which stands first where it is.
func (w *sorted) copy(d *store.Draft, returnPath bool, top string) error {
	var first strings.Builder
	if returnPath {
		first.WriteString("Return-Path: <" + w.envelope.From + ">\r\n")
	}
	first.WriteString(top)
	if _, err := io.WriteString(d, first.String()); err != nil {
		return fmt.Errorf("copy message: %w", err)
	}
	skip, err := returnPathLength(w.envelope.Draft)
	if err == nil {
		_, err = io.Copy(d, io.NewSectionReader(w.envelope.Draft, skip, w.envelope.Draft.Size()-skip))
	}
	if err != nil {
		return fmt.Errorf("copy message: %w", err)
	}
	return nil
}

// returnPathLength is how long the line is that begins a message as we store it.
func returnPathLength(d *store.Draft) (int64, error) {
	buf := make([]byte, min(d.Size(), 1024))
	if _, err := io.ReadFull(io.NewSectionReader(d, 0, int64(len(buf))), buf); err != nil {
		return 0, err
	}
	s := string(buf)
	if !strings.HasPrefix(strings.ToLower(s), "return-path:") {
		return 0, nil
	}
	return int64(strings.IndexByte(s, '\n') + 1), nil
}

// refuse tells the sender who wants nothing of the message: in the conversation
// where nobody wants it, and else by a message.
func (w *sorted) refuse(ctx context.Context) error {
	e := w.envelope
	if len(w.rejected) == 0 {
		return nil
	}
	alone := len(e.Remote)+len(e.Further) == 0 && len(e.Reports) == w.reports && len(w.rejected) == len(e.Accounts)
	if alone {
		return &store.RejectedError{Reason: w.rejected[0].reason}
	}
	for _, r := range w.rejected {
		if err := w.sendRejection(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func newID() string { return rand.Text()[:16] }
