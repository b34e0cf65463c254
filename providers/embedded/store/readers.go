package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxReaders is how many queries run at once. More wait.
const maxReaders = 8

// readers run queries on connections of their own, beside the writer. Each keeps
// its prepared statements.
type readers struct {
	dialect dialect
	pool    *sql.DB
	// idle holds all readers that are not in use; one without a connection gets
	// one when it is needed.
	idle   chan *reader
	closed chan struct{}
}

type reader struct {
	conn *sql.Conn
	*statements
}

func newReaders(d dialect, pool *sql.DB) *readers {
	rs := &readers{dialect: d, pool: pool, idle: make(chan *reader, maxReaders), closed: make(chan struct{})}
	for range maxReaders {
		rs.idle <- &reader{}
	}
	return rs
}

// use calls f with a reader. f must not ask for another one.
func (rs *readers) use(ctx context.Context, f func(*reader) error) error {
	var r *reader
	select {
	case r = <-rs.idle:
	case <-rs.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { rs.idle <- r }()
	if r.conn == nil {
		// Not the caller's context: the connection outlives the call.
		conn, err := rs.pool.Conn(context.Background())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		r.conn, r.statements = conn, newStatements(rs.dialect, conn)
	}
	return f(r)
}

// row runs a query of one row. The error is sql.ErrNoRows where there is none.
func (rs *readers) row(ctx context.Context, q string, args []any, into ...any) error {
	return rs.use(ctx, func(r *reader) error { return r.row(ctx, q, args, into...) })
}

// rows runs a query and calls each for every row; each only scans.
func (rs *readers) rows(ctx context.Context, q string, args []any, each func(*sql.Rows) error) error {
	return rs.use(ctx, func(r *reader) error { return r.rows(ctx, q, args, each) })
}

// A snapshot reads several things as they were at one moment.
type snapshot struct {
	ctx    context.Context
	reader *reader
}

// snapshot calls f with a snapshot of the store.
func (rs *readers) snapshot(ctx context.Context, f func(*snapshot) error) error {
	return rs.use(ctx, func(r *reader) error {
		// Not the caller's context: it must be known whether this has begun.
		if _, err := r.exec(context.Background(), rs.dialect.snapshot); err != nil {
			return fmt.Errorf("begin to read: %w", err)
		}
		err := f(&snapshot{ctx, r})
		if _, rerr := r.exec(context.Background(), `ROLLBACK`); rerr != nil {
			// A connection that may still be in the transaction is not used again.
			err = errors.Join(err, rerr, r.release())
		}
		return err
	})
}

func (s *snapshot) row(q string, args []any, into ...any) error {
	return s.reader.row(s.ctx, q, args, into...)
}

func (s *snapshot) rows(q string, args []any, each func(*sql.Rows) error) error {
	return s.reader.rows(s.ctx, q, args, each)
}

// release closes the reader's connection.
func (r *reader) release() error {
	if r.conn == nil {
		return nil
	}
	err := errors.Join(r.statements.close(), r.conn.Close())
	r.conn, r.statements = nil, nil
	return err
}

// close refuses new queries, waits for those that run, and closes the pool.
func (rs *readers) close() error {
	close(rs.closed)
	var errs []error
	for range maxReaders {
		errs = append(errs, (<-rs.idle).release())
	}
	return errors.Join(append(errs, rs.pool.Close())...)
}
