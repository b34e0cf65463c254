package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const pageSize = 4096

// compact makes a store of some size, in a file without free pages, and tells how many
// messages it has.
func compact(t *testing.T) (archive []byte, messages int) {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "mail")
	s := openStore(t, dir)
	for _, name := range []string{"alice", "bob"} {
		id := newAccount(t, s, name)
		for i := range 60 {
			text := bytes.Repeat([]byte(fmt.Sprintf("%s %d\n", name, i)), 40)
			if err := s.Accept(t.Context(), &Envelope{Draft: draft(t, s, text), From: "x@example.com", Accounts: []int64{id}, ID: "e", Received: time.Now()}); err != nil {
				t.Fatal(err)
			}
			messages++
		}
	}
	var out bytes.Buffer
	if err := Backup(t.Context(), dir, base, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), messages
}

// count is how many messages a store has, all of them with their text.
func count(t *testing.T, dir string) int {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkStore(t, s)
	totals, err := s.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return int(totals.Messages)
}

// Whatever happens to the file of the database is found; a new one is made of what
// can be read, which is sound, and the old one is kept.
func TestSalvage(t *testing.T) {
	archive, all := compact(t)
	restored := func(t *testing.T) (dir, file string, size int64) {
		dir = filepath.Join(t.TempDir(), "mail")
		if err := Restore(t.Context(), bytes.NewReader(archive), dir); err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(dir, databaseFile)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return dir, file, info.Size()
	}
	_, _, size := restored(t)
	junk := bytes.Repeat([]byte{0xa5}, pageSize)
	write := func(at int64, text []byte) func(*os.File) error {
		return func(f *os.File) error { _, err := f.WriteAt(text, at); return err }
	}
	type damage struct {
		spoil func(*os.File) error
		least int  // how many messages there are afterwards
		none  bool // or nothing can be done
	}
	var saved atomic.Int64
	tests := map[string]damage{
		"the last page is cut off":        {func(f *os.File) error { return f.Truncate(size - pageSize) }, 0, false},
		"half of the file is cut off":     {func(f *os.File) error { return f.Truncate(size / 2 &^ (pageSize - 1)) }, 0, true},
		"a page is cut in two":            {func(f *os.File) error { return f.Truncate(size - 100) }, 0, false},
		"the first page is overwritten":   {write(0, junk), 0, true},
		"the magic words are overwritten": {write(0, junk[:16]), 0, true},
		"the list of tables is no more":   {write(100, junk[:1]), 0, true},
		"something else is in the file":   {func(f *os.File) error { _, err := f.WriteAt(bytes.Repeat([]byte("mail"), int(size)/4), 0); return err }, 0, true},
		"every twentieth byte is flipped": {everyByte(20), 0, true},
	}
	// One page after the other, some of which are the root of a table.
	for at := size / 4 &^ (pageSize - 1); at < size; at += size / 16 &^ (pageSize - 1) {
		tests[fmt.Sprintf("page %d is overwritten", at/pageSize+1)] = damage{write(at, junk), all / 3, true}
		tests[fmt.Sprintf("the head of page %d is overwritten", at/pageSize+1)] = damage{write(at, junk[:12]), all / 3, true}
	}
	t.Cleanup(func() {
		if n := int(saved.Load()); n < len(tests)/2 {
			t.Errorf("something could be saved of %d files of %d", n, len(tests))
		}
	})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, file, _ := restored(t)
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(f); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			found, err := Examine(t.Context(), dir, false)
			if err != nil || len(found) == 0 || found[0].What != databaseDamage || !found[0].Lost {
				t.Fatalf("found %v, %v", found, err)
			}
			mended, err := Examine(t.Context(), dir, true)
			if err != nil {
				if !tt.none {
					t.Fatal(err)
				}
				if left, err := os.ReadDir(dir); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool {
					return strings.Contains(e.Name(), "salvage") || strings.Contains(e.Name(), damagedEnd)
				}) {
					t.Errorf("left behind: %v, %v", left, err)
				}
				if found, err := Examine(t.Context(), dir, false); err != nil || len(found) == 0 {
					t.Errorf("what could not be mended is found no more: %v, %v", found, err)
				}
				return
			}
			saved.Add(1)
			for _, d := range mended {
				if !d.Mended {
					t.Errorf("%s is not mended", d)
				}
			}
			if got := count(t, dir); got < tt.least || got > all {
				t.Errorf("%d messages of %d are left, and %d damages were found", got, all, len(mended))
			}
			if found, err := Examine(t.Context(), dir, false); err != nil || len(found) > 0 {
				t.Errorf("afterwards: %v, %v", found, err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == databaseFile+damagedEnd }) {
				t.Errorf("the old file is not there: %v, %v", entries, err)
			}
		})
	}
}

func everyByte(n int64) func(*os.File) error {
	return func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		text := make([]byte, info.Size())
		if _, err := f.ReadAt(text, 0); err != nil {
			return err
		}
		for i := int64(0); i < info.Size(); i += n {
			text[i] ^= 0xff
		}
		_, err = f.WriteAt(text, 0)
		return err
	}
}

// An index that does not fit its table loses no mail.
func TestABrokenIndexLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := newAccount(t, s, "alice")
	for i := range 30 {
		if err := s.Accept(t.Context(), &Envelope{Draft: draft(t, s, []byte(fmt.Sprintf("message %d\n", i))), From: "x@example.com", Accounts: []int64{id}, ID: "e", Received: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := connect(t.Context(), filepath.Join(dir, databaseFile), "writable_schema(1)")
	if err != nil {
		t.Fatal(err)
	}
	// One index shows what is in another one.
	if _, err := c.conn.ExecContext(t.Context(), `UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'queue_due') WHERE name = 'message_modseq'`); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	found, err := Examine(t.Context(), dir, false)
	if err != nil || len(found) == 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	mended, err := Examine(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range mended {
		if !d.Mended || d.Lost {
			t.Errorf("%s: mended %v, lost %v", d, d.Mended, d.Lost)
		}
	}
	if got := count(t, dir); got != 30 {
		t.Errorf("%d messages are left", got)
	}
}
