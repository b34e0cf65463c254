package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The store is moved to another volume and on, while mail comes and goes. Applies are
// killed meanwhile; each next one goes on. Whoever reads his mail finds all of it under
// the numbers that it had.
func TestTheStoreMovesWithAllMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	subjects := []string{"one", "two", "three"}
	for _, s := range subjects {
		w.deliver("alice@example.com", s)
	}
	eventually(t, "alice has her mail", func() bool { return len(w.subjects("alice@example.com", "INBOX")) == 3 })
	numbers := func() string {
		s := dial(t, w.addr("imap"))
		s.until("* OK")
		s.imap("a", "LOGIN alice@example.com quickstart")
		var kept []string
		for _, l := range strings.Split(s.imap("b", "EXAMINE INBOX")+s.imap("c", "UID FETCH 1:3 (UID INTERNALDATE RFC822.SIZE)"), "\n") {
			if strings.Contains(l, "UIDVALIDITY") || strings.Contains(l, "FETCH (") {
				kept = append(kept, l)
			}
		}
		s.imap("d", "LOGOUT")
		return strings.Join(kept, "\n")
	}
	before := numbers()
	to := func(path string) {
		text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
		if i := strings.Index(text, "  storage {"); i >= 0 {
			end := i + strings.Index(text[i:], "\n") + 1
			text = text[:i] + text[end:]
		}
		w.write("main.mf.hcl", strings.Replace(text, "  hostname  = \"mail.example.com\"\n", "  hostname  = \"mail.example.com\"\n  storage { path = \""+path+"\" }\n", 1))
	}
	lies := func(path string) {
		t.Helper()
		if _, err := os.Stat(filepath.Join(path, "mailform.db")); err != nil {
			t.Errorf("the store does not lie in %s: %v", path, err)
		}
		if got := numbers(); got != before {
			t.Errorf("alice has\n%s\nand had\n%s", got, before)
		}
	}
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")

	to(one)
	if out := w.ok("plan"); !strings.Contains(out, "3 messages, ") || !strings.Contains(out, "moved to where ") {
		t.Errorf("the plan does not say what is moved: %s", out)
	}
	w.apply()
	w.noChanges()
	lies(one)

	began := time.Now()
	to(two)
	w.apply()
	whole := time.Since(began)
	lies(two)

	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 6 {
		to([]string{one, two}[i%2])
		cmd := w.command(context.Background(), binary, "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		_ = cmd.Process.Kill() // it may have come to its end
		_ = cmd.Wait()
		// A daemon that it was about to begin has its files for an instant.
		w.ok("apply", "-auto-approve", "-lock-timeout=3m")
		w.noChanges()
		lies([]string{one, two}[i%2])
		subjects = append(subjects, "after kill "+string(rune('0'+i)))
		w.deliver("alice@example.com", subjects[len(subjects)-1])
	}
	eventually(t, "alice has all her mail once", func() bool {
		return strings.Join(w.subjects("alice@example.com", "INBOX"), "\n") == strings.Join(subjects, "\n")
	})

	w.write("taken/theirs", "")
	to(filepath.Join(w.dir, "taken"))
	if res := w.mailform("apply", "-auto-approve"); res.code != 1 || !strings.Contains(res.stderr, "taken has theirs") {
		t.Errorf("a directory of others: %v", res)
	}
	lies(two)
	to(filepath.Join(w.dir, "taken/theirs/below"))
	if res := w.mailform("apply", "-auto-approve"); res.code != 1 || !strings.Contains(res.stderr, "not a directory") {
		t.Errorf("a place that cannot be: %v", res)
	}
	lies(two)
	to(two)
	w.noChanges()
}

// The index for searches is moved to another volume and back, and finds what it found.
func TestTheSearchIndexMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.deliver("alice@example.com", "one")
	found := func(when string) {
		t.Helper()
		eventually(t, "alice finds her mail "+when, func() bool {
			s := dial(t, w.addr("imap"))
			s.until("* OK")
			s.imap("a", "LOGIN alice@example.com quickstart")
			s.imap("b", "EXAMINE INBOX")
			got := s.imap("c", "SEARCH TEXT one")
			s.imap("d", "LOGOUT")
			return strings.Contains(got, "* SEARCH 1")
		})
	}
	found("at first")
	lies := func(at string, is bool) {
		t.Helper()
		info, err := os.Lstat(filepath.Join(at, "search.db"))
		if there := err == nil && info.Mode().IsRegular(); there != is {
			t.Errorf("the index lies in %s: %v, want %v", at, there, is)
		}
	}
	data, vol := filepath.Join(w.dir, "mail"), filepath.Join(t.TempDir(), "index")
	lies(data, true)
	w.edit("main.mf.hcl", "  hostname  = \"mail.example.com\"\n", "  hostname  = \"mail.example.com\"\n  index { path = \""+vol+"\" }\n")
	if out := w.ok("plan"); !strings.Contains(out, "server.main.index") || !strings.Contains(out, "moved to where ") {
		t.Errorf("the plan does not say what is moved: %s", out)
	}
	w.apply()
	w.noChanges()
	lies(vol, true)
	lies(data, false)
	found("elsewhere")
	w.edit("main.mf.hcl", vol, data)
	w.apply()
	w.noChanges()
	lies(vol, false)
	lies(data, true)
	found("back again")
}
