package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A backup that was made while mail came in is a whole service again.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	s := w.greet()
	for range 20 {
		s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", "Subject: one of many\r\n\r\nhello\r\n.", "250")
	}
	if out := w.ok("check-store"); !strings.HasSuffix(out, "mail: sound\n") {
		t.Errorf("check-store: %q", out)
	}
	if r := w.mailform("check-store", "-repair"); r.code == 0 || !strings.Contains(r.stderr, "mailform stop") {
		t.Errorf("a store in use is repaired: %v", r)
	}
	w.ok("backup", "mail.tar")
	if info, err := os.Stat(filepath.Join(w.dir, "mail.tar")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info.Mode(), err)
	}
	if r := w.mailform("restore", "mail.tar"); r.code == 0 || !strings.Contains(r.stderr, "not empty") {
		t.Errorf("it is restored over what is there: %v", r)
	}
	w.ok("stop")
	if err := os.Rename(filepath.Join(w.dir, "mail"), filepath.Join(w.dir, "lost")); err != nil {
		t.Fatal(err)
	}
	w.ok("restore", "mail.tar")
	w.ok("check-store", "-repair")
	w.ok("start")
	w.noChanges()
	m := w.mailbox("alice@example.com", "INBOX")
	if got := m.imap("n", "STATUS INBOX (MESSAGES)"); !strings.Contains(got, "MESSAGES 20") {
		t.Errorf("after the restore: %s", got)
	}
	for _, args := range [][]string{{"backup"}, {"restore"}, {"restore", "main.mf.hcl", "-data", "other"}, {"backup", "x.tar", "-data", "nothing"}, {"check-store", "-data", "nothing"}} {
		if r := w.mailform(args...); r.code == 0 || r.stderr == "" {
			t.Errorf("mailform %s: %v", strings.Join(args, " "), r)
		}
	}
}

// A backup that is made while mail comes in has every message that was accepted
// before it began.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "100MiB")
	var accepted atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		s := w.greet()
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, step := range [][2]string{{"MAIL FROM:<a@remote.test>", "250"}, {"RCPT TO:<alice@example.com>", "250"}, {"DATA", "354"}, {"Subject: one of many\r\n\r\nhello\r\n.", "250"}} {
					if got := s.smtp(step[0]); !strings.HasPrefix(got, step[1]) {
						t.Errorf("%q was answered %q", step[0], got)
						return
					}
				}
				accepted.Add(1)
			}
		})
	}
	eventually(t, "mail comes in", func() bool { return accepted.Load() >= 50 })
	before := accepted.Load()
	r := w.mailform("backup", "mail.tar")
	after := accepted.Load()
	close(stop)
	clients.Wait()
	if r.code != 0 {
		t.Fatalf("backup: %v", r)
	}
	w.ok("restore", "mail.tar", "-data", "again")
	if out := w.ok("check-store", "-data", "again"); !strings.HasSuffix(out, "again: sound\n") {
		t.Errorf("check-store: %q", out)
	}
	st, err := store.Open(t.Context(), filepath.Join(w.dir, "again"), store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	totals, err := st.Totals(t.Context())
	// Three may have been accepted by then whose clients had not counted them yet.
	if err != nil || totals.Messages < before || totals.Messages > after+3 {
		t.Errorf("the backup has %d messages; %d were accepted before it began, and %d when it was done; %v", totals.Messages, before, after, err)
	}
}

// A page of the database is overwritten. It is found, a new database is made of the
// rest, and the server goes on with it.
func TestADamagedFileIsMended(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	s := w.greet()
	for i := range 40 {
		text := fmt.Sprintf("Subject: number %d\r\n\r\nmarked-%d-\r\n%s.", i, i, strings.Repeat(strings.Repeat("x", 70)+"\r\n", 40))
		s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", text, "250")
	}
	w.ok("stop")
	file := filepath.Join(w.dir, "mail", "mailform.db")
	text := []byte(readFile(t, file))
	at := bytes.Index(text, []byte("marked-20-")) &^ 4095
	if at < 4096 {
		t.Fatalf("the message is at %d", at)
	}
	copy(text[at:], bytes.Repeat([]byte{0xa5}, 12))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.mailform("check-store"); r.code != 1 || !strings.Contains(r.stdout, "database file: ") || !strings.Contains(r.stdout, "mail is lost: a backup may have it") {
		t.Errorf("check-store: %v", r)
	}
	out := w.ok("check-store", "-repair")
	for _, want := range []string{"the old one lies beside it, as mailform.db.damaged; put right", "of the table body, ", "messages without a body: message 21 of mailbox "} {
		if !strings.Contains(out, want) {
			t.Errorf("check-store -repair does not say %q:\n%s", want, out)
		}
	}
	if got := readFile(t, file+".damaged"); len(got) < len(text) {
		t.Errorf("the old file has %d bytes, and had %d", len(got), len(text))
	}
	w.ok("check-store")
	w.ok("start")
	w.noChanges()
	got := w.subjects("alice@example.com", "INBOX")
	if len(got) < 30 || len(got) > 39 || got[0] != "number 0" || got[len(got)-1] != "number 39" {
		t.Errorf("in the mailbox is %q", got)
	}
}
