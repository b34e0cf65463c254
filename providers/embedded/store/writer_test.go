package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// hold keeps the writer busy until the returned function is called, so that
// what is sent meanwhile comes into one batch.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	enter := sync.OnceFunc(func() { close(entered) }) // a change may run twice
	wg.Go(func() {
		err := s.write(context.WithoutCancel(t.Context()), func(*tx) error {
			enter()
			<-leave
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	return func() { close(leave); wg.Wait() }
}

// waitQueued waits until n changes wait for the writer.
func waitQueued(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.writer.mu.Lock()
		have := len(s.writer.queue)
		s.writer.mu.Unlock()
		if have == n {
			return
		}
	}
	t.Fatalf("there are not %d changes waiting", n)
}

func insertNote(name string) func(*tx) error {
	return func(t *tx) error {
		_, err := t.exec(`INSERT INTO sequence (name, value) VALUES (?, 1)`, name)
		return err
	}
}

func notes(t *testing.T, s *Store) int {
	t.Helper()
	var n int
	if err := s.read.row(t.Context(), `SELECT COUNT(*) FROM sequence WHERE name LIKE 'note%'`, nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangesThatComeTogetherShareACommit(t *testing.T) {
	s := openStore(t, t.TempDir())
	commits := 0
	tell := s.writer.committed
	release := hold(t, s)
	s.writer.committed = func(e *effects) { commits++; tell(e) } // the writer is held
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := s.write(t.Context(), insertNote(fmt.Sprint("note", i))); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(t, s, 50)
	release()
	wg.Wait()
	if n := notes(t, s); n != 50 {
		t.Errorf("%d of 50 changes are there", n)
	}
	if commits != 1 {
		t.Errorf("%d commits for 50 changes that waited together", commits)
	}
}

func TestAChangeThatFailsFailsAlone(t *testing.T) {
	errWanted := errors.New("wanted")
	for _, c := range []struct {
		name string
		fail func(*tx) error
	}{
		{"before it has written", func(*tx) error { return errWanted }},
		{"half-way", func(t *tx) error {
			if err := insertNote("note-half")(t); err != nil {
				return err
			}
			return errWanted
		}},
		{"after the counters were changed", func(t *tx) error {
			a, err := t.account(1)
			if err != nil {
				return err
			}
			t.add(a, 100, 100)
			return errWanted
		}},
	} {
		for _, position := range []int{0, 5, 9} {
			t.Run(fmt.Sprintf("%s, at position %d", c.name, position), func(t *testing.T) {
				s := openStore(t, t.TempDir())
				newAccount(t, s, "alice")
				release := hold(t, s)
				var wg sync.WaitGroup
				for i := range 10 {
					run, want := insertNote(fmt.Sprint("note", i)), error(nil)
					if i == position {
						run, want = c.fail, errWanted
					}
					wg.Go(func() {
						if err := s.write(t.Context(), run); !errors.Is(err, want) {
							t.Errorf("change %d: %v, want %v", i, err, want)
						}
					})
					waitQueued(t, s, i+1)
				}
				release()
				wg.Wait()
				if n := notes(t, s); n != 9 {
					t.Errorf("%d of the 9 good changes are there", n)
				}
				checkStore(t, s)
			})
		}
	}
}

func TestAChangeThatWasGivenUpIsDropped(t *testing.T) {
	s := openStore(t, t.TempDir())
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.write(ctx, insertNote("note")); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want Canceled", err)
		}
	})
	waitQueued(t, s, 1)
	cancel()
	wg.Wait()
	release()
	if n := notes(t, s); n != 0 {
		t.Error("the change was carried out")
	}
}

func TestAnAnswerIsTrueWhenTheCallerGivesUpLate(t *testing.T) {
	s := openStore(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	err := s.write(ctx, func(t *tx) error {
		cancel()
		return insertNote("note")(t)
	})
	if err != nil || notes(t, s) != 1 {
		t.Errorf("error %v, %d notes; want the truth: it is there", err, notes(t, s))
	}
}

func TestAFullDiskFailsChangesAndTheStoreGoesOn(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	if err := accept(t.Context(), s, []byte("before\r\n"), id); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		if _, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite makes it the present size
	big := []byte(strings.Repeat("0123456789abcde\n", 50000))
	release := hold(t, s)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := accept(t.Context(), s, big, id); err == nil || !strings.Contains(err.Error(), "full") {
				t.Errorf("error %v, want one that says that the disk is full", err)
			}
		})
	}
	waitQueued(t, s, 5)
	release()
	wg.Wait()
	checkStore(t, s)
	limit(1 << 30)
	if err := accept(t.Context(), s, big, id); err != nil {
		t.Fatalf("after room was made: %v", err)
	}
	if u, err := s.Usage(t.Context(), id); err != nil || u.Messages != 2 {
		t.Errorf("usage %v, %v; want 2 messages", u, err)
	}
	checkStore(t, s)
}

// A commit waits for those that come back from the one before, and not for those that
// stay away.
func TestCommitWaitsForCompany(t *testing.T) {
	s := openStore(t, t.TempDir())
	release := hold(t, s)
	for i := range 3 {
		go func() { _ = s.write(context.WithoutCancel(t.Context()), insertNote(fmt.Sprint("note", i))) }()
	}
	waitQueued(t, s, 3)
	release()
	// Each of these expects company, the first of four, and gets none.
	for i := range 3 {
		if err := s.write(t.Context(), insertNote(fmt.Sprint("note alone ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := notes(t, s); n != 6 {
		t.Errorf("%d notes", n)
	}
}
