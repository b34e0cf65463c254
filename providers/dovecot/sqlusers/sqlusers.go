// Package sqlusers keeps the users of a mail server in a table of a database:
// SQLite, or PostgreSQL. A table is read as a whole, and changed in one transaction
// that is carried out only where everything it touches still is as it was read.
//
// The table may have columns of others beside those that are named here, and rows
// of others, whose note is empty; both are kept.
package sqlusers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// ErrChanged is the error of a row that is no longer as it was read.
var ErrChanged = errors.New("somebody else has changed it")

// Drivers of databases, as Dovecot calls them.
const (
	SQLite   = "sqlite"
	Postgres = "pgsql"
)

// A Table is where the users are.
type Table struct {
	Driver string
	// Connect is the path of a SQLite file, or keywords and values for PostgreSQL:
	// "host=db.example.com dbname=mail user=mailform password=…".
	Connect string
	Name    string
	// Names are those of columns that are called otherwise than in [Columns].
	Names map[string]string
}

// Columns are those of a table that mailform makes, with their definitions.
var Columns = []Column{
	{"address", "TEXT PRIMARY KEY"},
	{"password", "TEXT NOT NULL DEFAULT ''"}, // {SCHEME}hash
	{"quota", "BIGINT NOT NULL DEFAULT 0"},   // bytes; 0: none
	{"denied", "TEXT NOT NULL DEFAULT ''"},   // services, with spaces between them
	{"script", "TEXT NOT NULL DEFAULT ''"},   // name of a Sieve script
	{"note", "TEXT NOT NULL DEFAULT ''"},     // what mailform remembers; empty: the row of another
}

// A Column has a definition in the language of the databases.
type Column struct{ Name, Definition string }

// A Row is a user.
type Row struct {
	Address, Password    string
	Quota                int64
	Denied, Script, Note string
}

// Column is the name of a column, quoted.
func (t *Table) Column(name string) string {
	if other := t.Names[name]; other != "" {
		name = other
	}
	return quoted(name)
}

// Quoted is the name of the table, quoted, with its schema where it has one.
func (t *Table) Quoted() string {
	parts := strings.Split(t.Name, ".")
	for i := range parts {
		parts[i] = quoted(parts[i])
	}
	return strings.Join(parts, ".")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (t *Table) open() (*sql.DB, error) {
	if t.Driver == Postgres {
		return sql.Open("pgx", t.Connect)
	}
	// Whoever reads it can do no more than that: a journal beside it that readers
	// write to (WAL) would keep them out.
	db, err := sql.Open("sqlite", "file:"+escaper.Replace(t.Connect)+"?mode=rw&_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(DELETE)&_pragma=synchronous(FULL)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

var escaper = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

func (t *Table) names() string {
	list := make([]string, len(Columns))
	for i, c := range Columns {
		list[i] = t.Column(c.Name)
	}
	return strings.Join(list, ", ")
}

// exists reports whether there is the table.
func (t *Table) exists(ctx context.Context, q querier) (there bool, err error) {
	ask := `SELECT count(*) > 0 FROM sqlite_master WHERE type IN ('table', 'view') AND name = $1`
	name := t.Name
	if t.Driver == Postgres {
		ask, name = `SELECT to_regclass($1) IS NOT NULL`, t.Quoted()
	}
	err = q.QueryRowContext(ctx, ask, name).Scan(&there)
	return there, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load reads all rows. A table that is not there has none.
func (t *Table) Load(ctx context.Context) (map[string]Row, error) {
	if t.Driver == SQLite {
		if _, err := os.Stat(t.Connect); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	db, err := t.open()
	if err != nil {
		return nil, t.wrap(err)
	}
	defer db.Close()
	there, err := t.exists(ctx, db)
	if err != nil || !there {
		return nil, t.wrap(err)
	}
	rows, err := t.read(ctx, db)
	return rows, t.wrap(err)
}

func (t *Table) read(ctx context.Context, q querier) (map[string]Row, error) {
	list := make([]string, len(Columns))
	for i, c := range Columns {
		list[i] = "COALESCE(" + t.Column(c.Name) + ", '')"
		if c.Name == "quota" {
			list[i] = "COALESCE(" + t.Column(c.Name) + ", 0)"
		}
	}
	rows, err := q.QueryContext(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+t.Quoted())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]Row{}
	for rows.Next() {
		var r Row
		if err := rows.Scan(&r.Address, &r.Password, &r.Quota, &r.Denied, &r.Script, &r.Note); err != nil {
			return nil, err
		}
		out[r.Address] = r
	}
	return out, rows.Err()
}

// wrap says where something went wrong. What a driver says of a connection has no
// password in it.
func (t *Table) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("users in %s, table %s: %w", t.Driver, t.Name, err)
}

// portion is how many rows a statement takes: each has a parameter for every
// column, and the databases take some 30,000.
const portion = 500

// Save makes of the rows that were there those that are to be. Whatever is neither
// in the one nor in the other is left alone. It makes the table where there is
// none. The error is [ErrChanged] where a row that it would touch is no longer as
// it was; then nothing is done.
func (t *Table) Save(ctx context.Context, was, now map[string]Row) error {
	var gone, put []string
	for _, address := range slices.Sorted(maps.Keys(was)) {
		if _, stays := now[address]; !stays {
			gone = append(gone, address)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(now)) {
		if have, there := was[address]; !there || have != now[address] {
			put = append(put, address)
		}
	}
	if len(gone)+len(put) == 0 {
		return nil
	}
	db, err := t.open()
	if err != nil {
		return t.wrap(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return t.wrap(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := t.change(ctx, tx, was, now, gone, put); err != nil {
		return t.wrap(err)
	}
	return t.wrap(tx.Commit())
}

func (t *Table) change(ctx context.Context, tx *sql.Tx, was, now map[string]Row, gone, put []string) error {
	there, err := t.exists(ctx, tx)
	if err != nil {
		return err
	}
	if !there {
		definitions := make([]string, len(Columns))
		for i, c := range Columns {
			definitions[i] = t.Column(c.Name) + " " + c.Definition
		}
		if _, err := tx.ExecContext(ctx, "CREATE TABLE "+t.Quoted()+" ("+strings.Join(definitions, ", ")+")"); err != nil {
			return err
		}
	}
	if t.Driver == Postgres { // as SQLite's transaction does: others read, and nobody writes
		if _, err := tx.ExecContext(ctx, "LOCK TABLE "+t.Quoted()+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	have, err := t.read(ctx, tx)
	if err != nil {
		return err
	}
	for _, address := range slices.Concat(gone, put) {
		before, there := was[address]
		if is, still := have[address]; still != there || is != before {
			return fmt.Errorf("%s: %w", address, ErrChanged)
		}
	}
	for some := range slices.Chunk(gone, portion) {
		args := make([]any, len(some))
		for i, address := range some {
			args[i] = address
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+t.Quoted()+" WHERE "+t.Column("address")+" IN "+places(1, len(args)), args...); err != nil {
			return err
		}
	}
	var sets []string
	for _, c := range Columns[1:] {
		sets = append(sets, t.Column(c.Name)+" = excluded."+t.Column(c.Name))
	}
	for some := range slices.Chunk(put, portion) {
		var args []any
		for _, address := range some {
			r := now[address]
			args = append(args, r.Address, r.Password, r.Quota, r.Denied, r.Script, r.Note)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO "+t.Quoted()+" ("+t.names()+") VALUES "+places(len(some), len(Columns))+
			" ON CONFLICT ("+t.Column("address")+") DO UPDATE SET "+strings.Join(sets, ", "), args...); err != nil {
			return err
		}
	}
	return nil
}

// places are rows of parameters: ($1, $2), ($3, $4).
func places(rows, columns int) string {
	var b strings.Builder
	b.Grow(rows * columns * 6)
	n := 0
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(")
		for j := range columns {
			if j > 0 {
				b.WriteString(", ")
			}
			n++
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(")")
	}
	return b.String()
}
