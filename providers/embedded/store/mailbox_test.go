package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(ms []Mailbox) (names []string) {
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return names
}

func TestANewAccountHasItsMailboxes(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	ms, err := s.Mailboxes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	validity := map[uint32]bool{}
	for _, m := range ms {
		got[m.Name] = m.SpecialUse
		validity[m.UIDValidity] = true
		if !m.Subscribed || m.UIDNext != 1 || m.HighestModSeq == 0 || m.UIDValidity == 0 {
			t.Errorf("%+v should be subscribed, with numbers to start from", m)
		}
	}
	want := map[string]string{"INBOX": "", "Sent": `\Sent`, "Drafts": `\Drafts`, "Trash": `\Trash`, "Junk": `\Junk`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if ms[0].Name != "INBOX" {
		t.Errorf("the first is %s", ms[0].Name)
	}
	if len(validity) != len(ms) {
		t.Error("two mailboxes have the same UIDVALIDITY")
	}
	subs, err := s.Subscriptions(t.Context(), id)
	if want := []string{"INBOX", "Drafts", "Junk", "Sent", "Trash"}; err != nil || !slices.Equal(subs, want) {
		t.Errorf("subscriptions %v, %v; want %v", subs, err, want)
	}
	if m, err := s.Mailbox(t.Context(), id, "inBox"); err != nil || m.Name != "INBOX" {
		t.Errorf("inBox: %v, %v", m, err)
	}
	if _, err := s.Mailboxes(t.Context(), 4711); !errors.Is(err, ErrNotFound) {
		t.Errorf("an account that is none: %v, want ErrNotFound", err)
	}
}

func TestMailboxes(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	create := func(name string) *Mailbox {
		t.Helper()
		m, err := s.CreateMailbox(t.Context(), id, name, "")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	list := func() []string {
		t.Helper()
		ms, err := s.Mailboxes(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(names(ms), func(n string) bool {
			return slices.Contains([]string{"Sent", "Drafts", "Trash", "Junk"}, n)
		})
	}
	a := create("a/b/ç")
	if want := []string{"INBOX", "a", "a/b", "a/b/ç"}; !slices.Equal(list(), want) {
		t.Fatalf("%v, want the parents as well: %v", list(), want)
	}
	for _, name := range []string{"a", "inbox", "Sent"} {
		if _, err := s.CreateMailbox(t.Context(), id, name, ""); !errors.Is(err, ErrExists) {
			t.Errorf("create %s: %v, want ErrExists", name, err)
		}
	}
	for _, name := range []string{"", "/a", "a/", "a//b"} {
		if _, err := s.CreateMailbox(t.Context(), id, name, ""); err == nil {
			t.Errorf("create %q: no error", name)
		}
	}
	fill(t, s, a.ID, 3)
	if err := s.RenameMailbox(t.Context(), named(t, s, id, "a").ID, "a/b"); !errors.Is(err, ErrExists) {
		t.Errorf("rename to a taken name: %v, want ErrExists", err)
	}
	if err := s.RenameMailbox(t.Context(), named(t, s, id, "a").ID, "x/a"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"INBOX", "x", "x/a", "x/a/b", "x/a/b/ç"}; !slices.Equal(list(), want) {
		t.Errorf("after rename: %v, want %v", list(), want)
	}
	if m := named(t, s, id, "x/a/b/ç"); m.ID != a.ID || m.UIDValidity != a.UIDValidity || m.Messages != 3 {
		t.Errorf("%+v is not what was renamed", m)
	}
	if err := s.RenameMailbox(t.Context(), named(t, s, id, "x").ID, "x/y"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"INBOX", "x", "x/y", "x/y/a", "x/y/a/b", "x/y/a/b/ç"}; !slices.Equal(list(), want) {
		t.Errorf("after rename below itself: %v, want %v", list(), want)
	}
	if err := s.DeleteMailbox(t.Context(), named(t, s, id, "x/y/a").ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMailbox(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if want := []string{"INBOX", "x", "x/y", "x/y/a/b"}; !slices.Equal(list(), want) {
		t.Errorf("after delete: %v, want %v", list(), want)
	}
	if m := create("x/y/a/b/ç"); m.UIDValidity <= a.UIDValidity || m.ID == a.ID {
		t.Errorf("made again it has UIDVALIDITY %d after %d", m.UIDValidity, a.UIDValidity)
	}
	in := inboxOf(t, s, id)
	fill(t, s, in.ID, 2)
	if err := s.DeleteMailbox(t.Context(), in.ID); err == nil {
		t.Error("INBOX was deleted")
	}
	if err := s.RenameMailbox(t.Context(), in.ID, "old"); err != nil {
		t.Fatal(err)
	}
	if now, old := inboxOf(t, s, id), named(t, s, id, "old"); now.ID != in.ID || now.Messages != 0 || old.Messages != 2 {
		t.Errorf("INBOX has %d, old %d messages; want 0 and 2", now.Messages, old.Messages)
	}
	if _, err := s.Mailbox(t.Context(), id, "nowhere"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such mailbox: %v", err)
	}
	if err := s.DeleteMailbox(t.Context(), a.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete twice: %v", err)
	}
	checkStore(t, s)
}

func TestSubscribe(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	for _, step := range []struct {
		name string
		on   bool
	}{{"not there", true}, {"not there", true}, {"Junk", false}, {"Junk", false}, {"inbox", true}} {
		if err := s.Subscribe(t.Context(), id, step.name, step.on); err != nil {
			t.Fatal(err)
		}
	}
	subs, err := s.Subscriptions(t.Context(), id)
	if want := []string{"INBOX", "Drafts", "Sent", "Trash", "not there"}; err != nil || !slices.Equal(subs, want) {
		t.Errorf("subscriptions %v, %v; want %v", subs, err, want)
	}
	if m := named(t, s, id, "Junk"); m.Subscribed {
		t.Error("Junk is still subscribed")
	}
}

func TestWatch(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	in, sent := inboxOf(t, s, id), named(t, s, id, "Sent")
	w, other := s.Watch(in.ID), s.Watch(sent.ID)
	defer other.Close()
	told := func(w *Watch) bool {
		select {
		case <-w.C:
			return true
		default:
			return false
		}
	}
	if told(w) {
		t.Error("told before anything happened")
	}
	fill(t, s, in.ID, 2)
	if !told(w) || told(w) {
		t.Error("two messages should be told once")
	}
	if _, _, err := s.StoreFlags(t.Context(), in.ID, []uint32{1}, FlagsAdd, []string{`\Seen`}, 0); err != nil {
		t.Fatal(err)
	}
	if !told(w) {
		t.Error("flags were not told")
	}
	if _, _, _, err := s.Move(t.Context(), in.ID, []uint32{1}, sent.ID, AllRights); err != nil {
		t.Fatal(err)
	}
	if !told(w) || !told(other) {
		t.Error("a move is told on both sides")
	}
	w.Close()
	fill(t, s, in.ID, 1)
	if told(w) {
		t.Error("told after Close")
	}
	if err := s.DeleteMailbox(t.Context(), sent.ID); err != nil {
		t.Fatal(err)
	}
	if !told(other) {
		t.Error("the deletion was not told")
	}
}

func TestMaildropHasOneSession(t *testing.T) {
	s := openStore(t, t.TempDir())
	release, ok := s.LockMaildrop(1)
	if !ok {
		t.Fatal("the first was refused")
	}
	if _, ok := s.LockMaildrop(1); ok {
		t.Error("the second was let in")
	}
	if _, ok := s.LockMaildrop(2); !ok {
		t.Error("another account was refused")
	}
	release()
	release()
	if _, ok := s.LockMaildrop(1); !ok {
		t.Error("refused after release")
	}
}
