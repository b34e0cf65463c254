package pop3

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/store"
)

// TestRealStore runs sessions over the store and the authenticator that the
// daemon has.
func TestRealStore(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir)
	hash, err := auth.Hash([]byte("secret word"))
	if err != nil {
		t.Fatal(err)
	}
	mailbox := func(action, revision string, protocols ...string) admin.Change {
		attrs, err := json.Marshal(map[string]any{
			"address": "alice@example.com", "password_hash": []string{hash}, "protocols": protocols, "mail": "enabled",
		})
		if err != nil {
			t.Fatal(err)
		}
		return admin.Change{Action: action, Kind: "mailbox", Key: "alice@example.com", Owner: "user.alice.mailbox", Lineage: "L", Revision: revision, Attrs: attrs}
	}
	made, err := st.ApplyChanges(t.Context(), []admin.Change{
		{Action: "create", Kind: "maildomain", Key: "example.com", Owner: "domain.example", Lineage: "L", Attrs: json.RawMessage(`{"name":"example.com"}`)},
		mailbox("create", "", "imap", "pop3"),
	})
	if err != nil {
		t.Fatal(err)
	}
	account, err := st.Account(t.Context(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	long := "Subject: long\r\n\r\n" + strings.Repeat(".dot and some text\r\n", 40_000)
	texts := []string{first, long, second}
	for i, text := range texts {
		deliver(t, st, account.ID, fmt.Sprintf("t%d", i), text)
	}

	f := startWith(t, st, auth.New(st, auth.Options{}))
	c := f.login()
	c.send("RETR 2")
	c.wantPrefix(fmt.Sprintf("+OK %d octets", len(long)))
	if got := c.body(); strings.ReplaceAll(got, "\r\n..", "\r\n.") != long {
		t.Errorf("the long message has %d octets on the wire", len(got))
	}
	c.send("UIDL")
	c.wantPrefix("+OK")
	before := strings.Split(c.body(), "\r\n")
	other := f.dial()
	other.send("USER alice@example.com", "PASS secret word")
	other.wantPrefix("+OK")
	other.wantPrefix("-ERR [IN-USE]")
	c.send("DELE 1", "QUIT")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK Bye, 1 messages deleted")

	// POP3 is taken away while the daemon runs.
	if _, err := st.ApplyChanges(t.Context(), []admin.Change{mailbox("update", made[1].Revision, "imap")}); err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]string{"secret word": "-ERR [AUTH] POP3 is not available", "wrong": "-ERR [AUTH] Wrong user or password"} {
		other.send("USER alice@example.com", "PASS "+password)
		other.wantPrefix("+OK")
		other.wantPrefix(want)
	}
	made, err = st.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range made {
		if r.Kind == "mailbox" {
			if _, err := st.ApplyChanges(t.Context(), []admin.Change{mailbox("update", r.Revision, "pop3")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.stop()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	st = openStore(t, dir)
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	f = startWith(t, st, auth.New(st, auth.Options{}))
	defer f.stop()
	c = f.login()
	c.send("UIDL")
	c.wantPrefix("+OK")
	after := strings.Split(c.body(), "\r\n")
	for i := range after[:2] {
		_, was, _ := strings.Cut(before[i+1], " ")
		if _, is, _ := strings.Cut(after[i], " "); is != was {
			t.Errorf("after a restart message %d has the unique id %s, before %s", i+1, is, was)
		}
	}
	if len(after) != 3 || after[2] != "" {
		t.Errorf("after a restart there are %q", after)
	}
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func deliver(t *testing.T, st *store.Store, account int64, id, text string) {
	t.Helper()
	d := st.NewDraft(0)
	defer d.Close()
	if _, err := d.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := st.Accept(t.Context(), &store.Envelope{Draft: d, Accounts: []int64{account}, ID: id, Received: time.Now()}); err != nil {
		t.Fatal(err)
	}
}
