package store

import (
	"slices"
	"testing"
	"time"
)

func TestQueue(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, to := range []string{"a@example.net", "b@example.net", "c@example.net"} {
		e := &Envelope{Draft: draft(t, s, []byte("queued\r\n")), From: "alice@example.com", Remote: []string{to}, ID: to, Received: now.Add(time.Duration(i) * time.Second)}
		if err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	due := func(at time.Time, limit int) (to []string) {
		t.Helper()
		es, err := s.QueueDue(t.Context(), at, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			to = append(to, e.To)
		}
		return to
	}
	if got := due(now.Add(time.Second), 10); !slices.Equal(got, []string{"a@example.net", "b@example.net"}) {
		t.Errorf("due after a second: %v", got)
	}
	if got := due(now.Add(time.Hour), 1); !slices.Equal(got, []string{"a@example.net"}) {
		t.Errorf("the first: %v", got)
	}
	es, err := s.QueueList(t.Context())
	if err != nil || len(es) != 3 {
		t.Fatalf("queue: %v, %v", es, err)
	}
	bounce := &Envelope{Draft: draft(t, s, []byte("failed\r\n")), Accounts: []int64{id}, ID: "bounce", Received: now}
	results := []QueueResult{
		{ID: es[0].ID, Next: now.Add(time.Hour), Err: "451 later"},
		{ID: es[1].ID, Done: true, Bounce: bounce},
		{ID: es[2].ID, Done: true},
	}
	if err := s.QueueFinish(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	left, err := s.QueueList(t.Context())
	if err != nil || len(left) != 1 || left[0].Attempts != 1 || left[0].LastErr != "451 later" || !left[0].Next.Equal(now.Add(time.Hour)) {
		t.Errorf("left: %+v, %v", left, err)
	}
	if at, ok, err := s.NextDue(t.Context()); err != nil || !ok || !at.Equal(now.Add(time.Hour)) {
		t.Errorf("next due %v, %v, %v", at, ok, err)
	}
	if err := s.QueueFinish(t.Context(), results[1:]); err != nil {
		t.Fatal(err)
	}
	if m := inboxOf(t, s, id); m.Messages != 1 {
		t.Errorf("%d bounces after a result was recorded twice, want 1", m.Messages)
	}
	if err := s.QueueFinish(t.Context(), []QueueResult{{ID: es[0].ID, Done: true, Bounce: &Envelope{Draft: bounce.Draft, Accounts: []int64{4711}}}}); err != nil {
		t.Errorf("a bounce to an account that is gone: %v", err)
	}
	if _, ok, err := s.NextDue(t.Context()); ok || err != nil {
		t.Errorf("the queue is empty, and yet something is due: %v", err)
	}
	checkStore(t, s)
}
