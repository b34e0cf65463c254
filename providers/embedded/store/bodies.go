package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// BodiesAfter lists bodies with higher IDs than after, by rising ID, n at most, with
// their sizes in bytes. A body that is committed later than another has a higher ID.
func (s *Store) BodiesAfter(ctx context.Context, after int64, n int) (ids, sizes []int64, err error) {
	err = s.read.rows(ctx, `SELECT id, size FROM body WHERE id > ? ORDER BY id LIMIT ?`, []any{after, n}, func(r *sql.Rows) error {
		var id, size int64
		if err := r.Scan(&id, &size); err != nil {
			return err
		}
		ids, sizes = append(ids, id), append(sizes, size)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list bodies: %w", err)
	}
	return ids, sizes, nil
}

// LastBody is at least the highest ID that a body has ever had; 0 where there was
// none.
func (s *Store) LastBody(ctx context.Context) (last int64, err error) {
	err = s.read.row(ctx, `SELECT value FROM sequence WHERE name = ?`, []any{"body"}, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the sequence of bodies: %w", err)
	}
	return last, nil
}

// NewestBody is the highest ID that a body has now; 0 where there is none.
func (s *Store) NewestBody(ctx context.Context) (newest int64, err error) {
	if err = s.read.row(ctx, `SELECT COALESCE(MAX(id), 0) FROM body`, nil, &newest); err != nil {
		return 0, fmt.Errorf("find the newest body: %w", err)
	}
	return newest, nil
}

// SmallBodies reads the bodies of messages of a mailbox, those with UIDs from first
// to last, by rising UID. It leaves out those that are stored in several pieces. each
// must not keep the body, nor ask the store.
func (s *Store) SmallBodies(ctx context.Context, mailbox int64, first, last uint32, each func(uid uint32, body []byte)) error {
	const q = `SELECT m.uid, b.data FROM message m JOIN body b ON b.id = m.body
		WHERE m.mailbox = ? AND m.uid BETWEEN ? AND ? AND m.size <= ? ORDER BY m.uid`
	var uid int64
	var body sql.RawBytes
	err := s.read.rows(ctx, q, []any{mailbox, int64(first), int64(last), chunkSize}, func(r *sql.Rows) error {
		if err := r.Scan(&uid, &body); err != nil {
			return err
		}
		each(uint32(uid), body)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read bodies of mailbox %d: %w", mailbox, err)
	}
	return nil
}
