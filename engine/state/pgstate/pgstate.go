package pgstate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
)

// Options say where the state is.
type Options struct {
	// ConnStr is a URL or keywords as libpq has them; what it leaves out comes
	// from libpq's variables in the environment (PGHOST, PGPASSWORD, ...).
	ConnStr string
	// Schema of the database that the tables are in; empty: mailform.
	Schema string
	// Name of the state; empty: default. It has no slash: the state of a workspace
	// is called NAME/WORKSPACE.
	Name string
	// Workspace whose state it is; empty: the default one.
	Workspace string
	// Lease is how long a lock stays without a heartbeat; 0: a minute. There are
	// three heartbeats to a lease.
	Lease time.Duration
	// Keys encrypt the state; nil: it is plain.
	Keys *seal.Keyring
}

// compactAbove is how many rows a journal may have before releasing the lock
// writes the snapshot anew.
const compactAbove = 1000

// writeTimeout bounds one write: a database that is cut off without a word must
// not hold an apply for ever.
const writeTimeout = 2 * time.Minute

// A Backend is one state in a database. It may be used by one goroutine at a
// time. It opens connections when it is first used.
type Backend struct {
	o      Options
	base   string // name of the default workspace's state
	config *pgx.ConnConfig
	tables *strings.Replacer

	held *lease // nil: not locked
	// What the database has, as is known under the lock.
	known   bool
	lineage string
	serial  uint64
	stale   bool // some of it is not sealed as it would be now
}

// Open checks the options. It connects to nothing.
func Open(o Options) (*Backend, error) {
	if o.Schema == "" {
		o.Schema = "mailform"
	}
	if o.Name == "" {
		o.Name = "default"
	}
	if strings.Contains(o.Name, "/") {
		return nil, errors.New("name has a slash, which stands between the name of a state and that of a workspace")
	}
	base := o.Name
	if o.Workspace != "" && o.Workspace != state.DefaultWorkspace {
		o.Name += "/" + o.Workspace
	}
	if o.Lease == 0 {
		o.Lease = time.Minute
	}
	if o.Lease < time.Millisecond {
		return nil, errors.New("the lease of the lock is shorter than a heartbeat can be")
	}
	config, err := pgx.ParseConfig(o.ConnStr)
	if err != nil {
		// The error repeats the text, which may hold a password.
		return nil, errors.New("conn_str is no URL that begins with postgres://, and no list of keywords such as \"host=… dbname=…\"")
	}
	schema := pgx.Identifier{o.Schema}.Sanitize()
	return &Backend{o: o, base: base, config: config, tables: strings.NewReplacer("@", schema)}, nil
}

// connect opens a pool, which the caller closes.
func (b *Backend) connect() *sql.DB {
	db := stdlib.OpenDB(*b.config)
	db.SetMaxIdleConns(2)
	return db
}

// tablesSQL makes the tables. In all SQL here, @ stands for the schema. The lock keeps two first runs from making them at
// the same time, which PostgreSQL answers with an error.
const tablesSQL = `
CREATE SCHEMA IF NOT EXISTS @;
CREATE TABLE IF NOT EXISTS @.state (
	name     text PRIMARY KEY,
	lineage  text NOT NULL DEFAULT '',
	serial   bigint NOT NULL DEFAULT 0,
	snapshot bytea,                        -- a document; NULL: none yet
	-- The lease of the lock.
	token     bigint NOT NULL DEFAULT 0,   -- rises with each taking
	holder    text,                        -- lock ID; NULL: free
	who       text NOT NULL DEFAULT '',
	operation text NOT NULL DEFAULT '',
	pid       bigint NOT NULL DEFAULT 0,
	job       text NOT NULL DEFAULT '',
	since     timestamptz NOT NULL DEFAULT now(),
	heartbeat timestamptz NOT NULL DEFAULT now(),
	lease     interval NOT NULL DEFAULT '1 minute'
);
CREATE TABLE IF NOT EXISTS @.journal (
	name   text NOT NULL REFERENCES @.state ON DELETE CASCADE,
	serial bigint NOT NULL,
	line   integer NOT NULL,
	entry  bytea NOT NULL,
	PRIMARY KEY (name, serial, line)
);
-- Tables of earlier versions have no such column.
ALTER TABLE @.state ADD COLUMN IF NOT EXISTS job text NOT NULL DEFAULT '';`

// prepare makes the tables and the state's row where they are missing.
func (b *Backend) prepare(ctx context.Context, db *sql.DB) error {
	var there bool
	// to_regclass wants the name as it is written in SQL.
	if err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL AND EXISTS
		(SELECT FROM pg_attribute WHERE attrelid = to_regclass($2) AND attname = 'job')`, b.tables.Replace("@.journal"), b.tables.Replace("@.state")).Scan(&there); err != nil {
		return err
	}
	if !there {
		err := inTx(ctx, db, nil, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('mailform.state.tables'))`); err != nil {
				return err
			}
			for stmt := range strings.SplitSeq(b.tables.Replace(tablesSQL), ";\n") {
				if _, err := tx.ExecContext(ctx, stmt); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	_, err := db.ExecContext(ctx, b.tables.Replace(`INSERT INTO @.state (name) VALUES ($1) ON CONFLICT DO NOTHING`), b.o.Name)
	return err
}

// inTx runs a transaction.
func inTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		if rb := tx.Rollback(); rb != nil && !errors.Is(rb, sql.ErrTxDone) {
			return errors.Join(err, rb)
		}
		return err
	}
	return tx.Commit()
}

// Load implements [state.Backend]. It makes no tables.
func (b *Backend) Load(ctx context.Context) (*state.State, error) {
	db := b.connect()
	defer db.Close()
	var st *state.State
	err := inTx(ctx, db, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(tx *sql.Tx) error {
		var there bool
		if err := tx.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, b.tables.Replace("@.journal")).Scan(&there); err != nil {
			return err
		}
		st = (&state.State{}).Clone()
		if !there {
			return nil
		}
		var err error
		st, err = b.read(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if b.held != nil {
		b.lineage, b.serial, b.known = st.Lineage, st.Serial, true
	}
	return st, nil
}

// where names the state in errors.
func (b *Backend) where() string {
	return fmt.Sprintf("%s in the schema %s of the database %s", b.o.Name, b.o.Schema, b.config.Database)
}

func (b *Backend) read(ctx context.Context, tx *sql.Tx) (*state.State, error) {
	st := (&state.State{}).Clone()
	var lineage string
	var serial uint64
	var snapshot []byte
	err := tx.QueryRowContext(ctx, b.tables.Replace(`SELECT lineage, serial, snapshot FROM @.state WHERE name = $1`), b.o.Name).Scan(&lineage, &serial, &snapshot)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	b.stale = false
	if snapshot != nil {
		var current bool
		if st, current, err = state.DecodeState(b.o.Keys, b.where(), snapshot); err != nil {
			return nil, err
		}
		b.stale = !current
	}
	rows, err := tx.QueryContext(ctx, b.tables.Replace(`SELECT serial, line, entry FROM @.journal WHERE name = $1 AND serial > $2 ORDER BY serial, line`), b.o.Name, int64(st.Serial))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var at uint64
		var line int
		var raw []byte
		if err := rows.Scan(&at, &line, &raw); err != nil {
			return nil, err
		}
		entries, current, err := state.DecodeEntries(b.o.Keys, b.where(), lineage, at, raw)
		if sealed, ok := errors.AsType[*state.SealError](err); ok {
			return nil, sealed
		}
		if err == nil && at != st.Serial && at != st.Serial+1 {
			err = fmt.Errorf("write %d follows write %d", at, st.Serial)
		}
		if err != nil {
			return nil, &state.DamageError{Path: b.where(), Reason: fmt.Sprintf("line %d of write %d: %v", line, at, err)}
		}
		st.Apply(entries)
		st.Serial = at
		b.stale = b.stale || !current
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	st.Lineage = lineage
	if st.Serial != serial {
		return nil, &state.DamageError{Path: b.where(), Reason: fmt.Sprintf("its last write is %d, and snapshot and journal end with %d", serial, st.Serial)}
	}
	return st, nil
}

// Append implements [state.Backend]: one transaction, whose cost does not hang
// on the size of the state.
func (b *Backend) Append(ctx context.Context, entries []state.Entry) error {
	if b.held == nil {
		return fmt.Errorf("append to state: %w", state.ErrNotLocked)
	}
	if !b.known {
		if _, err := b.Load(ctx); err != nil {
			return err
		}
	}
	lineage, serial := b.lineage, b.serial
	if lineage == "" {
		lineage = state.NewLineage()
	} else if b.stale {
		if err := b.rewrite(ctx); err != nil {
			return err
		}
	}
	if lineage == b.lineage && len(entries) == 0 {
		return nil
	}
	if len(entries) > 0 {
		serial++
	}
	raws, err := state.EncodeEntries(b.o.Keys, lineage, serial, entries)
	if err != nil {
		return err
	}
	lines := make([]int32, len(raws))
	for i := range raws {
		lines[i] = int32(i)
	}
	return b.write(ctx, lineage, serial, func(tx *sql.Tx) error {
		if len(entries) == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, b.tables.Replace(`INSERT INTO @.journal (name, serial, line, entry)
			SELECT $1, $2, line, entry FROM unnest($3::int[], $4::bytea[]) AS t (line, entry)`), b.o.Name, int64(serial), lines, raws)
		return err
	})
}

// Replace implements [state.Backend].
func (b *Backend) Replace(ctx context.Context, next *state.State) error {
	if b.held == nil {
		return fmt.Errorf("replace state: %w", state.ErrNotLocked)
	}
	return b.write(ctx, next.Lineage, next.Serial, func(tx *sql.Tx) error { return b.snapshot(ctx, tx, next) })
}

// write makes a change durable, if the lock is still ours.
func (b *Backend) write(ctx context.Context, lineage string, serial uint64, do func(*sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	b.known = false // until it is known to be done
	err := inTx(ctx, b.held.db, nil, func(tx *sql.Tx) error {
		// Holding the row keeps the lease from being taken over until the commit.
		done, err := tx.ExecContext(ctx, b.tables.Replace(`UPDATE @.state SET lineage = $1, serial = $2, heartbeat = clock_timestamp()
			WHERE name = $3 AND holder = $4 AND token = $5`), lineage, int64(serial), b.o.Name, b.held.id, b.held.token)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(state.ErrLockLost, err)
		}
		return do(tx)
	})
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	b.lineage, b.serial, b.known = lineage, serial, true
	return nil
}

// Workspaces implements [state.Keeper].
func (b *Backend) Workspaces(ctx context.Context) ([]string, error) {
	db := b.connect()
	defer db.Close()
	var there bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, b.tables.Replace("@.journal")).Scan(&there)
	if err != nil || !there {
		return nil, wrap("list workspaces", err)
	}
	rows, err := db.QueryContext(ctx, b.tables.Replace(`SELECT substr(name, length($1) + 1) FROM @.state WHERE starts_with(name, $1) AND lineage <> '' ORDER BY name COLLATE "C"`), b.base+"/")
	if err != nil {
		return nil, wrap("list workspaces", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, wrap("list workspaces", err)
		}
		names = append(names, name)
	}
	return names, wrap("list workspaces", rows.Err())
}

// Delete implements [state.Keeper].
func (b *Backend) Delete(ctx context.Context) error {
	if b.held == nil {
		return fmt.Errorf("delete state: %w", state.ErrNotLocked)
	}
	b.known = false
	done, err := b.held.db.ExecContext(ctx, b.tables.Replace(`DELETE FROM @.state WHERE name = $1 AND holder = $2 AND token = $3`), b.o.Name, b.held.id, b.held.token)
	if err != nil {
		return fmt.Errorf("delete state: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("delete state: %w", errors.Join(state.ErrLockLost, err))
	}
	return nil
}

func wrap(what string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return err
}
