package store

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyItsOwnerReadsTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s := openStore(t, dir)
	newAccount(t, s, "alice")
	d := s.NewDraft(0)
	defer d.Close()
	if _, err := d.Write(make([]byte, draftMemory+1)); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		n++
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		if strings.HasPrefix(e.Name(), "draft-") {
			t.Errorf("%s has a name while it is open", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 6 { // dir, lock, tmp, database, -wal, -shm
		t.Errorf("only %d files found", n)
	}
}

func TestOpen(t *testing.T) {
	t.Run("a second owner is refused", func(t *testing.T) {
		dir := t.TempDir()
		openStore(t, dir)
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
	})
	t.Run("after Close another owner may come", func(t *testing.T) {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := tryWrite(t, s); !errors.Is(err, os.ErrClosed) {
			t.Errorf("change after Close: %v, want ErrClosed", err)
		}
		openStore(t, dir)
	})
	t.Run("reading a store that is not there makes nothing", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "none")
		if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want ErrNotExist", err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory is there: %v", err)
		}
	})
	t.Run("reading a store whose owner was killed at once finds none", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, databaseFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want ErrNotExist", err)
		}
		openStore(t, dir) // the next owner goes on
	})
	t.Run("reading a store whose tables are being made finds none", func(t *testing.T) {
		dir := t.TempDir()
		db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), `CREATE TABLE schema_version (version INTEGER NOT NULL)`)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want ErrNotExist", err)
		}
		openStore(t, dir) // the next owner goes on
	})
	t.Run("reading beside the owner sees what was committed", func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, dir)
		id := newAccount(t, s, "alice")
		if err := accept(t.Context(), s, []byte("x\r\n"), id); err != nil {
			t.Fatal(err)
		}
		readOnly(t, dir, id)
	})
	t.Run("reading works when no owner runs", func(t *testing.T) {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		id := newAccount(t, s, "alice")
		if err := accept(t.Context(), s, []byte("x\r\n"), id); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		readOnly(t, dir, id)
		openStore(t, dir) // and leaves nothing locked
	})
	t.Run("a store of a newer version is refused", func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, dir)
		err := s.write(t.Context(), func(tx *tx) error {
			_, err := tx.exec(`UPDATE schema_version SET version = version + 1`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), dir, Options{ReadOnly: true})
		if err == nil || !strings.Contains(err.Error(), "use a newer one") {
			t.Errorf("error %v, want one that says to use a newer mailform", err)
		}
	})
}

// tryWrite tries a change.
func tryWrite(t *testing.T, s *Store) error {
	return s.write(t.Context(), func(*tx) error { return nil })
}

func readOnly(t *testing.T, dir string, account int64) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, err := s.Usage(t.Context(), account)
	if err != nil || u.Messages != 1 {
		t.Errorf("usage %v, %v; want one message", u, err)
	}
	rs, err := s.Resources(t.Context())
	if err != nil || len(rs) != 2 {
		t.Errorf("%d resources, %v; want 2", len(rs), err)
	}
	if err := tryWrite(t, s); err == nil {
		t.Error("a change succeeded")
	}
	if _, err := s.read.pool.ExecContext(t.Context(), `DELETE FROM account`); err == nil {
		t.Error("a connection for reading wrote")
	}
}
