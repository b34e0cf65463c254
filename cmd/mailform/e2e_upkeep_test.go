package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// What lies in Trash for longer than the files say is gone, and nothing else; and
// nothing where they do not say so.
func TestUpkeepEmptiesTrash(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	s := w.mailbox("alice@example.com", "INBOX")
	for _, mailbox := range []string{"INBOX", "Trash", "Junk"} {
		text := "Subject: in " + mailbox + "\r\n\r\nx\r\n"
		if got := s.imap("p", fmt.Sprintf("APPEND %s {%d+}\r\n%s", mailbox, len(text), text)); !strings.Contains(got, "p OK") {
			t.Fatal(got)
		}
	}
	s.c.Close()
	there := func(mailbox string) int { return len(w.subjects("alice@example.com", mailbox)) }
	restart := func() {
		// It looks when it starts, and once an hour.
		w.ok("stop")
		w.ok("start")
	}
	restart()
	if there("Trash") != 1 {
		t.Fatal("Trash is empty without anybody's asking for it")
	}
	w.edit("main.mf.hcl", "  relay {", "  upkeep { trash = \"1s\" }\n  relay {")
	w.apply()
	w.noChanges()
	eventually(t, "Trash is empty", func() bool {
		restart()
		return there("Trash") == 0
	})
	for _, mailbox := range []string{"INBOX", "Junk"} {
		if there(mailbox) != 1 {
			t.Errorf("%s has %d messages", mailbox, there(mailbox))
		}
	}
	if !strings.Contains(w.log(), `msg="expired messages" mailbox=\Trash messages=1`) {
		t.Errorf("the log does not say so:\n%s", w.log())
	}
}

// A mailbox that fills up says so once at each threshold, and again when it has been
// below; the administrator sees it as well, and how many connections each address has.
func TestAMailboxThatFillsUpSaysSo(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", "  relay {", "  upkeep { warn = [50, 90] }\n  relay {")
	w.apply()
	w.noChanges()
	const tiny = "tiny@example.com" // 16 KiB
	in := w.greet()
	deliver := func() {
		t.Helper()
		// With its header about 2,400 bytes: a seventh of the quota.
		if got := in.message("a@remote.test", tiny, "Subject: x\r\n\r\n"+strings.Repeat(strings.Repeat("x", 38)+"\r\n", 56)); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	full := regexp.MustCompile(tiny + ` has used 9\d % of 16KiB`)
	warned := func() (percents []string) {
		for _, subject := range w.subjects(tiny, "INBOX") {
			if percent, ok := strings.CutPrefix(subject, "Your mailbox is "); ok {
				percents = append(percents, strings.TrimSuffix(percent, " % full"))
			}
		}
		return percents
	}
	expect := func(after string, shown bool, percents ...string) {
		t.Helper()
		got := warned()
		ok := len(got) == len(percents)
		for i := range min(len(got), len(percents)) {
			ok = ok && regexp.MustCompile("^"+percents[i]+"$").MatchString(got[i])
		}
		if !ok {
			t.Errorf("after %s: warned at %q %%, want %q", after, got, percents)
		}
		if status := w.ok("status"); full.MatchString(status) != shown {
			t.Errorf("after %s: status\n%s", after, status)
		}
	}
	for range 3 {
		deliver()
	}
	expect("three messages", false)
	deliver()
	expect("four", false, "5.")
	deliver()
	expect("five", false, "5.")
	deliver()
	expect("six", true, "5.", "9.")
	m := w.mailbox(tiny, "INBOX")
	for _, cmd := range []string{`STORE 1:* +FLAGS.SILENT (\Deleted)`, "EXPUNGE"} {
		if got := m.imap("d", cmd); !strings.Contains(got, "d OK") {
			t.Fatal(got)
		}
	}
	m.c.Close()
	expect("all is deleted", false)
	for range 4 {
		deliver()
	}
	expect("four again", false, "5.")

	// Three connections of IMAP, of which one is by TLS, and that of the deliveries.
	second, third := dial(t, w.addr("imap")), dial(t, w.addr("imaps"))
	second.until("* OK")
	third.secure(w.trust())
	third.until("* OK")
	want := map[string]string{w.addr("imap"): "2 connections", w.addr("imaps"): "1 connection", w.addr("smtp"): "1 connection", w.addr("pop3"): "0 connections"}
	eventually(t, "status counts the connections of each address", func() bool { // some may still be ending
		status := w.ok("status")
		for addr, n := range want {
			if !regexp.MustCompile(`(?m)^ .* ` + regexp.QuoteMeta(addr) + ` +` + n + `( |$)`).MatchString(status) {
				return false
			}
		}
		return true
	})
}
