// Package fulltext keeps an index of the text of all messages, for searches of any
// part of a word: which bodies hold the same runs of three characters. What it
// finds may have the text that is looked for, and whoever asks reads that up; what
// it does not find has not. It is made of the store's bodies and can be made anew
// at any time.
package fulltext

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	_ "modernc.org/sqlite" // the driver
)

// version is that of the tables and of what is put into them. An index of another
// one is made anew.
const version = 1

// Names of the index in a directory.
const file = "search.db"

// An Index is that of one store. One process has it open at a time.
type Index struct {
	path  string
	write *sql.DB // one connection
	read  *sql.DB
}

// Texts are folded by who hands them in, so that both sides fold alike. The table
// keeps no text, and not where in a text a run stands, which would take three times
// the room.
var tables = []string{
	`CREATE VIRTUAL TABLE body USING fts5(text, tokenize='trigram case_sensitive 1', content='', contentless_delete=1, detail='none')`,
	// What is in it: with the size, which tells a body from one of another store.
	// Of one that is partial not all of the text is.
	`CREATE TABLE known (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, partial INTEGER NOT NULL)`,
	`CREATE INDEX known_partial ON known (id) WHERE partial`,
}

// Open opens the index of a store in a directory. One that cannot be used, or is
// that of another store, is made anew.
func Open(ctx context.Context, dir string, src Source) (*Index, error) {
	if err := finishMove(dir); err != nil {
		return nil, fmt.Errorf("move the index: %w", err)
	}
	at, err := Location(dir)
	if err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}
	x := &Index{path: filepath.Join(at, file)}
	if err = x.open(ctx); err == nil {
		err = x.check(ctx, src)
	}
	if err != nil && ctx.Err() == nil {
		err = x.renew(ctx)
	}
	return x, err
}

func (x *Index) open(ctx context.Context) error {
	// Its content is as secret as the mail.
	f, err := os.OpenFile(x.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the index: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("open the index: %w", err)
	}
	if x.write, err = sql.Open("sqlite", x.dsn("journal_mode(WAL)", "synchronous(NORMAL)")); err == nil {
		x.write.SetMaxOpenConns(1)
		err = x.prepare(ctx)
	}
	if err == nil {
		x.read, err = sql.Open("sqlite", x.dsn("query_only(1)"))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the index: %w", err), x.Close())
	}
	return nil
}

func (x *Index) dsn(pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: x.path, RawQuery: q.Encode()}).String()
}

var errVersion = errors.New("it is of another version")

func (x *Index) prepare(ctx context.Context) error {
	var have, objects int
	if err := x.write.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&have); err != nil {
		return err
	}
	if err := x.write.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&objects); err != nil {
		return err
	}
	if have == version {
		return nil
	}
	if objects > 0 {
		return errVersion
	}
	tx, err := x.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, q := range append(tables, fmt.Sprintf(`PRAGMA user_version = %d`, version)) {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// renew makes the index anew, empty.
func (x *Index) renew(ctx context.Context) error {
	if err := x.Close(); err != nil {
		return fmt.Errorf("make the index anew: %w", err)
	}
	for _, suffix := range suffixes {
		if err := os.Remove(x.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("make the index anew: %w", err)
		}
	}
	return x.open(ctx)
}

// Close closes the index.
func (x *Index) Close() error {
	var errs []error
	for _, db := range []**sql.DB{&x.read, &x.write} {
		if *db != nil {
			errs = append(errs, (*db).Close())
			*db = nil
		}
	}
	return errors.Join(errs...)
}

// Least is how many characters a text needs to be looked for in an index.
const Least = 3

// Usable reports whether an index can tell anything of a text.
func Usable(needle string) bool {
	return utf8.RuneCountInString(needle) >= Least && utf8.ValidString(needle) && !strings.ContainsRune(needle, 0)
}

// Found is what a question to the index comes to.
type Found struct {
	bodies map[int64]struct{}
	// upTo is the highest body that the index knew.
	upTo int64
}

// May reports whether a body may have what was looked for.
func (f *Found) May(body int64) bool {
	if f == nil || body > f.upTo {
		return true
	}
	_, ok := f.bodies[body]
	return ok
}

// And is what both may have; nil is everything.
func (f *Found) And(other *Found) *Found {
	if f == nil || other == nil {
		if f == nil {
			return other
		}
		return f
	}
	both := &Found{map[int64]struct{}{}, min(f.upTo, other.upTo)}
	for id := range f.bodies {
		if _, ok := other.bodies[id]; ok {
			both.bodies[id] = struct{}{}
		}
	}
	return both
}

// Or is what one of them may have; nil is everything.
func (f *Found) Or(other *Found) *Found {
	if f == nil || other == nil {
		return nil
	}
	either := &Found{map[int64]struct{}{}, min(f.upTo, other.upTo)}
	for _, ids := range []map[int64]struct{}{f.bodies, other.bodies} {
		for id := range ids {
			either.bodies[id] = struct{}{}
		}
	}
	return either
}

// Find looks for a folded text that is [Usable] in bodies from first to last.
func (x *Index) Find(ctx context.Context, needle string, first, last int64) (*Found, error) {
	tx, err := x.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("search the index: %w", err)
	}
	defer tx.Rollback() // it only reads
	f := &Found{bodies: map[int64]struct{}{}}
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM known`).Scan(&f.upTo); err != nil {
		return nil, fmt.Errorf("search the index: %w", err)
	}
	for _, q := range []struct {
		text string
		args []any
	}{
		{`SELECT rowid FROM body WHERE body MATCH ? AND rowid BETWEEN ? AND ?`, []any{match(needle), first, last}},
		{`SELECT id FROM known WHERE partial AND id BETWEEN ? AND ?`, []any{first, last}},
	} {
		if err := f.add(tx.QueryContext(ctx, q.text, q.args...)); err != nil {
			return nil, fmt.Errorf("search the index: %w", err)
		}
	}
	return f, nil
}

func (f *Found) add(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		f.bodies[id] = struct{}{}
	}
	return rows.Err()
}

// mostRuns bounds how many runs of a long text are asked for: few are enough to
// leave out nearly all that does not have it.
const mostRuns = 24

// match asks for the runs of three characters of a text.
func match(needle string) string {
	runes := []rune(needle)
	count := len(runes) - Least + 1
	var b strings.Builder
	for i := range min(count, mostRuns) {
		if i > 0 {
			b.WriteString(" AND ")
		}
		at := i * count / min(count, mostRuns)
		b.WriteString(`"` + strings.ReplaceAll(string(runes[at:at+Least]), `"`, `""`) + `"`)
	}
	return b.String()
}
