package imap

import (
	"testing"

	"github.com/mailform/mailform/providers/embedded/store"
)

func TestRecentLists(t *testing.T) {
	var r recent
	msgs := func(n int) []store.Message { return make([]store.Message, n) }
	r.put(1, msgs(3), 10)
	r.put(1, msgs(2), 9) // older than what is there
	got, modseq, ok := r.get(1)
	if !ok || len(got) != 3 || modseq != 10 {
		t.Fatalf("%d messages as of %d, %v", len(got), modseq, ok)
	}
	got[0].UID = 7 // the caller's own
	if again, _, _ := r.get(1); again[0].UID != 0 {
		t.Error("a list is shared")
	}
	// The ones that were not used for longest make room.
	r.put(2, msgs(maxRecent/2), 1)
	r.get(1)
	r.put(3, msgs(maxRecent/2), 1)
	for mailbox, want := range map[int64]bool{1: true, 2: false, 3: true} {
		if _, _, ok := r.get(mailbox); ok != want {
			t.Errorf("the list of %d is there: %v", mailbox, ok)
		}
	}
	r.put(4, msgs(maxRecent+1), 1)
	if _, _, ok := r.get(4); ok || r.held > maxRecent {
		t.Errorf("a huge list was kept, %d messages are held", r.held)
	}
	for i := range int64(2 * maxRecent) { // empty ones count as well
		r.put(100+i, nil, 1)
	}
	if len(r.lists) > maxRecent {
		t.Errorf("%d lists are held", len(r.lists))
	}
}
