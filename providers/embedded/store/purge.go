package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// purgeStep is how many messages are deleted in one go, so that deliveries need
// not wait for the end of a large account.
const purgeStep = 500

// PurgeRetained removes closed accounts whose mail was to be kept until now or
// earlier, for good. It returns how many.
func (s *Store) PurgeRetained(ctx context.Context, now time.Time) (int, error) {
	var ids []int64
	err := s.read.rows(ctx, `SELECT id FROM account WHERE purge_at > 0 AND purge_at <= ?`, []any{micros(now)}, func(r *sql.Rows) error {
		ids = append(ids, 0)
		return r.Scan(&ids[len(ids)-1])
	})
	if err != nil {
		return 0, fmt.Errorf("purge accounts: %w", err)
	}
	for n, id := range ids {
		for done := false; !done; {
			err := s.write(ctx, func(t *tx) (err error) {
				done, err = t.purgeSome(id, now)
				return err
			})
			if err != nil {
				return n, fmt.Errorf("purge account %d: %w", id, err)
			}
		}
	}
	return len(ids), nil
}

// purgeSome takes one step of purging an account, if it is still to be purged.
// It reports whether it was the last one.
func (t *tx) purgeSome(account int64, now time.Time) (done bool, err error) {
	var purgeAt int64
	err = t.row(`SELECT purge_at FROM account WHERE id = ?`, []any{account}, &purgeAt)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil || purgeAt == 0 || purgeAt > micros(now) {
		return true, err
	}
	a, err := t.account(account)
	if err != nil {
		return false, err
	}
	var mailbox int64
	err = t.row(`SELECT id FROM mailbox WHERE account = ? LIMIT 1`, []any{account}, &mailbox)
	if errors.Is(err, sql.ErrNoRows) {
		return true, t.deleteAccount(account)
	}
	if err != nil {
		return false, err
	}
	m, err := t.mailbox(mailbox)
	if err != nil {
		return false, err
	}
	var rows []messageRow
	err = t.rows(`SELECT `+messageColumns+` FROM message WHERE mailbox = ? ORDER BY uid LIMIT ?`, []any{mailbox, purgeStep}, func(r *sql.Rows) error {
		rows = append(rows, messageRow{})
		return rows[len(rows)-1].scan(r)
	})
	if err != nil {
		return false, err
	}
	if len(rows) == 0 {
		return false, t.deleteMailbox(a, m)
	}
	_, err = t.expunge(m, rows)
	return false, err
}

// deleteAccount deletes an account that has no mailboxes any more.
func (t *tx) deleteAccount(id int64) error {
	if err := t.forgetAccount(id); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM subscription WHERE account = ?`,
		`DELETE FROM script WHERE account = ?`,
		`DELETE FROM told WHERE account = ?`,
		`DELETE FROM app_password WHERE account = ?`,
		`DELETE FROM app_password_use WHERE account = ?`,
		`DELETE FROM sent WHERE account = ?`,
		`DELETE FROM metadata WHERE account = ?`,
		`DELETE FROM acl WHERE identifier = (SELECT address FROM account WHERE id = ?)`,
		`DELETE FROM account WHERE id = ?`,
	} {
		if _, err := t.exec(q, id); err != nil {
			return err
		}
	}
	return nil
}
