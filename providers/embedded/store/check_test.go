package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkStore is for the end of tests that change mail.
func checkStore(tb testing.TB, s *Store) {
	tb.Helper()
	found, err := s.Check(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range found {
		tb.Error(d)
	}
}

// lived makes a store with a message of several pieces, in a mailbox and in the
// queue, and one that is in a mailbox alone.
func lived(t *testing.T, dir string) *Store {
	t.Helper()
	s := openStore(t, dir)
	id := newAccount(t, s, "alice")
	large := bytes.Repeat([]byte("0123456789abcde\n"), chunkSize/8)
	for i, text := range [][]byte{large, []byte("small\n")} {
		e := &Envelope{Draft: draft(t, s, text), From: "alice@example.com", Accounts: []int64{id}, ID: "e", Received: time.Now()}
		if i == 0 {
			e.Remote = []string{"bob@example.net"}
		}
		if err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	checkStore(t, s)
	return s
}

func TestDamageIsFoundAndMended(t *testing.T) {
	tests := map[string]struct {
		spoil string
		found []string // what Check says
		lost  bool     // and cannot be mended
	}{
		"counters of a mailbox":   {`UPDATE mailbox SET messages = 7, unseen = 3`, []string{"mailbox counters: mailbox ", "account usage: alice@example.com"}, false},
		"usage of an account":     {`UPDATE account SET bytes = 1`, []string{"account usage: alice@example.com counts 2 messages, 1 bytes"}, false},
		"numbers of a mailbox":    {`UPDATE mailbox SET uidnext = 1`, []string{"mailbox numbers: mailbox "}, false},
		"too few references":      {`UPDATE body SET refs = 1`, []string{"references to bodies: body 1 has 1"}, false},
		"bodies that nobody has":  {`DELETE FROM queue; DELETE FROM message WHERE uid = 1`, []string{"references to bodies: body 1 has 2", "mailbox counters: "}, false},
		"a body that is gone":     {`DELETE FROM body WHERE id = 2`, []string{"messages without a body: message 2 of mailbox "}, false},
		"pieces without a body":   {`DELETE FROM queue; DELETE FROM message WHERE uid = 1; PRAGMA foreign_keys = 0; DELETE FROM body WHERE id = 1`, []string{"pieces without a body: body 1"}, false},
		"a body with a piece off": {`DELETE FROM body_chunk WHERE n = (SELECT MAX(n) FROM body_chunk)`, []string{"bodies that are not as long as they should be: body 1"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := lived(t, dir)
			err := s.write(t.Context(), func(t *tx) error {
				for q := range strings.SplitSeq(tt.spoil, ";") {
					if strings.Contains(q, "PRAGMA") {
						continue
					}
					if _, err := t.exec(q); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Skipf("the database itself does not let that happen: %v", err)
			}
			found, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.found {
				hit := false
				for _, d := range found {
					hit = hit || strings.HasPrefix(d.String(), want)
				}
				if !hit {
					t.Errorf("%q is not among what is found: %v", want, found)
				}
			}
			mended, err := s.Mend(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range mended {
				if d.Mended == tt.lost {
					t.Errorf("%s: mended %v, lost %v", d, d.Mended, d.Lost)
				}
			}
			if !tt.lost {
				checkStore(t, s)
			}
		})
	}
}

func TestABrokenFileIsFound(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "copy")
	lived(t, filepath.Join(base, "mail"))
	var archive bytes.Buffer
	if err := Backup(t.Context(), filepath.Join(base, "mail"), base, &archive); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), &archive, dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, databaseFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// All but the first pages, which have what tables there are.
	junk := bytes.Repeat([]byte{0xa5}, 4096)
	for at := info.Size() / 2 &^ 4095; at < info.Size(); at += 4096 {
		if _, err := f.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir, Options{ReadOnly: true})
	if err != nil {
		return // it is not even a database any more
	}
	defer s.Close()
	if found, err := s.Check(t.Context()); err == nil && (len(found) == 0 || !found[0].Lost) {
		t.Errorf("found %v", found)
	}
}

func TestBackupOfAStoreInUse(t *testing.T) {
	base := t.TempDir()
	dir, other := filepath.Join(base, "mail"), filepath.Join(base, "again", "mail")
	s := lived(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tls", "ca.key"), []byte("a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := Backup(t.Context(), dir, base, &archive); err != nil {
		t.Fatal(err)
	}
	whole := archive.Bytes()
	for name, text := range map[string][]byte{"nothing": nil, "half of it": whole[:len(whole)/2], "something else": bytes.Repeat([]byte("mail"), 4096)} {
		if err := Restore(t.Context(), bytes.NewReader(text), other); !errors.Is(err, ErrNoBackup) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(other)); len(left) > 0 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
	if err := Restore(t.Context(), bytes.NewReader(whole), dir); err == nil {
		t.Error("it was restored over a store")
	}
	if err := Restore(t.Context(), bytes.NewReader(whole), other); err != nil {
		t.Fatal(err)
	}
	if key, err := os.ReadFile(filepath.Join(other, "tls", "ca.key")); err != nil || string(key) != "a key" {
		t.Errorf("the key is %q, %v", key, err)
	}
	again := openStore(t, other)
	checkStore(t, again)
	want, err := s.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Resources(t.Context())
	if err != nil || len(got) != len(want) {
		t.Errorf("there are %d resources, want %d, %v", len(got), len(want), err)
	}
	if q, err := again.QueueList(t.Context()); err != nil || len(q) != 1 {
		t.Errorf("the queue is %v, %v", q, err)
	}
	if left, _ := os.ReadDir(base); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
