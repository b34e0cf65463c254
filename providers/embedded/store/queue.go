package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const selectQueue = `SELECT id, envelope, sender, recipient, body, size, created_at, next_at, attempts, last_error, held FROM queue `

// enqueue adds a queue entry for each remote recipient of a message.
func (t *tx) enqueue(e *Envelope, body, size int64, at time.Time) error {
	for _, to := range e.Remote {
		id, err := t.id("queue")
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO queue (id, envelope, sender, recipient, body, size, created_at, next_at, attempts, last_error, held)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)`, id, e.ID, e.From, to, body, size, micros(at), micros(at), false); err != nil {
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
		if err := r.Scan(&e.ID, &e.Envelope, &e.From, &e.To, &e.Body, &e.Size, &created, &next, &e.Attempts, &e.LastErr, &e.Held); err != nil {
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
	if r.Bounce == nil {
		return nil
	}
	if err := t.deliver(r.Bounce); err != nil && !errors.Is(err, ErrUnknownUser) {
		return err
	}
	return nil
}
