package store

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
)

func TestManyReadersAtOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := inboxOf(t, s, newAccount(t, s, "alice"))
	fill(t, s, m.ID, 20)
	var wg sync.WaitGroup
	for i := range 5 * maxReaders {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for n := range 20 {
				if i%3 == 0 && n == 10 {
					cancel() // one that gives up must not spoil its connection for others
				}
				ms, modSeq, err := s.Messages(ctx, m.ID)
				if ctx.Err() != nil {
					return
				}
				if err != nil || len(ms) < 20 || ms[len(ms)-1].ModSeq > modSeq {
					t.Errorf("%d messages, MODSEQ %d, %v", len(ms), modSeq, err)
				}
			}
		})
	}
	wg.Go(func() { fill(t, s, m.ID, 50) })
	wg.Wait()
	for range maxReaders {
		if ms, _, err := s.Messages(t.Context(), m.ID); err != nil || len(ms) != 70 {
			t.Errorf("afterwards a reader sees %d messages, %v; want 70", len(ms), err)
		}
	}
}

func TestNoReadingAfterClose(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.QueueList(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
