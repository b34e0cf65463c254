package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// testHash is a verifier of a form that the schema takes; nobody logs in here.
const testHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY"

func openStore(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), dir, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// create is a change that makes something with attributes given as JSON.
func create(kind, key, attrs string) admin.Change {
	return admin.Change{Action: "create", Kind: kind, Key: key, Owner: "test." + key, Lineage: "L1", Attrs: json.RawMessage(attrs)}
}

func mailDomain(name string) admin.Change {
	return create("maildomain", name, fmt.Sprintf(`{"name":%q}`, name))
}

func mailbox(address string, more string) admin.Change {
	return create("mailbox", address, fmt.Sprintf(`{"address":%q,"password_hash":[%q],"protocols":["imap","pop3"],"mail":"enabled"%s}`, address, testHash, more))
}

func apply(tb testing.TB, s *Store, changes ...admin.Change) []admin.Resource {
	tb.Helper()
	rs, err := s.ApplyChanges(tb.Context(), changes)
	if err != nil {
		tb.Fatal(err)
	}
	return rs
}

// newAccount makes an account of example.com and returns its id.
func newAccount(tb testing.TB, s *Store, local string) int64 {
	tb.Helper()
	apply(tb, s, mailDomain("example.com"), mailbox(local+"@example.com", ""))
	a, err := s.Account(tb.Context(), local+"@example.com")
	if err != nil {
		tb.Fatal(err)
	}
	return a.ID
}

func draft(tb testing.TB, s *Store, text []byte) *Draft {
	tb.Helper()
	d := s.NewDraft(0)
	if _, err := d.Write(text); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d
}

func accept(ctx context.Context, s *Store, text []byte, accounts ...int64) error {
	d := s.NewDraft(0)
	defer d.Close()
	if _, err := d.Write(text); err != nil {
		return err
	}
	return s.Accept(ctx, &Envelope{Draft: d, From: "x@example.org", Accounts: accounts, ID: "t1", Received: time.Now()})
}

func inboxOf(tb testing.TB, s *Store, account int64) *Mailbox {
	tb.Helper()
	m, err := s.Mailbox(tb.Context(), account, "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMessageIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := newAccount(t, s, "alice")
	text := bytes.Repeat([]byte("0123456789abcde\n"), 40000) // 625 KiB: several pieces
	if err := accept(t.Context(), s, text, id); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	m := inboxOf(t, s, id)
	ms, modSeq, err := s.Messages(t.Context(), m.ID)
	if err != nil || len(ms) != 1 || modSeq != m.HighestModSeq {
		t.Fatalf("Messages: %v, modseq %d of %d, %v", ms, modSeq, m.HighestModSeq, err)
	}
	got, err := s.ReadBody(t.Context(), ms[0].Body)
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("body has %d bytes, %v; want %d", len(got), err, len(text))
	}
	u, err := s.Usage(t.Context(), id)
	if want := (Usage{1, int64(len(text))}); err != nil || u != want {
		t.Fatalf("usage %v, %v; want %v", u, err, want)
	}
}
