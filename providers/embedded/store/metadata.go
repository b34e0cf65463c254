package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// MetadataLimits bound what is noted with SetMetadata.
const (
	// MetadataValue is the largest value, in bytes.
	MetadataValue = 32 << 10
	// MetadataEntries is how many entries of an account's a mailbox has, and of
	// those that all see.
	MetadataEntries = 100
	// MetadataTotal is how many bytes of values an account has noted in all, and how
	// many are noted for all to see in the mailboxes of an account.
	MetadataTotal = 1 << 20
)

// ErrTooMany: there are as many of them as there may be.
var ErrTooMany = errors.New("too many")

// Metadata is a note about a mailbox, or about the server (RFC 5464).
type Metadata struct {
	// Shared: all see it who may see the mailbox; otherwise only who has made it.
	Shared bool
	// Entry is its name in lower case, with the slash and without /shared or
	// /private: "/comment".
	Entry string
	// Value; nil: there is none, and writing that takes it away.
	Value []byte
}

// Metadata lists what an account sees noted about a mailbox, by entry; 0 is the
// server.
func (s *Store) Metadata(ctx context.Context, account, mailbox int64) (all []Metadata, err error) {
	err = s.read.rows(ctx, `SELECT account, entry, value FROM metadata WHERE mailbox = ? AND account IN (0, ?) ORDER BY account, entry`,
		[]any{mailbox, account}, func(r *sql.Rows) error {
			var m Metadata
			var of int64
			err := r.Scan(&of, &m.Entry, &m.Value)
			m.Shared = of == 0
			if m.Value == nil {
				m.Value = []byte{} // an empty one is one
			}
			all = append(all, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list metadata: %w", err)
	}
	return all, nil
}

// SetMetadata notes something about a mailbox, or about the server for 0; all of it
// or nothing. Errors: [ErrNotFound], [ErrTooLarge] for a value, [ErrTooMany] for
// entries, [ErrOverQuota] where the values are too many bytes in all, or the account
// that has the mailbox has no room left.
func (s *Store) SetMetadata(ctx context.Context, account, mailbox int64, set []Metadata) error {
	for _, m := range set {
		if len(m.Value) > MetadataValue {
			return fmt.Errorf("set metadata: %w", ErrTooLarge)
		}
	}
	err := s.write(ctx, func(t *tx) error {
		payer := account
		if mailbox != 0 {
			m, err := t.mailbox(mailbox)
			if err != nil {
				return err
			}
			payer = m.account
		}
		a, err := t.openAccount(payer)
		if err != nil {
			return err
		}
		var more int64
		for _, m := range set {
			more += int64(len(m.Value))
		}
		if err := a.room(more); more > 0 && err != nil {
			return err
		}
		for _, m := range set {
			if err := t.setMetadata(account, mailbox, m); err != nil {
				return err
			}
		}
		if more == 0 {
			return nil // taking away is always allowed
		}
		return t.checkMetadata(account, payer, mailbox)
	})
	if err != nil {
		return fmt.Errorf("set metadata: %w", err)
	}
	return nil
}

func (t *tx) setMetadata(account, mailbox int64, m Metadata) error {
	if m.Shared {
		account = 0
	}
	if _, err := t.exec(`DELETE FROM metadata WHERE mailbox = ? AND account = ? AND entry = ?`, mailbox, account, m.Entry); err != nil || m.Value == nil {
		return err
	}
	_, err := t.exec(`INSERT INTO metadata (mailbox, account, entry, value) VALUES (?, ?, ?, ?)`, mailbox, account, m.Entry, m.Value)
	return err
}

// checkMetadata holds what is noted to its bounds, after a change of account's. payer
// is the account that has the mailbox.
func (t *tx) checkMetadata(account, payer, mailbox int64) error {
	var most, own, shared int64
	err := t.row(`SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM metadata WHERE mailbox = ? AND account IN (0, ?) GROUP BY account) AS counts`,
		[]any{mailbox, account}, &most)
	if err == nil && most > MetadataEntries {
		return ErrTooMany
	}
	if err == nil {
		err = t.row(`SELECT COALESCE(SUM(LENGTH(value)), 0) FROM metadata WHERE account = ?`, []any{account}, &own)
	}
	if err == nil {
		err = t.row(`SELECT COALESCE(SUM(LENGTH(value)), 0) FROM metadata WHERE account = 0 AND mailbox IN (SELECT id FROM mailbox WHERE account = ?)`,
			[]any{payer}, &shared)
	}
	if err == nil && max(own, shared) > MetadataTotal {
		return ErrOverQuota
	}
	return err
}
