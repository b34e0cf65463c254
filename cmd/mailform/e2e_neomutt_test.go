package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// NeoMutt remembers a mailbox and asks, when it comes again, only for what has changed
// (CONDSTORE and QRESYNC, RFC 7162). What it then takes to be there is there.
func TestNeoMuttAsksWhatHasChanged(t *testing.T) {
	t.Parallel()
	neomutt := need(t, "neomutt")
	w := newHouse(t, "1MiB")
	for _, subject := range []string{"one", "two", "three", "four"} {
		w.deliver("alice@example.com", subject)
	}
	ca, url := filepath.Join(w.dir, "mail", "tls", "ca.pem"), "imaps://localhost:"+strconv.Itoa(w.port["imaps"])+"/"
	visit := func(what, rc string) (log string) {
		t.Helper()
		w.write("neomuttrc", `set imap_user="alice@example.com" imap_pass="quickstart" ssl_ca_certificates_file="`+ca+`" folder="`+url+`"
set imap_condstore=yes imap_qresync=yes header_cache="`+w.dir+`/cache" quit=yes confirmappend=no confirmcreate=no wait_key=no move=no sleep_time=0 delete=no
`+rc+"\n")
		file := filepath.Join(w.dir, what+".log")
		x := onTerminal(t, w.dir, []string{"HOME=" + w.dir}, neomutt, "-n", "-d", "5", "-l", file, "-F", filepath.Join(w.dir, "neomuttrc"), "-f", url+"INBOX")
		if code := x.end(); code != 0 {
			t.Fatalf("NeoMutt ends with %d and shows %q", code, x.text(0))
		}
		var said []string
		for _, line := range strings.Split(readFile(t, file+"0"), "\n") { // the newest of several
			if _, text, ok := strings.Cut(line, "() 4"); ok { // to or from the server
				said = append(said, text)
			}
		}
		return strings.Join(said, "\n")
	}
	visit("first", `push "<quit>"`)

	s := w.mailbox("alice@example.com", "INBOX")
	s.imap("d", `STORE 2 +FLAGS (\Deleted)`)
	s.imap("e", "EXPUNGE")
	s.imap("f", `STORE 2 +FLAGS (\Flagged)`)
	w.deliver("alice@example.com", "five")

	log := visit("second", `push "<tag-pattern>~A<enter><tag-prefix><copy-message>=All<enter><untag-pattern>~A<enter><tag-pattern>~F<enter><tag-prefix><copy-message>=Marked<enter><quit>"`)
	if !strings.Contains(log, "VANISHED)") || !strings.Contains(log, "VANISHED (EARLIER) 2") {
		t.Errorf("NeoMutt has not asked what has changed:\n%s", log)
	}
	for mailbox, want := range map[string][]string{"All": {"five", "four", "one", "three"}, "Marked": {"three"}} {
		got := w.subjects("alice@example.com", mailbox)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("NeoMutt took %v for %s, want %v", got, mailbox, want)
		}
	}
}
