package fulltext

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The index of a data directory can lie elsewhere: then its name in the data directory
// is a symbolic link. [MoveTo] copies it and turns the name. It is never more than what
// can be made anew, so that nothing is looked over; a note says whose copy has to go
// where that is cut off.

// Names in a data directory while its index is moved.
const (
	movingNote = "moving-index.json"
	nextName   = file + ".next"
)

// ErrForeign is the error of a directory that holds the files of others.
var ErrForeign = errors.New("nothing else may lie where the index does")

// A moveNote says which move is under way.
type moveNote struct{ From, To string }

// suffixes are those of the files of an index.
var suffixes = []string{"", "-wal", "-shm"}

// Location is the directory that the index of a data directory lies in.
func Location(dir string) (string, error) {
	link, err := os.Readlink(filepath.Join(dir, file))
	if err != nil {
		return filepath.Abs(dir) // a file, or nothing yet
	}
	return filepath.Dir(link), nil
}

// Size is that of the index of a data directory, in bytes.
func Size(dir string) (int64, error) {
	at, err := Location(dir)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, s := range suffixes[:2] {
		info, err := os.Stat(filepath.Join(at, file+s))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

// MoveTo has the index of a data directory, which nobody uses, lie in another
// directory, which it makes if it is missing. One that is not there yet is made there.
func MoveTo(dir, to string) error {
	if err := finishMove(dir); err != nil {
		return err
	}
	from, err := Location(dir)
	if err != nil || from == to {
		return err
	}
	if err := takePlace(dir, to); err != nil {
		return err
	}
	note, err := json.Marshal(moveNote{from, to})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, movingNote), note, 0o600); err != nil {
		return err
	}
	if err := carry(dir, from, to); err != nil {
		return errors.Join(fmt.Errorf("move the search index from %s to %s: %w", from, to, err), finishMove(dir))
	}
	return finishMove(dir)
}

// takePlace looks whether an index can lie in a directory.
func takePlace(dir, to string) error {
	if to == dir {
		return nil
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("%s has %s: %w", to, e.Name(), ErrForeign)
		}
	}
	return os.Chmod(to, 0o700)
}

// carry copies an index, and turns the name in the data directory.
func carry(dir, from, to string) error {
	name, next := filepath.Join(dir, file), filepath.Join(dir, nextName)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, s := range suffixes[:2] {
		target := filepath.Join(to, file+s)
		if to == dir && s == "" {
			target = next // the name is in use
		}
		if err := copyFile(filepath.Join(from, file+s), target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if to != dir {
		if err := os.Symlink(filepath.Join(to, file), next); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(next); errors.Is(err, fs.ErrNotExist) {
		return os.Remove(name) // there was none to copy
	}
	return os.Rename(next, name)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// finishMove takes away what a move has left: what the name in the data directory does
// not lead to.
func finishMove(dir string) error {
	note := filepath.Join(dir, movingNote)
	text, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var n moveNote
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	at, lerr := Location(dir)
	if err = errors.Join(err, lerr); err != nil {
		return err
	}
	gone := []string{filepath.Join(dir, nextName)}
	for _, place := range []string{n.From, n.To} {
		if place == at || place == "" {
			continue
		}
		for _, s := range suffixes {
			if place != dir || s != "" { // where the name itself is
				gone = append(gone, filepath.Join(place, file+s))
			}
		}
	}
	for _, path := range slices.Concat(gone, []string{note}) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
