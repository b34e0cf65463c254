package store

import (
	"archive/tar"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// besides are the files of a data directory that a backup holds beside the
// database: keys and certificates, and whose directory it is.
var besides = []string{"tls", workspaceFile}

// Backup writes what a data directory holds as a tar archive: the database as it
// was at one instant, keys and certificates. A daemon that uses the store goes on
// meanwhile. The database is first copied into scratch, a directory with room for
// it.
func Backup(ctx context.Context, dir, scratch string, w io.Writer) (err error) {
	if !Exists(dir) {
		return fmt.Errorf("there is no store in %s: %w", dir, fs.ErrNotExist)
	}
	tmp, err := os.MkdirTemp(scratch, ".mailform-backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	copied := filepath.Join(tmp, databaseFile)
	if err := copyDatabase(ctx, dir, copied); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	out := tar.NewWriter(w)
	if err := addFile(out, copied, databaseFile); err != nil {
		return err
	}
	for _, name := range besides {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			return addFile(out, path, rel)
		})
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// copyDatabase makes a copy of a database that may be in use.
func copyDatabase(ctx context.Context, dir, to string) error {
	s := &Store{dir: dir}
	db, err := sql.Open(sqlite.driver, s.dsn("rw", false))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	return errors.Join(err, db.Close())
}

func addFile(out *tar.Writer, path, name string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: info.Size(), ModTime: time.Now().Truncate(time.Second), Typeflag: tar.TypeReg}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.CopyN(out, in, info.Size()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// ErrNoBackup is the error of an archive that Backup has not made, or not whole.
var ErrNoBackup = errors.New("this is not a backup of a store, or not a whole one")

// Restore makes a data directory of a backup. There must be none yet, or an
// empty one; it is there once all of the backup is on the disk and has been found
// sound.
func Restore(ctx context.Context, r io.Reader, dir string) (err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".mailform-restore-") // mode 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := unpack(ctx, tar.NewReader(r), tmp); err != nil {
		return err
	}
	if err := sound(ctx, tmp); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	return syncPath(parent)
}

// unpack writes the files of an archive, and nothing outside of the directory.
func unpack(ctx context.Context, in *tar.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	found := false
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := in.Next()
		if errors.Is(err, io.EOF) && found {
			return nil
		}
		if err != nil {
			return ErrNoBackup
		}
		name := filepath.FromSlash(h.Name)
		first, _, _ := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(name) || name != databaseFile && !slices.Contains(besides, first) {
			return ErrNoBackup
		}
		found = found || name == databaseFile
		if err := unpackFile(root, name, in); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, in io.Reader) error {
	if sub := filepath.Dir(name); sub != "." {
		if err := root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNoBackup
	}
	return err
}

// sound looks whether a store that was unpacked is one.
func sound(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, Options{ReadOnly: true})
	if err != nil {
		return errors.Join(ErrNoBackup, err)
	}
	found, err := s.Check(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return errors.Join(ErrNoBackup, err)
	}
	for _, d := range found {
		if d.What == databaseDamage {
			return fmt.Errorf("%w: %s", ErrNoBackup, d)
		}
	}
	return nil
}

// syncPath makes what was put into a directory durable.
func syncPath(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) { // a file system without such a thing
		err = nil
	}
	return errors.Join(err, d.Close())
}
