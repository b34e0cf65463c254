package store

import (
	"context"
	"database/sql"
	"fmt"
)

// A snapshot reads several things as they were at one moment.
type snapshot struct {
	ctx  context.Context
	tx   *sql.Tx
	read *statements
}

// snapshot calls f with a snapshot of the store.
func (s *Store) snapshot(ctx context.Context, f func(*snapshot) error) error {
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	defer tx.Rollback() // there is nothing to commit
	return f(&snapshot{ctx, tx, s.read})
}

func (s *snapshot) row(q string, args []any, into ...any) error {
	st, err := s.read.get(q)
	if err != nil {
		return err
	}
	return s.tx.StmtContext(s.ctx, st).QueryRowContext(s.ctx, args...).Scan(into...)
}

func (s *snapshot) rows(q string, args []any, each func(*sql.Rows) error) error {
	st, err := s.read.get(q)
	if err != nil {
		return err
	}
	rows, err := s.tx.StmtContext(s.ctx, st).QueryContext(s.ctx, args...)
	if err != nil {
		return err
	}
	return scanAll(rows, each)
}

// scanAll calls each for every row and closes them.
func scanAll(rows *sql.Rows, each func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
