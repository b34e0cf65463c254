package smtp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

// ask notes what the sender wants to be told about a recipient, and returns where
// else mail for it goes. What arrives here is told about here. Those that it is
// sent on to are asked for the same, under the name that the sender knows, and of
// several for one recipient, some of them here, nobody reports a second arrival
// (RFC 3461 §5.2.7).
func (tx *transaction) ask(a address, r store.Resolution) []string {
	asked := tx.wanted[a.path()]
	if asked.Success() && len(r.Accounts) > 0 {
		tx.arrivals = append(tx.arrivals, dsn.Recipient{
			Address: a.path(), Original: asked.Original, Status: "2.1.5", Text: "delivered to its mailbox",
		})
		asked = asked.Without("SUCCESS")
	}
	if asked == (dsn.Asked{}) || len(r.Forwards) == 0 {
		return r.Forwards
	}
	if asked.Original == "" {
		asked.Original = original(a.path())
	}
	if tx.asked == nil {
		tx.asked = map[string]dsn.Asked{}
	}
	for _, f := range r.Forwards {
		if _, ok := tx.asked[f]; !ok {
			tx.asked[f] = asked
		}
	}
	return r.Forwards
}

// wants notes the parameters of RCPT.
func (tx *transaction) wants(a address, opts *gosmtp.RcptOptions) {
	asked := askedBy(opts)
	if asked == (dsn.Asked{}) {
		return
	}
	if tx.wanted == nil {
		tx.wanted = map[string]dsn.Asked{}
	}
	tx.wanted[a.path()] = asked
}

// askedBy are the parameters of RCPT.
func askedBy(opts *gosmtp.RcptOptions) dsn.Asked {
	words := make([]string, len(opts.Notify))
	for i, n := range opts.Notify {
		words[i] = string(n)
	}
	a := dsn.Asked{Notify: strings.Join(words, ",")}
	if opts.OriginalRecipient != "" {
		a.Original = strings.ToLower(string(opts.OriginalRecipientType)) + ";" + opts.OriginalRecipient
	}
	return a
}

// original is an address as ORCPT has it.
func original(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return r >= 0x80 }) {
		return "utf-8;" + path
	}
	return "rfc822;" + path
}

// tell adds the report of what arrives here and whose sender wants to know.
func (s *session) tell(ctx context.Context, tx *transaction, e *store.Envelope) error {
	if len(tx.arrivals) == 0 || tx.from == (address{}) {
		return nil
	}
	r := &store.Envelope{ID: rand.Text()[:16], Received: e.Received}
	to, err := s.srv.o.Store.Resolve(ctx, tx.from.key())
	switch {
	case errors.Is(err, store.ErrUnknownDomain):
		r.Remote = []string{tx.from.path()}
	case errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		return nil // there is nobody to tell
	case err != nil:
		return fmt.Errorf("resolve sender %s: %w", tx.from.path(), err)
	default:
		r.Accounts, r.Remote = to.Accounts, to.Forwards
	}
	r.RequireTLS = tx.wishes.RequireTLS
	rep := dsn.Report{
		ID: r.ID, Hostname: s.hostname, To: tx.from.path(), Date: e.Received, Arrival: e.Received,
		EnvelopeID: tx.wishes.EnvelopeID, Action: dsn.Delivered, Recipients: tx.arrivals, Final: len(r.Accounts) > 0,
	}
	r.Draft = s.srv.o.Store.NewDraft(maxReport)
	if err := rep.Write(r.Draft, e.Draft); err != nil {
		r.Draft.Close()
		return fmt.Errorf("write report for %s: %w", tx.from.path(), err)
	}
	e.Reports = append(e.Reports, r)
	return nil
}

// maxReport bounds a report that has the header of its message only, in bytes.
const maxReport = 1 << 20
