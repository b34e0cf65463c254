package pgstate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailform/mailform/engine/state"
)

// Waiting for a lock asks again after these times.
const (
	lockPollFirst = 200 * time.Millisecond
	lockPollMost  = 2 * time.Second
)

// A lease is a lock that is held.
type lease struct {
	db    *sql.DB
	id    string
	token int64
	stop  context.CancelFunc
	beats sync.WaitGroup
}

// Lock implements [state.Backend]. The lock of a process that is no more can be
// taken once its lease has passed without a heartbeat, by the database's clock.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, timeout time.Duration) (unlock func() error, err error) {
	if b.held != nil {
		return nil, errors.New("lock state: already locked by this process")
	}
	db := b.connect()
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := b.prepare(ctx, db); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	if info.ID == "" {
		info.ID = state.NewLineage()
	}
	poll := state.NewPoll(timeout, lockPollFirst, lockPollMost)
	for {
		token, err := b.take(ctx, db, info)
		if err == nil {
			return b.hold(ctx, db, info.ID, token), nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("lock state: %w", err)
		}
		switch again, err := poll.Again(ctx, 0); {
		case err != nil:
			return nil, fmt.Errorf("lock state: %w", err)
		case !again:
			return nil, b.lockedError(ctx, db)
		}
	}
}

// take takes the lock where it is free or its lease has passed; otherwise the
// error is sql.ErrNoRows.
func (b *Backend) take(ctx context.Context, db *sql.DB, info state.LockInfo) (token int64, err error) {
	err = db.QueryRowContext(ctx, b.tables.Replace(`UPDATE @.state
		SET token = token + 1, holder = $2, who = $3, operation = $4, pid = $5, since = clock_timestamp(), heartbeat = clock_timestamp(),
			lease = make_interval(secs => $6), job = $7
		WHERE name = $1 AND (holder IS NULL OR heartbeat + lease < clock_timestamp()) RETURNING token`),
		b.o.Name, info.ID, info.Who, info.Operation, info.PID, b.o.Lease.Seconds(), info.Job).Scan(&token)
	return token, err
}

// hold keeps a lock that was taken alive until it is released.
func (b *Backend) hold(ctx context.Context, db *sql.DB, id string, token int64) func() error {
	ctx = context.WithoutCancel(ctx)
	beating, stop := context.WithCancel(ctx)
	l := &lease{db: db, id: id, token: token, stop: stop}
	l.beats.Go(func() {
		ticker := time.NewTicker(b.o.Lease / 3)
		defer ticker.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-ticker.C:
				// A beat that fails does no harm: the next one, or the next write,
				// finds out whether the lock is still ours.
				_, _ = db.ExecContext(beating, b.tables.Replace(`UPDATE @.state SET heartbeat = clock_timestamp() WHERE name = $1 AND holder = $2 AND token = $3`),
					b.o.Name, id, token)
			}
		}
	})
	b.held, b.known = l, false
	return func() error {
		if b.held != l {
			return nil // released before
		}
		err := b.compact(ctx)
		if errors.Is(err, state.ErrLockLost) {
			err = nil // it is another's to do
		}
		stop()
		l.beats.Wait()
		b.held, b.known = nil, false
		_, uerr := db.ExecContext(ctx, b.tables.Replace(`UPDATE @.state SET holder = NULL WHERE name = $1 AND holder = $2 AND token = $3`), b.o.Name, id, token)
		if uerr != nil {
			uerr = fmt.Errorf("unlock state: %w", uerr)
		}
		return errors.Join(err, uerr, db.Close())
	}
}

// compact writes the snapshot anew where the journal has grown long.
func (b *Backend) compact(ctx context.Context) error {
	if !b.known {
		return nil
	}
	var rows int
	if err := b.held.db.QueryRowContext(ctx, b.tables.Replace(`SELECT count(*) FROM @.journal WHERE name = $1`), b.o.Name).Scan(&rows); err != nil {
		return fmt.Errorf("compact state: %w", err)
	}
	if rows <= compactAbove {
		return nil
	}
	return b.rewrite(ctx)
}

// rewrite writes the snapshot anew and empties the journal.
func (b *Backend) rewrite(ctx context.Context) error {
	return b.write(ctx, b.lineage, b.serial, func(tx *sql.Tx) error {
		// Nobody else can have written: the row is held.
		st, err := b.read(ctx, tx)
		if err != nil {
			return err
		}
		return b.snapshot(ctx, tx, st)
	})
}

// snapshot writes a whole state and empties the journal.
func (b *Backend) snapshot(ctx context.Context, tx *sql.Tx, st *state.State) error {
	data, err := state.EncodeState(b.o.Keys, st)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, b.tables.Replace(`UPDATE @.state SET snapshot = $2 WHERE name = $1`), b.o.Name, data); err != nil {
		return err
	}
	b.stale = false
	_, err = tx.ExecContext(ctx, b.tables.Replace(`DELETE FROM @.journal WHERE name = $1`), b.o.Name)
	return err
}

// ForceUnlock implements [state.Backend].
func (b *Backend) ForceUnlock(ctx context.Context, id string) error {
	db := b.connect()
	defer db.Close()
	if err := b.prepare(ctx, db); err != nil {
		return fmt.Errorf("unlock state: %w", err)
	}
	done, err := db.ExecContext(ctx, b.tables.Replace(`UPDATE @.state SET holder = NULL, token = token + 1 WHERE name = $1 AND holder = $2`), b.o.Name, id)
	if err != nil {
		return fmt.Errorf("unlock state: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	err = b.lockedError(ctx, db)
	if l, ok := errors.AsType[*state.LockedError](err); ok && l.Info.ID == "" {
		return state.ErrNotLocked
	}
	return err
}

// lockedError says who holds the lock, and when it ends without a heartbeat.
func (b *Backend) lockedError(ctx context.Context, db *sql.DB) error {
	var i state.LockInfo
	var id sql.NullString
	var heartbeat time.Time
	var lease float64
	err := db.QueryRowContext(ctx, b.tables.Replace(`SELECT holder, who, operation, pid, job, since, heartbeat, extract(epoch FROM lease)::float8 FROM @.state WHERE name = $1`),
		b.o.Name).Scan(&id, &i.Who, &i.Operation, &i.PID, &i.Job, &i.Created, &heartbeat, &lease)
	if err != nil {
		return fmt.Errorf("lock state: %w", err)
	}
	if !id.Valid {
		return &state.LockedError{}
	}
	i.ID = id.String
	ends := heartbeat.Add(time.Duration(lease * float64(time.Second)))
	return &state.LockedError{Info: i, Ends: fmt.Sprintf("its last sign of life was at %s; without another the lock ends at %s",
		heartbeat.UTC().Format(time.RFC3339), ends.UTC().Format(time.RFC3339))}
}

// Holder implements [state.Teller].
func (b *Backend) Holder(ctx context.Context) (*state.LockedError, error) {
	db := b.connect()
	defer db.Close()
	var there bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, b.tables.Replace("@.journal")).Scan(&there)
	if err != nil || !there {
		return nil, wrap("look at the lock", err)
	}
	err = b.lockedError(ctx, db)
	locked, ok := errors.AsType[*state.LockedError](err)
	switch {
	case errors.Is(err, sql.ErrNoRows) || ok && locked.Info.ID == "":
		return nil, nil
	case !ok:
		return nil, err
	}
	return locked, nil
}
