package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/dsn"
)

// What the sender asks stands in the queue with the message, and a report about
// what arrived here is stored with it.
func TestWhatSendersAskIsKept(t *testing.T) {
	s := openStore(t, t.TempDir())
	alice := newAccount(t, s, "alice")
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	wishes := Wishes{Return: "FULL", EnvelopeID: "QQ 7", RequireTLS: true}
	asked := map[string]dsn.Asked{"r2@example.net": {Notify: "SUCCESS,DELAY", Original: "rfc822;x@example.org"}}
	e := &Envelope{Draft: draft(t, s, []byte("mail\r\n")), From: "x@example.org", Remote: []string{"r1@example.net", "r2@example.net"},
		ID: "tx7", Received: at, Wishes: wishes, Asked: asked,
		Reports: []*Envelope{
			{Draft: draft(t, s, []byte("report\r\n")), Accounts: []int64{alice}, ID: "tx8", Received: at},
			{Draft: draft(t, s, []byte("for nobody\r\n")), Accounts: []int64{alice + 1000}, ID: "tx9", Received: at},
		}}
	if err := s.Accept(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if m := inboxOf(t, s, alice); m.Messages != 1 {
		t.Errorf("%d reports have arrived", m.Messages)
	}
	q, err := s.QueueList(t.Context())
	if err != nil || len(q) != 2 {
		t.Fatalf("queue %v, %v", q, err)
	}
	for i, want := range []dsn.Asked{{}, asked["r2@example.net"]} {
		if d := cmp.Diff(want, q[i].Asked); d != "" || q[i].Wishes != wishes || q[i].Warned {
			t.Errorf("%s of %+v", d, q[i])
		}
	}
	if err := s.QueueFinish(t.Context(), []QueueResult{{ID: q[0].ID, Next: at, Warned: true}, {ID: q[1].ID, Next: at}}); err != nil {
		t.Fatal(err)
	}
	if q, err = s.QueueList(t.Context()); err != nil || !q[0].Warned || q[1].Warned {
		t.Errorf("warned: %+v, %v", q, err)
	}
	checkStore(t, s)
}
