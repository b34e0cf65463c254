package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch bounds how many changes share a commit, and with it how long the
// first of them waits for the others.
const maxBatch = 256

// checkpointPages is how long the write-ahead log grows before its pages go to
// the database file: pages that change often (the ends of the tables) are then
// written there once for many commits. 8,192 pages of 4 KiB are 32 MiB.
const checkpointPages = 8192

// errClosed is the error of changes after Close.
var errClosed = fmt.Errorf("store: %w", os.ErrClosed)

// A writer carries out all changes, one after the other, on a connection of its
// own. What waits while a commit is on its way to the disk shares the next one:
// under load a commit serves many changes, without load none waits for another.
//
// A change is a function that runs inside the transaction. It has to leave
// nothing but the transaction behind, because it may run twice: there are no
// savepoints. A change that fails before it has written anything simply fails.
// One that fails half-way (a full disk, a conflict in the middle of a batch of
// declarations) makes the whole transaction roll back, and the others run again,
// each in its own.
type writer struct {
	pool      *sql.DB
	conn      *sql.Conn
	stmts     *statements
	committed func(*effects)
	cache     cache
	buf       []byte // see scratch
	// company is how many changes may share the next commit, as the last one tells.
	company  int
	warnings atomic.Pointer[Warnings]

	mu     sync.Mutex
	queue  []*change
	closed bool
	wake   chan struct{} // capacity 1: the queue may have something
	done   chan struct{}
}

// A change is one call of writer.do.
type change struct {
	run  func(*tx) error
	err  error
	done chan struct{}
	// state decides between the writer that starts and the caller that gives up.
	state atomic.Int32
}

const (
	waiting int32 = iota
	started
	dropped
)

// effects are what others have to be told after a commit.
type effects struct {
	mailboxes map[int64]struct{} // touched
	queued    bool               // the queue has new entries
	directory bool               // accounts, routes or domains changed
}

func openWriter(ctx context.Context, dsn string, committed func(*effects)) (*writer, error) {
	pool, err := sql.Open(sqlite.driver, dsn)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	fail := func(err error) (*writer, error) {
		return nil, errors.Join(err, conn.Close(), pool.Close())
	}
	for _, q := range []string{
		`PRAGMA journal_mode = WAL`,
		`PRAGMA synchronous = FULL`, // a commit is on disk
		fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, checkpointPages),
		`PRAGMA journal_size_limit = 67108864`,
		`PRAGMA cache_size = -32768`, // 32 MiB
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fail(fmt.Errorf("%s: %w", q, err))
		}
	}
	if err := migrate(ctx, sqlite, conn); err != nil {
		return fail(err)
	}
	w := &writer{
		pool: pool, conn: conn, stmts: newStatements(sqlite, conn), committed: committed,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	w.cache.clear()
	go w.loop()
	return w, nil
}

// do runs a change and returns when it is on disk or has failed. A context that
// ends before the change was begun drops it; afterwards the answer is awaited,
// so that it is true.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{run: run, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.queue = append(w.queue, c)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	if c.state.CompareAndSwap(waiting, dropped) {
		return ctx.Err()
	}
	<-c.done
	return c.err
}

// close refuses new changes, carries out those that wait, and ends.
func (w *writer) close() error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return nil
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.done
	return errors.Join(w.stmts.close(), w.conn.Close(), w.pool.Close())
}

// take returns up to n waiting changes.
func (w *writer) take(n int) (_ []*change, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) <= n {
		q := w.queue
		w.queue = nil
		return q, w.closed
	}
	q := w.queue[:n:n]
	w.queue = w.queue[n:]
	return q, w.closed
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		batch, closed := w.take(maxBatch)
		switch {
		case len(batch) > 0:
			w.runBatch(batch)
		case closed:
			return
		default:
			<-w.wake
		}
	}
}

// runBatch carries out changes in one transaction; those that come meanwhile
// join it.
func (w *writer) runBatch(batch []*change) {
	t, err := w.begin()
	if err != nil {
		finish(batch, err)
		return
	}
	var good []*change
	for n := 0; len(batch) > 0; {
		c := batch[0]
		batch = batch[1:]
		n++
		if c.state.CompareAndSwap(waiting, started) {
			switch err := t.run(c.run); {
			case err == nil:
				good = append(good, c)
			case !t.wrote:
				finish([]*change{c}, err)
			case len(good) == 0:
				// It was alone so far: only it is lost.
				t.rollback()
				finish([]*change{c}, err)
				if t, err = w.begin(); err != nil {
					finish(batch, err)
					return
				}
			default:
				t.rollback()
				finish([]*change{c}, err)
				for _, c := range good {
					w.runAlone(c)
				}
				for _, c := range batch {
					if c.state.CompareAndSwap(waiting, started) {
						w.runAlone(c)
					}
				}
				return
			}
		}
		if len(batch) == 0 && n < maxBatch {
			batch = w.gather(n)
		}
	}
	err = t.commit()
	finish(good, err)
	w.mu.Lock()
	w.company = len(good) + len(w.queue)
	w.mu.Unlock()
}

// companyWait is how long a commit waits for changes that may come. They come from
// those whom the last commit has served, so that it seldom takes as long.
const companyWait = 200 * time.Microsecond

// gather returns further changes for a commit that has n so far. Where several were
// at work a moment ago, it gives them time to come back: else each commit would serve
// those who missed the last one, and half of them miss each.
func (w *writer) gather(n int) []*change {
	var late <-chan time.Time
	for {
		more, closed := w.take(maxBatch - n)
		if len(more) > 0 || closed || n >= w.company {
			return more
		}
		if late == nil {
			late = time.After(companyWait)
		}
		select {
		case <-w.wake:
		case <-late:
			w.company = 0
		}
	}
}

// runAlone carries out a change that was started, in its own transaction.
func (w *writer) runAlone(c *change) {
	t, err := w.begin()
	if err == nil {
		if err = t.run(c.run); err == nil {
			err = t.commit()
		} else {
			t.rollback()
		}
	}
	finish([]*change{c}, err)
}

func finish(cs []*change, err error) {
	for _, c := range cs {
		c.err = err
		close(c.done)
	}
}

func (w *writer) begin() (*tx, error) {
	if _, err := w.stmts.exec(context.Background(), `BEGIN`); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return &tx{w: w, cache: &w.cache, effects: effects{mailboxes: map[int64]struct{}{}}}, nil
}

// A tx is the transaction under way, as changes see it.
type tx struct {
	w *writer
	*cache
	effects effects
	// op numbers the changes; wrote says whether the present one has changed
	// anything, so that its failure needs a rollback.
	op    int
	wrote bool
	// filling are accounts with a quota that the present change has touched.
	filling []int64
}

func (t *tx) run(f func(*tx) error) error {
	t.op++
	t.wrote = false
	t.filling = nil
	if err := f(t); err != nil {
		return err
	}
	return t.warn()
}

// commit makes everything durable. When that fails nothing has happened.
func (t *tx) commit() error {
	err := t.flush()
	if err == nil {
		_, err = t.w.stmts.exec(context.Background(), `COMMIT`)
	}
	if err != nil {
		t.rollback()
		return fmt.Errorf("commit: %w", err)
	}
	t.cache.trim()
	t.w.committed(&t.effects)
	return nil
}

func (t *tx) rollback() {
	// The error is that SQLite has rolled back by itself, as it does when the
	// disk is full.
	_, _ = t.w.stmts.exec(context.Background(), `ROLLBACK`)
	t.cache.clear()
}

// exec changes rows.
func (t *tx) exec(q string, args ...any) (changed int64, err error) {
	t.wrote = true
	r, err := t.w.stmts.exec(context.Background(), q, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row reads one row; the error for none is sql.ErrNoRows.
func (t *tx) row(q string, args []any, into ...any) error {
	return t.w.stmts.row(context.Background(), q, args, into...)
}

func (t *tx) rows(q string, args []any, each func(*sql.Rows) error) error {
	return t.w.stmts.rows(context.Background(), q, args, each)
}

// touched marks a mailbox whose watchers are to be told.
func (t *tx) touched(mailbox int64) { t.effects.mailboxes[mailbox] = struct{}{} }
