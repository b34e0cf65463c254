package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Expire removes for good what has been in mailboxes of some use (`\Trash`) since
// before a time. It returns how many messages it has removed. One transaction
// removes a part of one mailbox, so that mail is not held up.
func (s *Store) Expire(ctx context.Context, use string, before time.Time) (n int, err error) {
	var boxes []int64
	err = s.read.rows(ctx, `SELECT m.id FROM mailbox m JOIN account a ON a.id = m.account
		WHERE m.special_use = ? AND m.messages > 0 AND a.closed_at = 0`, []any{use}, func(r *sql.Rows) error {
		boxes = append(boxes, 0)
		return r.Scan(&boxes[len(boxes)-1])
	})
	if err != nil {
		return 0, fmt.Errorf("expire messages in %s: %w", use, err)
	}
	for _, box := range boxes {
		for {
			gone, err := s.expireSome(ctx, box, before)
			n += gone
			if err != nil {
				return n, fmt.Errorf("expire messages in %s: %w", use, err)
			}
			if gone < purgeStep {
				break
			}
		}
	}
	return n, nil
}

// expireSome looks before it asks for a transaction: mostly there is nothing.
func (s *Store) expireSome(ctx context.Context, mailbox int64, before time.Time) (n int, err error) {
	const old = ` FROM message WHERE mailbox = ? AND CASE WHEN saved > 0 THEN saved ELSE internal END < ?`
	args := []any{mailbox, micros(before)}
	if err := s.read.row(ctx, `SELECT COUNT(*)`+old, args, &n); err != nil || n == 0 {
		return 0, err
	}
	err = s.write(ctx, func(t *tx) error {
		n = 0
		m, err := t.mailbox(mailbox)
		if err != nil {
			return err
		}
		var rows []messageRow
		err = t.rows(`SELECT `+messageColumns+old+` ORDER BY uid LIMIT ?`, append(args, purgeStep), func(r *sql.Rows) error {
			rows = append(rows, messageRow{})
			return rows[len(rows)-1].scan(r)
		})
		if err != nil {
			return err
		}
		n = len(rows)
		_, err = t.expunge(m, rows)
		return err
	})
	return n, err
}
