package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A dialect is what differs between the databases. All SQL of this package is
// written once: with ? for parameters, and the words in braces below in table
// definitions.
type dialect struct {
	driver string
	// numbered parameters: $1 instead of ?.
	numbered bool
	// snapshot begins a transaction whose queries all see the same state.
	snapshot string
	// words replaces the words in braces of the table definitions.
	words *strings.Replacer
}

var sqlite = dialect{
	driver:   "sqlite",
	snapshot: `BEGIN`,
	words: strings.NewReplacer(
		"{id}", "INTEGER PRIMARY KEY", // only in these words the key of SQLite's own tree
		"{bytes}", "BLOB",
		"{clustered}", "WITHOUT ROWID", // rows lie in the order of the primary key
	),
}

// query is a statement in the form that the database takes.
func (d dialect) query(q string) string {
	if !d.numbered {
		return q
	}
	var b strings.Builder
	n := 0
	for _, r := range q {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// statements are the prepared statements of a connection, which one goroutine
// uses at a time. The texts are constants of this package, so their number is
// bounded.
type statements struct {
	dialect  dialect
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func newStatements(d dialect, conn *sql.Conn) *statements {
	return &statements{dialect: d, conn: conn, prepared: map[string]*sql.Stmt{}}
}

func (s *statements) get(q string) (*sql.Stmt, error) {
	if st := s.prepared[q]; st != nil {
		return st, nil
	}
	// Not the caller's context: the statement outlives the call.
	st, err := s.conn.PrepareContext(context.Background(), s.dialect.query(q))
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", q, err)
	}
	s.prepared[q] = st
	return st, nil
}

func (s *statements) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	st, err := s.get(q)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// row runs a query of one row. The error is sql.ErrNoRows where there is none.
func (s *statements) row(ctx context.Context, q string, args []any, into ...any) error {
	st, err := s.get(q)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
}

// rows runs a query and calls each for every row; each scans.
func (s *statements) rows(ctx context.Context, q string, args []any, each func(*sql.Rows) error) error {
	st, err := s.get(q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *statements) close() error {
	var errs []error
	for _, st := range s.prepared {
		errs = append(errs, st.Close())
	}
	clear(s.prepared)
	return errors.Join(errs...)
}
