package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

// STSPolicy returns the MTA-STS policy that is kept for a domain; nil: none. It
// may have run out.
func (s *Store) STSPolicy(ctx context.Context, domain string) (*mtasts.Cached, error) {
	c := mtasts.Cached{Domain: domain}
	var fetched, until int64
	err := s.read.row(ctx, `SELECT id, text, fetched_at, until_at FROM sts_policy WHERE domain = ?`, []any{domain}, &c.ID, &c.Text, &fetched, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	c.Fetched, c.Until = fromMicros(fetched), fromMicros(until)
	return &c, nil
}

// KeepSTSPolicy keeps a policy, and drops those that have run out.
func (s *Store) KeepSTSPolicy(ctx context.Context, c mtasts.Cached) error {
	err := s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM sts_policy WHERE domain = ? OR until_at < ?`, c.Domain, micros(c.Fetched)); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO sts_policy (domain, id, text, fetched_at, until_at) VALUES (?, ?, ?, ?, ?)`,
			c.Domain, c.ID, c.Text, micros(c.Fetched), micros(c.Until))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep policy: %w", err)
	}
	return nil
}

// dayFormat is how a day stands in the store; it sorts by time.
const dayFormat = time.DateOnly

// AddTLSResult counts a connection on the day of at, in UTC.
func (s *Store) AddTLSResult(ctx context.Context, r tlsrpt.Result, at time.Time) error {
	policy, err := json.Marshal(r.Policy)
	if err != nil {
		return fmt.Errorf("count connection: %w", err)
	}
	var failure []byte
	if r.Failure != nil {
		f := *r.Failure
		f.Sessions = 0
		if failure, err = json.Marshal(f); err != nil {
			return fmt.Errorf("count connection: %w", err)
		}
	}
	key := []any{at.UTC().Format(dayFormat), r.Domain, string(policy), string(failure)}
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE tls_result SET sessions = sessions + 1 WHERE day = ? AND domain = ? AND policy = ? AND failure = ?`, key...)
		if err != nil || n > 0 {
			return err
		}
		_, err = t.exec(`INSERT INTO tls_result (day, domain, policy, failure, sessions) VALUES (?, ?, ?, ?, 1)`, key...)
		return err
	})
	if err != nil {
		return fmt.Errorf("count connection: %w", err)
	}
	return nil
}

// A TLSDay is a day on which connections to a domain were counted.
type TLSDay struct {
	Day    time.Time // its midnight, UTC
	Domain string
}

// TLSDays lists the days before a time that are over, with their domains, the
// oldest first.
func (s *Store) TLSDays(ctx context.Context, now time.Time) (days []TLSDay, err error) {
	err = s.read.rows(ctx, `SELECT DISTINCT day, domain FROM tls_result WHERE day < ? ORDER BY day, domain`,
		[]any{now.UTC().Format(dayFormat)}, func(r *sql.Rows) error {
			var day, domain string
			if err := r.Scan(&day, &domain); err != nil {
				return err
			}
			at, err := time.Parse(dayFormat, day)
			days = append(days, TLSDay{at, domain})
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list counted connections: %w", err)
	}
	return days, nil
}

// TLSCounts are the connections to a domain on a day.
func (s *Store) TLSCounts(ctx context.Context, d TLSDay) (counts []tlsrpt.Count, err error) {
	err = s.read.rows(ctx, `SELECT policy, failure, sessions FROM tls_result WHERE day = ? AND domain = ? ORDER BY policy, failure`,
		[]any{d.Day.Format(dayFormat), d.Domain}, func(r *sql.Rows) error {
			c := tlsrpt.Count{Result: tlsrpt.Result{Domain: d.Domain}}
			var policy, failure string
			if err := r.Scan(&policy, &failure, &c.Sessions); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(policy), &c.Policy); err != nil {
				return err
			}
			if failure != "" {
				c.Failure = &tlsrpt.Failure{}
				if err := json.Unmarshal([]byte(failure), c.Failure); err != nil {
					return err
				}
			}
			counts = append(counts, c)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read counted connections: %w", err)
	}
	return counts, nil
}

// FinishTLSDay forgets what was counted on a day. A report that goes by mail is
// queued in the same transaction; nil: there is none.
func (s *Store) FinishTLSDay(ctx context.Context, d TLSDay, report *Envelope) error {
	err := s.write(ctx, func(t *tx) error {
		n, err := t.exec(`DELETE FROM tls_result WHERE day = ? AND domain = ?`, d.Day.Format(dayFormat), d.Domain)
		if err != nil || n == 0 || report == nil {
			return err
		}
		return t.deliver(report)
	})
	if err != nil {
		return fmt.Errorf("finish counted connections: %w", err)
	}
	return nil
}
