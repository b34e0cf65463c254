package store

import (
	"errors"
	"testing"
	"time"
)

func TestAppendTo(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, mailDomain("example.com"))
	alice := newAccount(t, s, "alice")
	if _, err := s.CreateMailbox(t.Context(), alice, "Work/Old", ""); err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]string{"INBOX": "INBOX", "inbox": "INBOX", "Sent": "Sent", "Work/Old": "Work/Old"} {
		for range 2 {
			d := draft(t, s, []byte("Subject: x\r\n\r\n"))
			got, err := s.AppendTo(t.Context(), alice, name, d, []string{`\Seen`}, time.Time{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			m := named(t, s, alice, where)
			if got.Mailbox != m.ID || got.UIDValidity != m.UIDValidity || got.UID+1 != m.UIDNext || m.Unseen != 0 {
				t.Errorf("%s: %+v is not the last of %+v", name, got, m)
			}
		}
	}
	if _, err := s.AppendTo(t.Context(), alice, "None", draft(t, s, []byte("x")), nil, time.Time{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a mailbox that is not there: %v", err)
	}
	if _, err := s.AppendTo(t.Context(), alice+1000, "INBOX", draft(t, s, []byte("x")), nil, time.Time{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an account that is not there: %v", err)
	}
	if m := named(t, s, alice, "INBOX"); m.Messages != 4 {
		t.Errorf("%d messages in the inbox", m.Messages)
	}
}
