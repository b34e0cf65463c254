package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// damagedEnd is what the name of a database file ends with once another has been made
// of what could be read of it.
const damagedEnd = ".damaged"

// Examine looks for damage in the store of a data directory. With mend it puts right
// what can be, and nobody else may have the store open; the error is [ErrLocked]
// otherwise. Of a database file that is damaged itself a new one is made, with all
// that can be read; the old one stays beside it, under a name that ends with
// ".damaged".
func Examine(ctx context.Context, dir string, mend bool) ([]Damage, error) {
	found, err := examine(ctx, dir, mend)
	switch broken, isBroken := brokenFile(err); {
	case isBroken:
		found = []Damage{{What: databaseDamage, Where: broken, Lost: true}}
	case err != nil:
		return nil, err
	}
	if !mend || len(found) == 0 || found[0].What != databaseDamage {
		return found, nil
	}
	lost, err := salvage(ctx, dir)
	if err != nil {
		return found, fmt.Errorf("make a new database of what can be read: %w", err)
	}
	for i := range found {
		found[i].Mended, found[i].Lost = true, false
	}
	found[0].Where += ". A new one has been made of what can be read, and the old one lies beside it, as " + databaseFile + damagedEnd
	return append(found, lost...), nil
}

func examine(ctx context.Context, dir string, mend bool) (found []Damage, err error) {
	s, err := Open(ctx, dir, Options{ReadOnly: !mend})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if mend {
		return s.Mend(ctx)
	}
	return s.Check(ctx)
}

// brokenFile says what is wrong, where an error is that of a file which is no whole
// database.
func brokenFile(err error) (string, bool) {
	var e *driver.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB) {
		return e.Error(), true
	}
	return "", false
}

// errNothingLeft is the error of a file that has nothing left of a table without which
// there is no mail.
var errNothingLeft = errors.New("nothing of it can be read: only a backup helps")

// needed are these tables.
var needed = []string{"account", "mailbox", "message", "body"}

// salvage puts a new database in the place of a damaged one. Whenever it is cut off,
// the name leads to one of the two.
func salvage(ctx context.Context, dir string) (lost []Damage, err error) {
	s := &Store{dir: dir}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	defer s.lock.Close()
	file, err := filepath.EvalSymlinks(filepath.Join(dir, databaseFile))
	if err != nil {
		return nil, err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(file), ".mailform-salvage-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if lost, err = copyReadable(ctx, file, fresh); err != nil {
		return nil, err
	}
	return lost, replaceDamaged(filepath.Join(fresh, databaseFile), file)
}

// copyReadable makes a store in a directory with all that can be read of a database,
// and brings it in order: what has lost its other half is taken out.
func copyReadable(ctx context.Context, file, fresh string) ([]Damage, error) {
	s, err := Open(ctx, fresh, Options{}) // which has the tables
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	lost, err := copyTables(ctx, file, filepath.Join(fresh, databaseFile))
	if err != nil {
		return nil, err
	}
	if s, err = Open(ctx, fresh, Options{}); err != nil {
		return nil, err
	}
	more, err := s.Mend(ctx)
	return append(lost, more...), errors.Join(err, s.Close())
}

// copyTables copies all that can be read of a database into another one.
func copyTables(ctx context.Context, file, fresh string) (lost []Damage, err error) {
	from, err := connect(ctx, file, "writable_schema(1)", "query_only(1)") // then a size that is wrong is passed over
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := connect(ctx, fresh, "foreign_keys(0)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if v, err := schemaVersion(ctx, from.conn); err == nil && v != len(migrations) {
		return nil, fmt.Errorf("it has version %d of its tables, and this mailform makes version %d: start the mailform that made it", v, len(migrations))
	}
	tables, err := tablesOf(ctx, to.conn)
	if err != nil {
		return nil, err
	}
	tx, err := to.conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, t := range tables {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+t.name); err != nil { // what a new store has
			return nil, err
		}
		n, broken, err := t.copy(ctx, from.conn, tx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		case broken && n == 0 && slices.Contains(needed, t.name):
			return nil, fmt.Errorf("table %s: %w", t.name, errNothingLeft)
		case broken:
			lost = append(lost, Damage{What: databaseDamage, Where: fmt.Sprintf("of the table %s, %d rows could be read and others could not", t.name, n), Lost: true, Mended: true})
		}
	}
	return lost, tx.Commit()
}

// replaceDamaged puts a database in the place of another, which stays beside it.
func replaceDamaged(fresh, file string) error {
	if _, err := os.Stat(fresh + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not whole by itself: %w", fresh, err)
	}
	if err := syncPath(fresh); err != nil {
		return err
	}
	aside := file + damagedEnd
	for n := 2; ; n++ {
		err := os.Link(file, aside)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		aside = fmt.Sprintf("%s%s.%d", file, damagedEnd, n)
	}
	// What was written last is in a log beside a database, and would be taken for that
	// of the new one. What can be read of it is in there.
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Rename(file+end, aside+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(fresh, file); err != nil {
		return err
	}
	return syncPath(filepath.Dir(file))
}

// A connection is the only one of its pool.
type connection struct {
	db   *sql.DB
	conn *sql.Conn
}

func connect(ctx context.Context, file string, pragmas ...string) (*connection, error) {
	q := url.Values{"mode": {"rw"}, "_dqs": {"0"}, "_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	u := url.URL{Scheme: "file", Path: file, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &connection{db, c}, nil
}

func (c *connection) close() error { return errors.Join(c.conn.Close(), c.db.Close()) }

// A table that is salvaged.
type table struct {
	name    string
	columns []string
	key     []string // in whose order its rows lie
	number  bool     // whether the first of them is one
}

// tablesOf lists the tables of a database but that of its version.
func tablesOf(ctx context.Context, c *sql.Conn) ([]table, error) {
	rows, err := c.QueryContext(ctx, `SELECT m.name, m.sql LIKE '%WITHOUT ROWID', p.name, p.type, p.pk FROM sqlite_master m, pragma_table_info(m.name) p
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND m.name <> 'schema_version' ORDER BY m.name, p.pk, p.cid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []table
	for rows.Next() {
		var name, column, kind string
		var clustered bool
		var pk int
		if err := rows.Scan(&name, &clustered, &column, &kind, &pk); err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, table{name: name})
		}
		t := &out[len(out)-1]
		t.columns = append(t.columns, column)
		if clustered && pk > 0 {
			t.key = append(t.key, column)
			t.number = t.number || pk == 1 && strings.Contains(kind, "INT")
		}
	}
	for i := range out {
		if out[i].key == nil {
			out[i].key, out[i].number = []string{"rowid"}, true
		}
	}
	return out, rows.Err()
}

// mostProbes bounds how many numbers are tried one by one where a table is broken.
const mostProbes = 1 << 20

// copy copies the rows that can be read: from the first on up to what cannot be, from
// the last on back to that, and those between by the number that their key begins
// with. broken says that some could not be.
func (t table) copy(ctx context.Context, from *sql.Conn, to *sql.Tx) (n int, broken bool, err error) {
	insert, err := to.PrepareContext(ctx, fmt.Sprintf(`INSERT OR IGNORE INTO %s (%s) VALUES (%s)`, t.name, strings.Join(t.columns, ", "),
		strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")))
	if err != nil {
		return 0, false, err
	}
	defer insert.Close()
	first, whole, err := t.walk(ctx, from, insert, &n, "", "")
	if err != nil || whole {
		return n, false, err
	}
	last, _, err := t.walk(ctx, from, insert, &n, "", " DESC")
	if err != nil || !t.number {
		return n, true, err
	}
	low, lowOK := first.(int64)
	high, highOK := last.(int64)
	if !lowOK || !highOK || high-low > mostProbes {
		return n, true, nil
	}
	for v := low; v <= high; v++ {
		one := fmt.Sprintf(" WHERE %s = %d", t.key[0], v)
		if _, whole, err := t.walk(ctx, from, insert, &n, one, ""); err != nil {
			return n, true, err
		} else if whole {
			continue
		}
		if _, _, err := t.walk(ctx, from, insert, &n, one, " DESC"); err != nil {
			return n, true, err
		}
	}
	return n, true, nil
}

// walk copies rows until one cannot be read, and returns what the key of the last one
// begins with. n counts those that were not there yet.
func (t table) walk(ctx context.Context, from *sql.Conn, insert *sql.Stmt, n *int, where, direction string) (last any, whole bool, err error) {
	rows, err := from.QueryContext(ctx, fmt.Sprintf(`SELECT %s, %s FROM %s NOT INDEXED%s ORDER BY %s`, t.key[0], strings.Join(t.columns, ", "), t.name, where,
		strings.Join(t.key, direction+", ")+direction))
	if err != nil {
		return nil, false, unlessBroken(ctx, err)
	}
	defer rows.Close()
	values := make([]any, len(t.columns)+1)
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, false, err
		}
		last = values[0]
		// What breaks a rule of the table was not written by us.
		if res, err := insert.ExecContext(ctx, values[1:]...); err != nil {
			return nil, false, err
		} else if added, err := res.RowsAffected(); err == nil {
			*n += int(added)
		}
	}
	if err := rows.Err(); err != nil {
		return last, false, unlessBroken(ctx, err)
	}
	return last, true, nil
}

// unlessBroken is an error that is not one of the file.
func unlessBroken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *driver.Error
	if errors.As(err, &e) { // also that a table is not even listed any more
		return nil
	}
	return err
}
