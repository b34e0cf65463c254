package state

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

// A brokenDisk fails at the nth of what is asked of it, and from then on where it
// stays broken, as a disk that is full does.
type brokenDisk struct {
	files
	at    int
	stays bool

	n    int
	hits []string
}

// fails counts an operation and says how it ends.
func (d *brokenDisk) fails(what string, with error) error {
	d.n++
	if d.n == d.at || d.stays && d.n > d.at {
		d.hits = append(d.hits, what)
		return &os.PathError{Op: what, Path: "disk", Err: with}
	}
	return nil
}

func (d *brokenDisk) open(name string, flag int) (file, error) {
	if flag&os.O_CREATE != 0 {
		if err := d.fails("open", syscall.ENOSPC); err != nil {
			return nil, err
		}
	}
	f, err := d.files.open(name, flag)
	return brokenFile{f, d}, err
}

func (d *brokenDisk) rename(from, to string) error {
	if err := d.fails("rename", syscall.EIO); err != nil {
		return err
	}
	return d.files.rename(from, to)
}

func (d *brokenDisk) remove(name string) error { return d.files.remove(name) }

func (d *brokenDisk) syncDir(dir string) error {
	if err := d.fails("sync the directory", syscall.EIO); err != nil {
		return err
	}
	return nil // nothing here ends without a word, so nothing has to be waited for
}

type brokenFile struct {
	file
	d *brokenDisk
}

// What does not fit is written by half.
func (f brokenFile) Write(b []byte) (int, error) {
	if err := f.d.fails("write", syscall.ENOSPC); err != nil {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, err
	}
	return f.file.Write(b)
}

func (f brokenFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.d.fails("write", syscall.ENOSPC); err != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.file.WriteAt(b, off)
}

func (f brokenFile) Truncate(size int64) error {
	if err := f.d.fails("truncate", syscall.EIO); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f brokenFile) Sync() error {
	if err := f.d.fails("fsync", syscall.EIO); err != nil {
		return err
	}
	return nil // as with syncDir
}

func (f brokenFile) Close() error {
	err := f.d.fails("close", syscall.EIO)
	if cerr := f.file.Close(); err == nil {
		err = cerr
	}
	return err
}

// A model is what a state may hold: what was acknowledged has to be there, and
// what was tried may be.
type model struct{ acked, tried map[schema.ID]bool }

func (m *model) put(t *testing.T, l *Local, from, n int) {
	var entries []Entry
	for i := from; i < from+n; i++ {
		entries = append(entries, Entry{Put: mailbox(i)})
		m.tried[mailbox(i).ID] = true
	}
	if l.Append(t.Context(), entries) != nil {
		return
	}
	for _, e := range entries {
		m.acked[e.Put.ID] = true
	}
}

// work does all that a state knows to do: begins, appends, makes a snapshot, is
// replaced, and goes on. Errors are what the disk does; it never stops for one.
func work(t *testing.T, l *Local, m *model) {
	for round := range 3 {
		unlock, err := l.Lock(t.Context(), LockInfo{}, 0)
		if err != nil {
			t.Fatal(err) // the lock is no part of the disk that breaks
		}
		m.put(t, l, 10_000*round, 2)
		m.put(t, l, 10_000*round+100, 12) // enough for a snapshot when it is released
		m.put(t, l, 10_000*round+50, 1)
		if round == 1 {
			if s, err := l.Load(t.Context()); err == nil {
				next := s.Clone()
				next.Serial += 5
				next.Resources[mailbox(7).ID] = mailbox(7)
				m.tried[mailbox(7).ID] = true
				if l.Replace(t.Context(), next) == nil {
					m.acked[mailbox(7).ID] = true
				}
			}
		}
		_ = unlock() // see above
	}
}

func TestADiskThatFailsAtAnyPointLeavesAStateThatIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		keys  *seal.Keyring
		stays bool
		many  int // entries that make a snapshot of their own
	}{
		"once":                   {nil, false, manyEntries},
		"for good":               {nil, true, manyEntries},
		"once, encrypted":        {&seal.Keyring{Key: ageKey(t)}, false, manyEntries},
		"once, by snapshots":     {nil, false, 2},
		"for good, by snapshots": {nil, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{}
			for at := 1; ; at++ {
				disk := &brokenDisk{files: osFiles{}, at: at, stays: c.stays}
				path := filepath.Join(t.TempDir(), "x.mfstate")
				l := openWith(t, path, c.keys)
				l.fs, l.long, l.many = disk, 1000, c.many
				m := &model{map[schema.ID]bool{}, map[schema.ID]bool{}}
				work(t, l, m)
				whole(t, path, c.keys, m, fmt.Sprintf("operation %d fails (%v)", at, disk.hits))
				if len(disk.hits) == 0 {
					if at < 20 {
						t.Fatalf("only %d operations", at)
					}
					break
				}
				seen[disk.hits[0]]++
			}
			for _, what := range []string{"open", "write", "fsync", "close", "rename", "truncate", "sync the directory"} {
				if seen[what] == 0 {
					t.Errorf("no %s has failed: %v", what, seen)
				}
			}
			t.Log(seen)
		})
	}
}

// whole opens a state with a disk that works: it can be read, has what it has to
// have, and takes the next write.
func whole(t *testing.T, path string, keys *seal.Keyring, m *model, when string) {
	t.Helper()
	for _, f := range []string{path, path + ".tmp"} {
		if info, err := os.Stat(f); err == nil && f == path && info.Size() == 0 {
			t.Fatalf("%s: the state file is empty", when)
		}
	}
	l := openWith(t, path, keys)
	s, err := l.Load(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	for id := range m.acked {
		if s.Resources[id] == nil {
			t.Fatalf("%s: %s was acknowledged and is lost", when, id.Key)
		}
	}
	for id := range s.Resources {
		if !m.tried[id] {
			t.Fatalf("%s: %s was never written", when, id.Key)
		}
	}
	unlock := lock(t, l)
	appendTo(t, l, Entry{Put: mailbox(99_999)})
	unlock()
	if s, err := openWith(t, path, keys).Load(t.Context()); err != nil || s.Resources[mailbox(99_999).ID] == nil {
		t.Fatalf("%s: the next write: %v", when, err)
	}
}

// A file system of a few pages, really full.
func TestAFullDiskLeavesTheStateAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("SKIPPED: a file system cannot be mounted here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(dir, "x.mfstate")
	m := &model{map[schema.ID]bool{}, map[schema.ID]bool{}}
	l := open(t, path)
	unlock, err := l.Lock(t.Context(), LockInfo{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 60 {
		before := len(m.acked)
		m.put(t, l, 100*i, 40)
		if len(m.acked) == before {
			failed++
		}
	}
	if failed == 0 || len(m.acked) == 0 {
		t.Fatalf("%d writes have failed, %d resources are written: the test shows nothing", failed, len(m.acked))
	}
	if err := unlock(); err == nil {
		t.Log("the snapshot has found room")
	}
	s := load(t, path)
	for id := range m.acked {
		if s.Resources[id] == nil {
			t.Fatalf("%s was acknowledged and is lost", id.Key)
		}
	}
	// Room again: it goes on.
	if err := os.Remove(path + ".tmp"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	whole(t, path, nil, m, "after the disk was full")
}
