package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// The database of a data directory can lie elsewhere: then its name in the data
// directory is a symbolic link. To move it, [CopyTo] copies it while it is in use,
// and [MoveTo], once nobody uses it, copies what has changed since, and turns the
// name. What it turns from is kept until the store has been opened in its new place;
// a note in the data directory says what is under way. So whenever it is cut off,
// the name leads to a whole database.

// Names in a data directory while its database is moved.
const (
	movingNote = "moving.json"
	movedFile  = databaseFile + ".moved" // what the name led to, where that was here
	copyFile   = databaseFile + ".moving"
	nextLink   = databaseFile + ".next"
)

// spare is what has to stay free on a volume beside the database.
const spare = 64 << 20

// ErrAway is the error of a store whose database lies elsewhere, and is not there.
var ErrAway = errors.New("the volume may not be mounted")

// A moveNote says which move is under way.
type moveNote struct{ From, To string }

// Location is the directory that the database of a data directory lies in.
func Location(dir string) (string, error) {
	link, err := os.Readlink(filepath.Join(dir, databaseFile))
	if err != nil {
		return filepath.Abs(dir) // a file, or nothing yet
	}
	return filepath.Dir(link), nil
}

// Room tells how large the database of a data directory is, and how much room there
// is for it in another directory, which need not be there.
func Room(dir, to string) (bytes, free int64, err error) {
	at, err := Location(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, name := range []string{databaseFile, databaseFile + "-wal"} {
		if info, err := os.Stat(filepath.Join(at, name)); err == nil {
			bytes += info.Size()
		}
	}
	free, err = Free(to)
	return bytes, free, err
}

// Free tells how much room there is in a directory, which need not be there, in bytes.
func Free(to string) (int64, error) {
	for {
		free, _, err := volume(to)
		if err == nil {
			return free, nil
		}
		if up := filepath.Dir(to); !errors.Is(err, fs.ErrNotExist) || up == to {
			return 0, fmt.Errorf("%s: %w", to, err)
		} else {
			to = up
		}
	}
}

// volume tells how many bytes are free where a directory lies, and how many there are.
func volume(dir string) (free, size int64, err error) {
	var st unix.Statfs_t
	err = unix.Statfs(dir, &st)
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, err
}

// CopyTo makes a copy of the database of a data directory in another directory, which
// it makes if it is missing. The database may be in use, so that the copy is none
// that could be opened: most of what MoveTo would copy is there.
func CopyTo(dir, to string) error {
	from, err := Location(dir)
	if err != nil {
		return err
	}
	if from == to {
		return nil
	}
	switch n, err := readNote(dir); {
	case err == nil && n.To == from:
		return nil // it was never opened there: MoveTo looks at it first
	case err == nil && n.To != to:
		if err := (&Store{dir: dir}).finishMove(); err != nil {
			return err
		}
	}
	if err := takePlace(dir, from, to); err != nil {
		return err
	}
	if err := copyChanged(filepath.Join(from, databaseFile), filepath.Join(to, copyFile)); err != nil {
		return errors.Join(err, abandon(dir, to))
	}
	return nil
}

// takePlace looks whether a database can be moved to a directory, and notes that it is.
func takePlace(dir, from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	mine := []string{copyFile, "lost+found"}
	if have, err := readNote(dir); err == nil && have.To == to {
		mine = append(mine, databaseFile) // not in use yet
	}
	if to != dir {
		entries, err := os.ReadDir(to)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !slices.Contains(mine, e.Name()) {
				return fmt.Errorf("%s has %s: %w", to, e.Name(), ErrForeign)
			}
		}
		if err := os.Chmod(to, 0o700); err != nil {
			return err
		}
	}
	size, free, err := Room(dir, to)
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Join(to, copyFile)); err == nil {
		size -= info.Size()
	}
	if size+spare > free {
		return fmt.Errorf("%s has %d bytes free, and %d are to be moved there: %w", to, free, size, unix.ENOSPC)
	}
	text, err := json.Marshal(moveNote{from, to})
	if err != nil {
		return err
	}
	return writeSynced(filepath.Join(dir, movingNote), text)
}

func readNote(dir string) (moveNote, error) {
	var n moveNote
	text, err := os.ReadFile(filepath.Join(dir, movingNote))
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	return n, err
}

// abandon takes away what a move that cannot be has left where it was to lead to.
func abandon(dir, to string) error {
	err := os.Remove(filepath.Join(to, copyFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(filepath.Join(dir, movingNote)))
}

// MoveTo moves the database of a data directory that nobody uses. Where that cannot
// be, all is as it was.
func MoveTo(ctx context.Context, dir, to string) error {
	from, err := Location(dir)
	if err != nil || from == to {
		return err
	}
	s := &Store{dir: dir}
	if err := s.takeLock(); err != nil {
		return err
	}
	defer s.lock.Close()
	if err = s.settle(ctx); err != nil {
		return err
	}
	if n, err := readNote(dir); err == nil && n.To != to { // of a move before
		if err := s.finishMove(); err != nil {
			return err
		}
	}
	if err = takePlace(dir, from, to); err != nil {
		return err
	}
	err = copyChanged(filepath.Join(from, databaseFile), filepath.Join(to, copyFile))
	if err == nil {
		err = wholeCopy(ctx, filepath.Join(to, copyFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("move the store from %s to %s: %w", from, to, err), abandon(dir, to))
	}
	return turn(dir, from, to)
}

// settle brings all of the database into its one file.
func (s *Store) settle(ctx context.Context) error {
	db, err := sql.Open(sqlite.driver, s.dsn("rw", false))
	if err != nil {
		return err
	}
	var busy, in, done int
	err = db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &in, &done)
	if err == nil && busy != 0 {
		err = errors.New("the database is in use")
	}
	return errors.Join(err, db.Close())
}

// wholeCopy looks whether a copy is a database with everything that belongs to it.
func wholeCopy(ctx context.Context, path string) error {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&immutable=1"}
	db, err := sql.Open(sqlite.driver, u.String())
	if err != nil {
		return err
	}
	var said string
	err = db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said)
	if err == nil && said != "ok" {
		err = fmt.Errorf("the copy is damaged: %s", said)
	}
	return errors.Join(err, db.Close())
}

// turn has the name in the data directory lead to the copy.
func turn(dir, from, to string) error {
	name := filepath.Join(dir, databaseFile)
	if from == dir {
		kept := filepath.Join(dir, movedFile)
		if err := os.Remove(kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Link(name, kept); err != nil {
			return err
		}
	}
	next := filepath.Join(to, copyFile)
	if to != dir {
		if err := errors.Join(os.Rename(next, filepath.Join(to, databaseFile)), syncDir(to)); err != nil {
			return err
		}
		next = filepath.Join(dir, nextLink)
		if err := link(to, next); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(next, name), syncDir(dir))
}

// link makes a symbolic link to the database in a directory.
func link(to, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(filepath.Join(to, databaseFile), name)
}

// MoveBack has the name in a data directory lead to where it led before a move, if
// the store has not been opened since. It reports whether that is so.
func MoveBack(dir string) (bool, error) {
	n, err := readNote(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if at, lerr := Location(dir); err != nil || lerr != nil || at != n.To {
		return false, errors.Join(err, lerr)
	}
	s := &Store{dir: dir}
	if err := s.takeLock(); err != nil {
		return false, err
	}
	defer s.lock.Close()
	name, was := filepath.Join(dir, databaseFile), filepath.Join(dir, movedFile)
	if n.From != dir {
		was = filepath.Join(dir, nextLink)
		if err := link(n.From, was); err != nil {
			return false, err
		}
	}
	return true, errors.Join(os.Rename(was, name), syncDir(dir))
}

// finishMove takes away what a move has left: the old database, if the name leads to
// the new one, which has been opened, or else the copy.
func (s *Store) finishMove() error {
	n, err := readNote(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	at, lerr := Location(s.dir)
	if err != nil || lerr != nil {
		return errors.Join(err, lerr)
	}
	var gone []string
	switch at {
	case n.To:
		gone = []string{filepath.Join(s.dir, movedFile)}
		if n.From != s.dir {
			gone = []string{filepath.Join(n.From, databaseFile)}
		}
	default:
		gone = []string{filepath.Join(n.To, copyFile), filepath.Join(s.dir, movedFile), filepath.Join(s.dir, nextLink)}
		if n.To != s.dir {
			gone = append(gone, filepath.Join(n.To, databaseFile))
		}
	}
	for _, path := range append(gone, filepath.Join(s.dir, movingNote)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copyChanged makes a file like another one, on disk: it writes what is different.
func copyChanged(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = copyBlocks(in, out)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close(), syncDir(filepath.Dir(to)))
}

func copyBlocks(in, out *os.File) error {
	const block = 1 << 20
	have, want := make([]byte, block), make([]byte, block)
	for at := int64(0); ; at += block {
		n, err := in.ReadAt(want, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		m, herr := out.ReadAt(have, at)
		if herr != nil && !errors.Is(herr, io.EOF) {
			return herr
		}
		if !bytes.Equal(want[:n], have[:m]) {
			if _, err := out.WriteAt(want[:n], at); err != nil {
				return err
			}
		}
		if err != nil {
			return out.Truncate(at + int64(n))
		}
	}
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".new", path), syncDir(filepath.Dir(path)))
}
