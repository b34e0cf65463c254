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
