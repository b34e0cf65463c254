package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
