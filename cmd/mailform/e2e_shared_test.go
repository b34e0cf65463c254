package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const sharedFiles = `
shared_folder "team" {
  domain  = domain.example
  name    = "team"
  readers = [user.bob]
  writers = [user.alice, user.carol]
}
user "carol" {
  domain = domain.example
  name   = "carol"
  sieve  = "require \"fileinto\"; fileinto \"Shared Folders/team\";"
}
`

// sharedClient asks by Python's own library what a mail program asks.
const sharedClient = `
import imaplib, sys
port, user, box = int(sys.argv[1]), sys.argv[2], '"Shared Folders/team"'
c = imaplib.IMAP4("127.0.0.1", port)
c.login(user, "quickstart")
print(c.namespace()[1][0].decode())
print(c.myrights(box)[1][0].decode())
print(c.select(box)[0], c.search(None, "SUBJECT", "by")[1][0].decode())
print(c.append(box, None, None, b"Subject: by a client\r\n\r\nx\r\n")[0])
print(c.getacl(box)[0])
`

// A shared folder in the files is there for whom they name, mail for its address and
// out of a script goes there, and mail programs find it.
func TestSharedFolder(t *testing.T) {
	t.Parallel()
	mbsync, python := need(t, "mbsync"), need(t, "python3")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "shared.mf.hcl": sharedFiles, "client.py": sharedClient})
	w.apply()
	w.noChanges()
	w.deliver("team@example.com", "by its address")
	w.deliver("carol@example.com", "by a script")
	if got := w.subjects("alice@example.com", `"Shared Folders/team"`); len(got) != 2 {
		t.Fatalf("in the folder are %q", got)
	}
	ask := func(user string) string {
		r := w.run(python, "client.py", strconv.Itoa(w.port["imap"]), user)
		if r.code != 0 {
			t.Fatalf("%s: %v", user, r)
		}
		return r.stdout
	}
	space := `(("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))` + "\n"
	if got, want := ask("bob@example.com"), space+"\"Shared Folders/team\" lrs\nOK 1 2\nNO\nNO\n"; got != want {
		t.Errorf("bob, who reads it, sees\n%swant\n%s", got, want)
	}
	if got, want := ask("alice@example.com"), space+"\"Shared Folders/team\" lrswipte\nOK 1 2\nOK\nNO\n"; got != want {
		t.Errorf("alice, who writes, sees\n%swant\n%s", got, want)
	}

	// The messages come down, and one goes up.
	config := strings.NewReplacer("PORT", strconv.Itoa(w.port["imap"]), "DIR", w.dir).Replace(`IMAPAccount a
Host 127.0.0.1
Port PORT
User alice@example.com
Pass quickstart
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
SubFolders Verbatim
Path DIR/maildir/
Inbox DIR/maildir/INBOX

Channel c
Far ":far:Shared Folders/team"
Near :near:team
Create Near
Expunge Both
SyncState *
`)
	near := filepath.Join(w.dir, "maildir", "team", "new")
	if err := os.MkdirAll(filepath.Join(w.dir, "maildir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "mbsyncrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
		t.Fatalf("mbsync: %v", r)
	}
	if got, err := os.ReadDir(near); err != nil || len(got) == 0 {
		t.Errorf("mbsync has fetched %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(near, "1.local"), []byte("Subject: from mbsync\n\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
		t.Fatalf("mbsync again: %v", r)
	}
	if got := strings.Join(w.subjects("bob@example.com", `"Shared Folders/team"`), ","); !strings.Contains(got, "from mbsync") {
		t.Errorf("bob sees %q", got)
	}

	// Without bob it is gone for him; without the block for all, and its mail is kept.
	w.edit("shared.mf.hcl", "  readers = [user.bob]\n", "")
	w.apply()
	s := w.mailbox("bob@example.com", "INBOX")
	if got := s.imap("a", `LIST "" "Shared*"`); strings.Contains(got, "team") {
		t.Errorf("bob, who is no reader any more, sees %s", got)
	}
	block, _, _ := strings.Cut(sharedFiles, "user ")
	w.edit("shared.mf.hcl", strings.Replace(block, "  readers = [user.bob]\n", "", 1), "")
	if out := w.apply(); !strings.Contains(out, "kept") {
		t.Errorf("the plan does not say that its mail is kept:\n%s", out)
	}
	if got := s.imap("b", `SELECT "Shared Folders/team"`); !strings.Contains(got, "b NO") {
		t.Errorf("SELECT of what is gone: %s", got)
	}
}
