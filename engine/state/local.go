package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

// Local keeps a state in files: a snapshot at a path, and beside it a journal
// (path.journal) and a lock (path.lock). It may be used by one goroutine at a
// time.
//
// Append only ever adds to the journal, so its cost does not depend on the size
// of the state. Releasing the lock writes the snapshot anew where the journal
// has grown longer than half of it.
type Local struct {
	base string // path of the default workspace's
	path string
	keys *seal.Keyring
	fs   files
	// long is the length that a journal may have, whatever the snapshot's.
	long int64
	// many is how many entries may be worth a snapshot of their own.
	many int

	locked *os.File // nil: not locked
	// What is on disk, as this process knows it since it took the lock.
	known bool
	disk  disk
	// loaded is the state as it was then, and since what was written after it: a
	// snapshot is made of them without reading again. Nil: it is read.
	loaded *State
	since  []Entry
}

// A disk is what has to be known to add to a journal.
type disk struct {
	lineage string
	serial  uint64
	// size of the journal without what a crash has cut off; 0: no header yet.
	size int64
	// stale: some of it is of an earlier format, or not sealed as it would be now.
	stale bool
}

// OpenLocal names the files; it touches none. A relative path counts from the
// working directory as it is now. Keys may be nil: then the files are plain.
func OpenLocal(path string, keys *seal.Keyring) (*Local, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	return &Local{base: abs, path: abs, keys: keys, fs: osFiles{}, long: compactAbove, many: manyEntries}, nil
}

// The state of a workspace is at BASE.d/NAME.mfstate.
const (
	workspacesSuffix = ".d"
	workspaceSuffix  = ".mfstate"
)

// Workspace is the state of a workspace beside that of the default one.
func (l *Local) Workspace(name string) *Local {
	if name == "" || name == DefaultWorkspace {
		return &Local{base: l.base, path: l.base, keys: l.keys, fs: l.fs, long: l.long, many: l.many}
	}
	return &Local{base: l.base, path: filepath.Join(l.base+workspacesSuffix, name+workspaceSuffix), keys: l.keys, fs: l.fs, long: l.long, many: l.many}
}

func (l *Local) journalPath() string { return l.path + ".journal" }

// Load implements [Backend]. Errors that can be tested for: *DamageError,
// *VersionError.
func (l *Local) Load(ctx context.Context) (*State, error) {
	s, d, err := l.read(ctx)
	var damage *DamageError
	if errors.As(err, &damage) {
		return nil, fmt.Errorf("%w. Put a copy of %s and of its journal back; or move both away, "+
			"and the next apply takes over what is there as it is", err, filepath.Base(l.path))
	}
	if err != nil {
		return nil, err
	}
	if l.locked != nil {
		l.disk, l.known = d, true
		l.loaded, l.since = s, nil
	}
	return s, nil
}

func (l *Local) read(ctx context.Context) (*State, disk, error) {
	if err := ctx.Err(); err != nil {
		return nil, disk{}, err
	}
	// The journal first: should the snapshot be replaced meanwhile, it holds
	// what the journal held, and not the other way round.
	j, err := readJournal(l.keys, l.journalPath())
	if err != nil {
		return nil, disk{}, err
	}
	s, ok, current, err := readSnapshot(l.keys, l.path)
	if err != nil {
		return nil, disk{}, err
	}
	if !ok {
		if j.lineage != "" {
			return nil, disk{}, &DamageError{l.path, 0, "it is missing, but its journal " + l.journalPath() + " is there"}
		}
		return &State{Resources: map[schema.ID]*Resource{}}, disk{}, nil
	}
	if j.lineage != "" && j.lineage != s.Lineage {
		return nil, disk{}, &DamageError{l.journalPath(), 1, "it belongs to another state than " + l.path}
	}
	base := s.Serial
	for i, r := range j.records {
		// What the snapshot has already is there when a crash came between
		// writing it and emptying the journal.
		if r.serial <= base {
			continue
		}
		if s.Serial == base && r.serial != base+1 {
			return nil, disk{}, &DamageError{l.journalPath(), i + 2,
				fmt.Sprintf("write %d follows a snapshot of write %d: %s is older than its journal", r.serial, base, l.path)}
		}
		s.apply(r)
		s.Serial = r.serial
	}
	return s, disk{s.Lineage, s.Serial, j.size, !current || j.stale}, nil
}

// Append implements [Backend].
func (l *Local) Append(ctx context.Context, entries []Entry) error {
	if l.locked == nil {
		return fmt.Errorf("append to state: %w", ErrNotLocked)
	}
	if !l.known {
		if _, err := l.Load(ctx); err != nil {
			return err
		}
	}
	if l.disk.lineage == "" {
		s := &State{Lineage: newLineage()}
		if err := writeSnapshot(l.fs, l.keys, l.path, s); err != nil {
			return err
		}
		l.disk = disk{lineage: s.Lineage}
	}
	if l.disk.stale {
		if err := l.rewrite(ctx); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if l.most(entries) {
		return l.replace(ctx, entries)
	}
	var buf bytes.Buffer
	if l.disk.size == 0 {
		if err := frame(&buf, journalHeader{formatVersion(), l.disk.lineage}); err != nil {
			return fmt.Errorf("append to state: %w", err)
		}
	}
	serial := l.disk.serial + 1
	if err := frames(&buf, l.keys, l.disk.lineage, serial, entries); err != nil {
		return fmt.Errorf("append to state: %w", err)
	}
	if err := l.write(buf.Bytes()); err != nil {
		// How much of it is on disk is not known: look again before the next.
		l.known = false
		return fmt.Errorf("append to state: %w", err)
	}
	l.disk.serial = serial
	l.disk.size += int64(buf.Len())
	l.since = append(l.since, entries...)
	return nil
}

// manyEntries are worth a snapshot of their own where they are most of the state:
// written to the journal they would be written again when that is compacted.
const manyEntries = 2000

// most reports whether entries are most of what the state will hold.
func (l *Local) most(entries []Entry) bool {
	return len(entries) >= l.many && l.loaded != nil && len(entries) >= len(l.loaded.Resources)+len(l.since)
}

// replace is Append by a snapshot instead of the journal.
func (l *Local) replace(ctx context.Context, entries []Entry) error {
	s, err := l.current(ctx)
	if err != nil {
		return err
	}
	s.Apply(entries)
	s.Serial++
	if err := l.put(s); err != nil {
		// Whether it has taken the place of the old one is not known.
		l.known = false
		return fmt.Errorf("append to state: %w", err)
	}
	l.since = append(l.since, entries...)
	return nil
}

// write adds to the journal, after what is known to be whole in it.
func (l *Local) write(data []byte) error {
	f, err := l.fs.open(l.journalPath(), os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return err
	}
	err = f.Truncate(l.disk.size)
	if err == nil {
		_, err = f.WriteAt(data, l.disk.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		// Nobody may go on from what is in memory and perhaps never on disk.
		err = errors.Join(err, f.Truncate(l.disk.size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if l.disk.size == 0 { // the file may be a new one
		return l.fs.syncDir(filepath.Dir(l.path))
	}
	return nil
}

// compactAbove is how long a journal is before a snapshot is made of it.
const compactAbove = 256 << 10

// compact writes the snapshot anew and empties the journal, where it is long.
func (l *Local) compact(ctx context.Context) error {
	if !l.known || l.disk.size <= l.long {
		return nil
	}
	info, err := os.Stat(l.path)
	if err != nil {
		return fmt.Errorf("compact state: %w", err)
	}
	if l.disk.size <= info.Size()/2 {
		return nil
	}
	return l.rewrite(ctx)
}

// rewrite writes the snapshot anew and empties the journal.
func (l *Local) rewrite(ctx context.Context) error {
	s, err := l.current(ctx)
	if err != nil {
		return err
	}
	return l.put(s)
}

// put makes a state the snapshot, and empties the journal.
func (l *Local) put(s *State) error {
	if err := writeSnapshot(l.fs, l.keys, l.path, s); err != nil {
		return err
	}
	// The snapshot has it all by now, so nothing depends on when the journal
	// becomes empty.
	if err := l.emptyJournal(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("compact state: %w", err)
	}
	l.disk = disk{lineage: s.Lineage, serial: s.Serial}
	return nil
}

// current is the state with all that was written.
func (l *Local) current(ctx context.Context) (*State, error) {
	if !l.known || l.loaded == nil {
		s, _, err := l.read(ctx)
		return s, err
	}
	s := l.loaded.Clone()
	s.Apply(l.since)
	s.Lineage, s.Serial = l.disk.lineage, l.disk.serial
	return s, nil
}

// Workspaces implements [Keeper].
func (l *Local) Workspaces(context.Context) ([]string, error) {
	found, err := os.ReadDir(l.base + workspacesSuffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	var names []string
	for _, f := range found {
		if name, ok := strings.CutSuffix(f.Name(), workspaceSuffix); ok && !f.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// Delete implements [Keeper]. The file of the lock stays: were it taken away, one
// who waits for it and one who comes anew would each have a lock.
func (l *Local) Delete(ctx context.Context) error {
	if l.locked == nil {
		return fmt.Errorf("delete state: %w", ErrNotLocked)
	}
	l.known = false
	// With an empty journal a crash leaves the whole state, or nothing.
	if s, d, err := l.read(ctx); err == nil && d.size > 0 {
		if err := writeSnapshot(l.fs, l.keys, l.path, s); err != nil {
			return err
		}
	}
	for _, path := range []string{l.journalPath(), l.path} {
		if err := l.fs.remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("delete state: %w", err)
		}
	}
	return l.fs.syncDir(filepath.Dir(l.path))
}

// Replace implements [Backend]. A crash leaves the old state or the new one.
func (l *Local) Replace(ctx context.Context, next *State) error {
	if l.locked == nil {
		return fmt.Errorf("replace state: %w", ErrNotLocked)
	}
	old, d, err := l.read(ctx)
	if err != nil {
		return err
	}
	l.known = false
	// The journal has to be empty, and that on disk, before a snapshot comes that
	// it does not belong to. Until then the old snapshot has to hold all of it.
	if d.size > 0 {
		if err := writeSnapshot(l.fs, l.keys, l.path, old); err != nil {
			return err
		}
		if err := l.emptyJournal(); err != nil {
			return fmt.Errorf("replace state: %w", err)
		}
	}
	return writeSnapshot(l.fs, l.keys, l.path, next)
}

// emptyJournal truncates the journal durably.
func (l *Local) emptyJournal() error {
	f, err := l.fs.open(l.journalPath(), os.O_WRONLY)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(0), f.Sync(), f.Close())
}

// newLineage makes a random UUID (RFC 9562, version 4).
func newLineage() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
