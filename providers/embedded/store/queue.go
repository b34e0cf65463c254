package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const selectQueue = `SELECT id, envelope, sender, recipient, body, size, created_at, next_at, attempts, last_error, held,
	ret, envid, require_tls, notify, orcpt, warned FROM queue `

// enqueue adds a queue entry for each remote recipient of a message.
func (t *tx) enqueue(e *Envelope, body, size int64, at time.Time) error {
	for _, to := range e.Remote {
		id, err := t.id("queue")
		if err != nil {
			return err
		}
		asked := e.Asked[to]
		from, rewritten := e.Senders[to]
		if !rewritten {
			from = e.From
		}
		if _, err := t.exec(`INSERT INTO queue (id, envelope, sender, recipient, body, size, created_at, next_at, attempts, last_error, held,
			ret, envid, require_tls, notify, orcpt, warned) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id, e.ID, from, to, body, size, micros(at), micros(at), e.Hold, e.Hold != "",
			e.Return, e.EnvelopeID, e.RequireTLS, asked.Notify, asked.Original, false); err != nil {
			return fmt.Errorf("queue message: %w", err)
		}
	}
	t.effects.queued = true
	return nil
}

func (s *Store) queue(ctx context.Context, where string, args ...any) (es []QueueEntry, err error) {
	err = s.read.rows(ctx, selectQueue+where, args, func(r *sql.Rows) error {
		var e QueueEntry
		var created, next int64
		if err := r.Scan(&e.ID, &e.Envelope, &e.From, &e.To, &e.Body, &e.Size, &created, &next, &e.Attempts, &e.LastErr, &e.Held,
			&e.Return, &e.EnvelopeID, &e.RequireTLS, &e.Asked.Notify, &e.Asked.Original, &e.Warned); err != nil {
			return err
		}
		e.Created, e.Next = fromMicros(created), fromMicros(next)
		es = append(es, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	return es, nil
}

// QueueDue lists up to limit entries whose next attempt is due, the longest due
// first, without those that are held. Nothing is claimed: the queue runner
// keeps track of what is under way.
func (s *Store) QueueDue(ctx context.Context, now time.Time, limit int) ([]QueueEntry, error) {
	return s.queue(ctx, `WHERE next_at <= ? AND NOT held ORDER BY next_at, id LIMIT ?`, micros(now), limit)
}

// QueueList lists the whole queue, the oldest first.
func (s *Store) QueueList(ctx context.Context) ([]QueueEntry, error) {
	return s.queue(ctx, `ORDER BY id`)
}

// QueueFind lists some entries by their IDs, those of them that are there.
func (s *Store) QueueFind(ctx context.Context, ids []int64) (es []QueueEntry, err error) {
	for _, id := range ids {
		found, err := s.queue(ctx, `WHERE id = ?`, id)
		if err != nil {
			return nil, err
		}
		es = append(es, found...)
	}
	return es, nil
}

// QueueHold holds entries, so that they are not tried until they are released,
// or releases them. It returns how many were there.
// Of those that are released, what is for an account here is delivered at once.
func (s *Store) QueueHold(ctx context.Context, ids []int64, held bool) (int, error) {
	if !held {
		return s.release(ctx, ids)
	}
	return s.changeQueue(ctx, ids, func(t *tx, id int64) (int64, error) {
		return t.exec(`UPDATE queue SET held = ? WHERE id = ?`, held, id)
	})
}

// QueueRetry makes entries due at a time. It returns how many were there.
func (s *Store) QueueRetry(ctx context.Context, ids []int64, at time.Time) (int, error) {
	return s.changeQueue(ctx, ids, func(t *tx, id int64) (int64, error) {
		return t.exec(`UPDATE queue SET next_at = ? WHERE id = ?`, micros(at), id)
	})
}

// QueueDrop takes entries out, without a word to anybody. One that is under way
// may still be delivered. It returns how many were there.
func (s *Store) QueueDrop(ctx context.Context, ids []int64) (int, error) {
	return s.changeQueue(ctx, ids, func(t *tx, id int64) (int64, error) {
		var body, size int64
		err := t.row(`SELECT body, size FROM queue WHERE id = ?`, []any{id}, &body, &size)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		n, err := t.exec(`DELETE FROM queue WHERE id = ?`, id)
		if err != nil {
			return 0, err
		}
		return n, t.release(body, size, 1)
	})
}

// changeQueue changes entries in one transaction, and has the queue look again.
func (s *Store) changeQueue(ctx context.Context, ids []int64, change func(t *tx, id int64) (int64, error)) (n int, err error) {
	err = s.write(ctx, func(t *tx) error {
		n = 0 // it may be tried again
		for _, id := range ids {
			m, err := change(t, id)
			if err != nil {
				return err
			}
			n += int(m)
		}
		t.effects.queued = true
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("change the queue: %w", err)
	}
	return n, nil
}

// QueueWake returns the channel that receives after a commit that added entries;
// several are told as one. There is one channel for the whole store.
func (s *Store) QueueWake() <-chan struct{} { return s.queueWake }

// NextDue returns when the next attempt is due; false: the queue has none.
func (s *Store) NextDue(ctx context.Context) (time.Time, bool, error) {
	var next sql.NullInt64
	if err := s.read.row(ctx, `SELECT MIN(next_at) FROM queue WHERE NOT held`, nil, &next); err != nil {
		return time.Time{}, false, fmt.Errorf("read queue: %w", err)
	}
	return fromMicros(next.Int64), next.Valid, nil
}

// QueueFinish records the outcome of attempts in one transaction. A result whose
// entry is gone is ignored with its bounce, so that none is sent twice. A bounce
// is delivered whatever the quota; one to an account that was closed meanwhile
// is dropped.
func (s *Store) QueueFinish(ctx context.Context, results []QueueResult) error {
	for _, r := range results {
		if r.Into == nil {
			continue
		}
		// It was accepted already: a script that wants none of it sorts nothing.
		r.Into.Sorted, r.Into.Further, r.Into.Reports = nil, nil, nil
		done, err := s.sort(ctx, r.Into)
		defer done()
		if err != nil {
			r.Into.Sorted, r.Into.Further, r.Into.Reports = nil, nil, nil
		}
	}
	err := s.write(ctx, func(t *tx) error {
		for _, r := range results {
			if err := t.queueFinish(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record delivery attempts: %w", err)
	}
	return nil
}

func (t *tx) queueFinish(r QueueResult) error {
	var body, size int64
	err := t.row(`SELECT body, size FROM queue WHERE id = ?`, []any{r.ID}, &body, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	if r.Into != nil {
		switch err := t.deliver(r.Into); {
		case errors.Is(err, ErrUnknownUser):
			// Closed since: the next attempt finds that out, and tells the sender.
			r = QueueResult{ID: r.ID, Err: err.Error(), Next: time.Now()}
		case err != nil:
			return err
		}
	}
	if r.Done {
		if _, err := t.exec(`DELETE FROM queue WHERE id = ?`, r.ID); err != nil {
			return fmt.Errorf("delete queue entry: %w", err)
		}
		if err := t.release(body, size, 1); err != nil {
			return err
		}
	} else if _, err := t.exec(`UPDATE queue SET next_at = ?, attempts = attempts + 1, last_error = ? WHERE id = ?`, micros(r.Next), r.Err, r.ID); err != nil {
		return fmt.Errorf("write queue entry: %w", err)
	}
	if r.Warned && !r.Done {
		if _, err := t.exec(`UPDATE queue SET warned = ? WHERE id = ?`, true, r.ID); err != nil {
			return fmt.Errorf("write queue entry: %w", err)
		}
	}
	if r.Bounce == nil {
		return nil
	}
	if err := t.deliver(r.Bounce); err != nil && !errors.Is(err, ErrUnknownUser) {
		return err
	}
	return nil
}
