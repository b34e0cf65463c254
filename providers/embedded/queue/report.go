package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A told recipient is one that the sender of a message is to hear about.
type told struct {
	entry   store.QueueEntry
	outcome outcome
	until   time.Time // when a message that waits is given up
}

// overhead bounds what a report has beside the message, in bytes.
const overhead = 1 << 20

// report makes the report about recipients of one message. It is nil where
// nobody is to be told: the message is a report itself (RFC 5321 §6.1), or its
// sender is a local address that exists no more.
func (q *Queue) report(ctx context.Context, action dsn.Action, about []told) (*store.Envelope, error) {
	first := about[0].entry
	if first.From == "" {
		q.o.Logger.Warn("report cannot be delivered", "id", first.Envelope)
		return nil, nil
	}
	e := &store.Envelope{ID: rand.Text()[:16], Received: q.o.Now()}
	r, err := q.o.Store.Resolve(ctx, strings.ToLower(first.From))
	switch {
	case errors.Is(err, store.ErrUnknownDomain):
		e.Remote = []string{first.From}
	case errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		q.o.Logger.Warn("sender to report to is gone", "id", first.Envelope, "sender", first.From)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("resolve sender %s: %w", first.From, err)
	default:
		e.Accounts, e.Remote = r.Accounts, r.Forwards
	}
	// A report needs what the message needs (RFC 8689 §5).
	e.RequireTLS = first.RequireTLS
	rep := dsn.Report{
		ID: e.ID, Hostname: q.o.Settings().Hostname, To: first.From, Date: e.Received,
		Arrival: first.Created.In(e.Received.Location()), EnvelopeID: first.EnvelopeID, Action: action,
		Final: len(e.Accounts) > 0, Full: action == dsn.Failed && first.Return == "FULL" && !first.RequireTLS,
	}
	for _, t := range about {
		if rest, ok := strings.CutPrefix(t.outcome.status, "5."); ok && action == dsn.Delayed {
			// What a host refuses for good may be taken by another, or later.
			t.outcome.status = "4." + rest
		}
		rep.Recipients = append(rep.Recipients, dsn.Recipient{
			Address: t.entry.To, Original: t.entry.Asked.Original, Status: t.outcome.status, Text: t.outcome.text,
			Host: t.outcome.host, Diagnostic: t.outcome.diagnostic, Until: t.until,
		})
	}
	limit := int64(overhead)
	if rep.Full {
		limit += first.Size
	}
	e.Draft = q.o.Store.NewDraft(limit)
	if err := q.writeReport(ctx, e, &rep, first); err != nil {
		e.Draft.Close()
		return nil, fmt.Errorf("write report for %s: %w", first.From, err)
	}
	return e, nil
}

func (q *Queue) writeReport(ctx context.Context, e *store.Envelope, rep *dsn.Report, entry store.QueueEntry) error {
	body, err := q.o.Store.OpenBody(ctx, entry.Body)
	if errors.Is(err, store.ErrNotFound) {
		return rep.Write(e.Draft, nil) // what is gone has no header
	}
	if err != nil {
		return err
	}
	defer body.Close()
	return rep.Write(e.Draft, body)
}
