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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mailform/mailform/providers/embedded/srs"
)

// Names in the data directory.
const (
	databaseFile = "mailform.db"
	lockFile     = "lock"
	tmpDir       = "tmp"
)

// Options say how a store is opened.
type Options struct {
	// ReadOnly opens the store where it lies, without the lock of its owner; it
	// may be one that a daemon is using. Nothing is created or changed.
	ReadOnly bool
	// Now is the clock; nil: that of the machine. Signing keys live by it.
	Now func() time.Time
}

// A Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	dir    string
	now    func() time.Time
	lock   *os.File // nil when read-only
	read   *readers
	writer *writer // nil when read-only
	// identity is nil when read-only.
	identity *identity
	// forwarding has the key of rewritten senders; none when read-only.
	forwarding srs.Scheme

	directory directoryCache
	source    atomic.Pointer[Source]
	sorter    Sorter
	watches   watches
	queueWake chan struct{}

	dropsMu sync.Mutex
	drops   map[int64]bool // maildrops in use, by account
}

// errReadOnly is the error of changes to a store opened with Options.ReadOnly.
var errReadOnly = errors.New("the store is open for reading only")

// Open opens the store in a data directory. It makes what is missing: the
// directory with mode 0700, the database with mode 0600. One process at a time
// may have it open for writing; the error for a second one is [ErrLocked]. The
// error for a missing store opened with Options.ReadOnly is [fs.ErrNotExist], and
// that for a directory which others use is [ErrForeign].
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{dir: dir, now: o.Now, queueWake: make(chan struct{}, 1), drops: map[int64]bool{}}
	if err = reachable(dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if o.ReadOnly {
		if _, err := os.Stat(filepath.Join(dir, databaseFile)); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		err = s.openReaders(ctx)
	} else {
		err = s.openOwner(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) openOwner(ctx context.Context) error {
	if err := CheckDir(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	// What it holds is secret, whoever made it and with whatever mode.
	if err := os.Chmod(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.takeLock(); err != nil {
		return err
	}
	// Drafts are unlinked while they are open; what is left is from a crash
	// between the two.
	tmp := filepath.Join(s.dir, tmpDir)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	// SQLite gives its other files the mode of the database.
	f, err := os.OpenFile(filepath.Join(s.dir, databaseFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return err
	}
	if s.identity, err = identify(s.dir); err != nil {
		return err
	}
	w, err := openWriter(ctx, s.dsn("rw", false), s.committed)
	if err != nil {
		return err
	}
	s.writer = w
	key, err := s.secret(ctx, "srs")
	if err != nil {
		return err
	}
	s.forwarding = srs.New(key)
	if err := s.openReaders(ctx); err != nil {
		return err
	}
	return s.finishMove()
}

// takeLock makes this process the owner until the file is closed or the process
// ends, however it ends.
func (s *Store) takeLock() error {
	f, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return errors.Join(fmt.Errorf("%s: %w", s.dir, ErrLocked), f.Close())
	case err != nil:
		return errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	s.lock = f
	return nil
}

func (s *Store) openReaders(ctx context.Context) error {
	// A store that no process has open needs its shared-memory file made, so
	// write access is tried first; where there is none, SQLite reads what it can.
	mode := "rw"
	if unix.Access(filepath.Join(s.dir, databaseFile), unix.W_OK) != nil {
		mode = "ro"
	}
	db, err := sql.Open(sqlite.driver, s.dsn(mode, true))
	if err != nil {
		return err
	}
	s.read = newReaders(sqlite, db)
	return s.read.use(ctx, func(r *reader) error {
		version, err := schemaVersion(ctx, r.conn)
		var n int
		switch {
		case s.writer != nil:
			return err
		case err == nil && version == 0, // the version has a table, and no other is there yet
			err != nil && r.row(ctx, `SELECT COUNT(*) FROM sqlite_master`, nil, &n) == nil && n == 0:
			// Its owner is making the tables, or was killed before they were made.
			return fs.ErrNotExist
		}
		return err
	})
}

// dsn is the data source name. busy_timeout only matters between processes: a
// reader beside the daemon, a daemon that starts while a reader ends.
func (s *Store) dsn(mode string, readOnly bool) string {
	q := url.Values{"mode": {mode}, "_dqs": {"0"}, "_pragma": {
		"busy_timeout(10000)",
		"foreign_keys(1)",
	}}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	}
	u := url.URL{Scheme: "file", Path: filepath.Join(s.dir, databaseFile), RawQuery: q.Encode()}
	return u.String()
}

// Close waits for the changes under way, refuses new ones, and closes the
// database.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.read != nil {
		errs = append(errs, s.read.close())
	}
	if s.identity != nil {
		errs = append(errs, s.identity.root.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// write runs a change in the writer's next transaction and returns when it is
// on disk. See writer for what run may do.
func (s *Store) write(ctx context.Context, run func(*tx) error) error {
	if s.writer == nil {
		return errReadOnly
	}
	return s.writer.do(ctx, run)
}

// committed is called by the writer after each commit, before those who wait
// for it go on.
func (s *Store) committed(e *effects) {
	if e.directory {
		s.directory.drop()
	}
	s.watches.notify(e.mailboxes)
	if e.queued {
		select {
		case s.queueWake <- struct{}{}:
		default:
		}
	}
}
