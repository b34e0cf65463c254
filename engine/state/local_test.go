package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var cmpValues = cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) })

func mailbox(i int) *Resource {
	addr := fmt.Sprintf("u%d@example.com", i)
	return &Resource{
		ID:      schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: addr},
		Address: fmt.Sprintf("user.staff[%q].mailbox", fmt.Sprintf("u%d", i)),
		Attrs: Keep(schema.KindMailbox, cty.ObjectVal(map[string]cty.Value{
			"address":       cty.StringVal(addr),
			"password_hash": cty.ListVal([]cty.Value{cty.StringVal("$argon2id$secret")}),
			"quota":         cty.NumberIntVal(int64(i) << 20),
			"protocols":     cty.ListVal([]cty.Value{cty.StringVal("imap"), cty.StringVal("pop3")}),
			"mail":          cty.StringVal("enabled"),
			"sieve":         cty.NullVal(cty.String),
			"messages":      cty.NumberIntVal(7),
			"bytes":         cty.NumberIntVal(7),
		})),
		DependsOn: []string{"domain.example"},
	}
}

func lock(t testing.TB, l *Local) func() {
	t.Helper()
	unlock, err := l.Lock(t.Context(), LockInfo{Operation: "test", Who: "tester", PID: os.Getpid()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}

func open(t testing.TB, path string) *Local {
	t.Helper()
	l, err := OpenLocal(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func load(t testing.TB, path string) *State {
	t.Helper()
	s, err := open(t, path).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func appendTo(t testing.TB, l *Local, entries ...Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAppendedIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	if s := load(t, path); s.Lineage != "" || s.Serial != 0 || len(s.Resources) != 0 {
		t.Fatalf("a state that was never written is %+v", s)
	}
	l := open(t, path)
	unlock := lock(t, l)
	out, err := NewOutput(cty.StringVal("v=DKIM1"), false)
	if err != nil {
		t.Fatal(err)
	}
	gone := mailbox(2)
	appendTo(t, l, Entry{Put: mailbox(1)}, Entry{Put: gone})
	appendTo(t, l, Entry{Delete: &gone.ID}, Entry{Outputs: map[string]Output{"txt": out}})
	unlock()

	s := load(t, path)
	want := &State{
		Lineage: s.Lineage, Serial: 2,
		Resources: map[schema.ID]*Resource{mailbox(1).ID: mailbox(1)},
		Outputs:   map[string]Output{"txt": out},
	}
	if d := cmp.Diff(want, s, cmpValues); d != "" {
		t.Error(d)
	}
	if len(s.Lineage) != 36 {
		t.Errorf("lineage is %q", s.Lineage)
	}
	for _, f := range []string{path, path + ".journal", path + ".lock"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "argon2id") {
			t.Errorf("%s holds a secret", filepath.Base(f))
		}
	}
}

func TestNothingToAppendMakesOnlyTheLineage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	unlock := lock(t, l)
	appendTo(t, l)
	first := load(t, path)
	appendTo(t, l)
	appendTo(t, l, Entry{Outputs: map[string]Output{}})
	unlock()
	again := load(t, path)
	if first.Lineage == "" || first.Serial != 0 {
		t.Errorf("after an empty write: %+v", first)
	}
	if again.Lineage != first.Lineage || again.Serial != 1 {
		t.Errorf("after one more: %+v", again)
	}
}

func TestWritingNeedsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	if err := l.Append(t.Context(), nil); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
	unlock := lock(t, l)
	defer unlock()
	other := open(t, path)
	_, err := other.Lock(t.Context(), LockInfo{}, 20*time.Millisecond)
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("a second lock: %v", err)
	}
	for _, want := range []string{"tester", "operation test", fmt.Sprint(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message does not name the holder's %q: %v", want, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.Lock(ctx, LockInfo{}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
}

func TestALockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	unlock := lock(t, open(t, path))
	got := make(chan error, 1)
	go func() {
		u, err := open(t, path).Lock(t.Context(), LockInfo{}, time.Minute)
		if err == nil {
			err = u()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// history makes a state of several writes and returns what it came to after
// each of them, and how long the journal was then.
func history(t *testing.T, path string) (after []*State, sizes []int64) {
	l := open(t, path)
	unlock := lock(t, l)
	defer unlock()
	id := mailbox(1).ID
	batches := [][]Entry{
		{{Put: mailbox(1)}, {Put: mailbox(2)}},
		{{Put: mailbox(3)}},
		{{Delete: &id}, {Outputs: map[string]Output{"a": {Value: []byte(`1`), Type: []byte(`"number"`)}}}},
		{{Put: mailbox(4)}},
	}
	appendTo(t, l)
	after, sizes = []*State{load(t, path)}, []int64{0}
	for _, b := range batches {
		appendTo(t, l, b...)
		info, err := os.Stat(l.journalPath())
		if err != nil {
			t.Fatal(err)
		}
		after, sizes = append(after, load(t, path)), append(sizes, info.Size())
	}
	return after, sizes
}

func TestAJournalCutOffAnywhereKeepsWhatWasAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	after, sizes := history(t, path)
	whole, err := os.ReadFile(path + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(whole); cut++ {
		if err := os.WriteFile(path+".journal", whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got := load(t, path)
		acked := 0
		for i, size := range sizes {
			if int64(cut) >= size {
				acked = i
			}
		}
		// Of the write that was cut off a part may be there already.
		if got.Serial != uint64(acked) && got.Serial != uint64(acked)+1 {
			t.Fatalf("cut at %d: serial %d, %d was acknowledged", cut, got.Serial, acked)
		}
		if got.Serial == uint64(acked) {
			if d := cmp.Diff(after[acked], got, cmpValues); d != "" {
				t.Fatalf("cut at %d: %s", cut, d)
			}
		}
		if cut%7 != 0 {
			continue
		}
		// The next write goes on from there.
		l := open(t, path)
		unlock := lock(t, l)
		appendTo(t, l, Entry{Put: mailbox(9)})
		unlock()
		next := load(t, path)
		if next.Serial != got.Serial+1 || next.Resources[mailbox(9).ID] == nil || len(next.Resources) != len(got.Resources)+1 {
			t.Fatalf("cut at %d: the next write left %d resources, serial %d", cut, len(next.Resources), next.Serial)
		}
	}
}

func TestDamageIsToldAndTheFileKept(t *testing.T) {
	for name, spoil := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   string
	}{
		"a flipped bit in the middle of the journal": {".journal", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "checksum"},
		"a line of the journal is missing": {".journal", func(b []byte) []byte {
			lines := strings.SplitAfter(string(b), "\n")
			return []byte(lines[0] + strings.Join(lines[4:], ""))
		}, "follows"},
		"a line of the journal is cut short": {".journal", func(b []byte) []byte {
			i := strings.Index(string(b), "\n")
			return append(b[:i-5:i-5], b[i:]...)
		}, "bytes"},
		"a flipped bit in the snapshot":       {"", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "checksum"},
		"a snapshot without its end":          {"", func(b []byte) []byte { return b[:len(b)-4] }, "end is missing"},
		"a snapshot of something else":        {"", func([]byte) []byte { return []byte(`{"version":4}` + "\n") }, "no mailform state"},
		"an empty snapshot":                   {"", func([]byte) []byte { return nil }, "empty"},
		"a snapshot of a later version":       {"", func([]byte) []byte { return []byte(`{"mailform_state":99}` + "\n") }, "later"},
		"a journal of a later version":        {".journal", func([]byte) []byte { return framed(t, journalHeader{99, "x"}) }, "later"},
		"a journal of another state":          {".journal", func([]byte) []byte { return framed(t, journalHeader{1, "x"}) }, "another state"},
		"a journal without its snapshot file": {"", nil, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mfstate")
			history(t, path)
			file := path + spoil.file
			var bad []byte
			if spoil.change == nil {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			} else {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				bad = spoil.change(data)
				if err := os.WriteFile(file, bad, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l := open(t, path)
			_, err := l.Load(t.Context())
			if err == nil || !strings.Contains(err.Error(), spoil.want) || !strings.Contains(err.Error(), "x.mfstate") {
				t.Fatalf("got error %v, want one with %q and the file", err, spoil.want)
			}
			unlock := lock(t, l)
			if err := l.Append(t.Context(), []Entry{{Put: mailbox(1)}}); err == nil {
				t.Error("a damaged state was written to")
			}
			unlock()
			if now, _ := os.ReadFile(file); string(now) != string(bad) {
				t.Error("the damaged file was changed")
			}
		})
	}
}

func framed(t *testing.T, v any) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := frame(&buf, v); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReleasingTheLockCompactsAtEveryInstantSafely(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.mfstate")
	l := open(t, path)
	unlock := lock(t, l)
	for i := 0; l.disk.size <= compactAbove; i++ {
		appendTo(t, l, Entry{Put: mailbox(3 * i)}, Entry{Put: mailbox(3*i + 1)}, Entry{Put: mailbox(3*i + 2)})
	}
	before := load(t, path)
	oldSnapshot, _ := os.ReadFile(path)
	oldJournal, _ := os.ReadFile(path + ".journal")
	unlock()
	if d := cmp.Diff(before, load(t, path), cmpValues); d != "" {
		t.Fatalf("compacting changed the state: %s", d)
	}
	if info, _ := os.Stat(path + ".journal"); info.Size() != 0 {
		t.Fatalf("the journal still has %d bytes", info.Size())
	}
	newSnapshot, _ := os.ReadFile(path)

	// The states of the disk that a crash can leave, in their order.
	for _, crash := range []struct {
		name              string
		snapshot, journal []byte
		tmp               []byte
	}{
		{"while the new snapshot is written", oldSnapshot, oldJournal, newSnapshot[:len(newSnapshot)/2]},
		{"before it is renamed", oldSnapshot, oldJournal, newSnapshot},
		{"before the journal is emptied", newSnapshot, oldJournal, nil},
		{"afterwards", newSnapshot, nil, nil},
	} {
		for name, data := range map[string][]byte{"": crash.snapshot, ".journal": crash.journal, ".tmp": crash.tmp} {
			if err := os.WriteFile(path+name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(before, load(t, path), cmpValues); d != "" {
			t.Fatalf("a crash %s: %s", crash.name, d)
		}
		l := open(t, path)
		unlock := lock(t, l)
		appendTo(t, l, Entry{Delete: &mailbox(0).ID})
		unlock()
		if s := load(t, path); s.Serial != before.Serial+1 || len(s.Resources) != len(before.Resources)-1 {
			t.Fatalf("a crash %s: the next write left serial %d and %d resources", crash.name, s.Serial, len(s.Resources))
		}
	}
}
