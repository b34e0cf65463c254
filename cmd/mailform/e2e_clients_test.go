package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// getmail takes mail over, by both protocols, and leaves none behind.
func TestGetmailTakesMailAndDeletesIt(t *testing.T) {
	t.Parallel()
	getmail := need(t, "getmail")
	w := newHouse(t, "1MiB")
	for retriever, door := range map[string]struct{ service, user string }{
		"SimplePOP3SSLRetriever": {"pop3s", "pia@example.com"},
		"SimpleIMAPSSLRetriever": {"imaps", "ida@example.com"},
	} {
		t.Run(retriever, func(t *testing.T) {
			w := w.in(t)
			dir := t.TempDir()
			var want []string
			for i := range 2 {
				want = append(want, fmt.Sprintf("message %d", i))
				w.deliver(door.user, want[i])
			}
			if err := os.MkdirAll(filepath.Join(dir, "maildir", "new"), 0o755); err != nil {
				t.Fatal(err)
			}
			// As root it writes no Maildir itself. It misses the end of a child that
			// ends at once, and waits in vain for the time here.
			rc := fmt.Sprintf("[retriever]\ntype = %s\nserver = localhost\nport = %d\nusername = %s\npassword = quickstart\ntimeout = 30\nca_certs = %s\n\n"+
				"[destination]\ntype = MDA_external\npath = /bin/sh\nallow_root_commands = true\narguments = (\"-c\", \"cat > %s/maildir/new/$$.here; sleep 1\")\n\n[options]\ndelete = true\nverbose = 2\n",
				retriever, w.port[door.service], door.user, filepath.Join(w.dir, "mail", "tls", "ca.pem"), dir)
			if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600); err != nil {
				t.Fatal(err)
			}
			faults := 0
			for round := 0; round < 2+faults && faults < 5; round++ {
				if r := w.run(getmail, "--getmaildir", dir, "--rcfile", "rc"); r.code != 0 {
					faults++
					t.Logf("getmail: %v", r)
				}
			}
			// What it has fetched and not deleted it fetches again.
			got := subjectsOfMaildir(t, filepath.Join(dir, "maildir"))
			if twice := slices.Compact(slices.Clone(got)); !slices.Equal(twice, want) || faults == 0 && len(got) != len(want) {
				t.Errorf("getmail has %q, want %q", got, want)
			}
			if door.service == "imaps" {
				if got := w.subjects(door.user, "INBOX"); len(got) != 0 {
					t.Errorf("getmail has left %v behind", got)
				}
				return
			}
			s := w.pop(door.user)
			s.pop("STAT", "+OK 0 0")
			s.pop("QUIT", "+OK")
		})
	}
}

// subjectsOfMaildir are those of a Maildir's messages, sorted.
func subjectsOfMaildir(t *testing.T, dir string) []string {
	t.Helper()
	var subjects []string
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			m := regexp.MustCompile(`(?m)^Subject: (.*?)\r?$`).FindStringSubmatch(readFile(t, filepath.Join(dir, sub, e.Name())))
			if m == nil {
				t.Fatalf("%s has no subject", e.Name())
			}
			subjects = append(subjects, m[1])
		}
	}
	slices.Sort(subjects)
	return subjects
}

// mutt moves messages to another mailbox while mbsync keeps a Maildir in step with
// both. Neither is in the other's way, and in the end all of them agree.
func TestMuttAndMbsyncSideBySide(t *testing.T) {
	t.Parallel()
	mutt, mbsync := need(t, "mutt"), need(t, "mbsync")
	w := newHouse(t, "1MiB")
	ca := filepath.Join(w.dir, "mail", "tls", "ca.pem")
	var want []string
	in := w.greet()
	for i := range 40 {
		want = append(want, fmt.Sprintf("message %02d", i))
		if got := in.message("a@remote.test", "alice@example.com", "Subject: "+want[i]+"\r\n\r\n"+strings.Repeat("Hello.\r\n", 500)); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	port := strconv.Itoa(w.port["imaps"])
	w.write("mbsyncrc", "IMAPStore far\nHost localhost\nPort "+port+"\nUser alice@example.com\nPass quickstart\nSSLType IMAPS\nCertificateFile "+ca+"\n\n"+
		"MaildirStore near\nSubFolders Verbatim\nPath "+w.dir+"/maildir/\nInbox "+w.dir+"/maildir/INBOX\n\n"+
		"Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n")
	if err := os.MkdirAll(filepath.Join(w.dir, "maildir"), 0o755); err != nil {
		t.Fatal(err)
	}
	url := "imaps://localhost:" + port + "/"
	w.write("muttrc", `set imap_user="alice@example.com" imap_pass="quickstart" certificate_file="`+ca+`" folder="`+url+`"
set delete=yes quit=yes confirmappend=no confirmcreate=no wait_key=no header_cache="" mbox_type=Maildir move=no sleep_time=0
push "<tag-pattern>~s message<enter><tag-prefix><save-message>=Trash<enter><sync-mailbox><quit>"
`)
	// mutt speaks to a terminal, and needs no more than to be started on one.
	x := onTerminal(t, w.dir, []string{"HOME=" + w.dir}, mutt, "-n", "-F", filepath.Join(w.dir, "muttrc"), "-f", url+"INBOX")
	for range 3 {
		if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
			t.Errorf("mbsync beside mutt: %v", r)
		}
	}
	eventually(t, "mutt has moved all", func() bool { return len(w.subjects("alice@example.com", "INBOX")) == 0 })
	if code := x.end(); code != 0 {
		t.Errorf("mutt ends with %d and shows %q", code, x.text(0))
	}
	if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
		t.Errorf("mbsync after mutt: %v", r)
	}
	got := w.subjects("alice@example.com", "Trash")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the server's Trash has %v", got)
	}
	if got := subjectsOfMaildir(t, filepath.Join(w.dir, "maildir", "Trash")); !slices.Equal(got, want) {
		t.Errorf("the Maildir's Trash has %v", got)
	}
	if got := subjectsOfMaildir(t, filepath.Join(w.dir, "maildir", "INBOX")); len(got) != 0 {
		t.Errorf("the Maildir's INBOX has %v", got)
	}
}
