package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Further programs that people read their mail with, each in its own way.
func TestFurtherProgramsReadMail(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	ca := filepath.Join(w.dir, "mail", "tls", "ca.pem")
	t.Run("mpop", func(t *testing.T) {
		t.Parallel()
		mpop, w := need(t, "mpop"), w.in(t)
		for _, subject := range []string{"one", "two"} {
			w.deliver("pia@example.com", subject)
		}
		dir := t.TempDir()
		for _, sub := range []string{"", "cur", "new", "tmp"} {
			mkdir(t, filepath.Join(dir, "maildir", sub))
		}
		rc := "defaults\nhost localhost\nuser pia@example.com\npassword quickstart\ntls on\ntls_trust_file " + ca + "\ndelivery maildir " + dir + "/maildir\nuidls_file " + dir + "/uidls\nreceived_header off\n" +
			"account stls\ntls_starttls on\nport " + strconv.Itoa(w.port["pop3"]) + "\nkeep on\n" +
			"account tls\ntls_starttls off\nport " + strconv.Itoa(w.port["pop3s"]) + "\nkeep off\n"
		if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600); err != nil {
			t.Fatal(err)
		}
		has := func(account string, want ...string) {
			t.Helper()
			if r := w.run(mpop, "-C", filepath.Join(dir, "rc"), account); r.code != 0 {
				t.Errorf("mpop %s: %v", account, r)
			}
			if got := subjectsOfMaildir(t, filepath.Join(dir, "maildir")); !slices.Equal(got, want) {
				t.Errorf("mpop %s has %q, want %q", account, got, want)
			}
		}
		has("stls", "one", "two")
		has("stls", "one", "two") // nothing is new
		w.deliver("pia@example.com", "three")
		has("stls", "one", "three", "two")
		has("tls", "one", "three", "two")
		s := w.pop("pia@example.com")
		s.pop("STAT", "+OK 0 0")
		s.pop("QUIT", "+OK")
	})
	t.Run("offlineimap", func(t *testing.T) {
		t.Parallel()
		offlineimap, w := need(t, "offlineimap"), w.in(t)
		for _, subject := range []string{"one", "two", "three"} {
			w.deliver("ida@example.com", subject)
		}
		dir := t.TempDir()
		rc := "[general]\naccounts = a\nmetadata = " + dir + "/meta\nui = basic\n[Account a]\nlocalrepository = near\nremoterepository = far\n" +
			"[Repository near]\ntype = Maildir\nlocalfolders = " + dir + "/maildir\n[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = " + strconv.Itoa(w.port["imaps"]) +
			"\nremoteuser = ida@example.com\nremotepass = quickstart\nssl = yes\nsslcacertfile = " + ca + "\n"
		if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600); err != nil {
			t.Fatal(err)
		}
		sync := func() {
			t.Helper()
			if r := w.run(offlineimap, "-o", "-c", filepath.Join(dir, "rc")); r.code != 0 {
				t.Fatalf("offlineimap: %v", r)
			}
		}
		inbox := filepath.Join(dir, "maildir", "INBOX")
		sync()
		if got := subjectsOfMaildir(t, inbox); !slices.Equal(got, []string{"one", "three", "two"}) {
			t.Fatalf("offlineimap has fetched %q", got)
		}
		// One is read here, one goes, one is new, and another comes in meanwhile.
		files, err := filepath.Glob(filepath.Join(inbox, "*", "*,U=*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			switch text := readFile(t, f); {
			case strings.Contains(text, "Subject: one"):
				base, _, _ := strings.Cut(filepath.Base(f), ":")
				err = os.Rename(f, filepath.Join(inbox, "cur", base+":2,S"))
			case strings.Contains(text, "Subject: two"):
				err = os.Remove(f)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(inbox, "new", "1.2.here"), []byte("Subject: four\n\nmade here\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.deliver("ida@example.com", "five")
		sync()
		sync()
		want := []string{"five", "four", "one", "three"}
		if got := subjectsOfMaildir(t, inbox); !slices.Equal(got, want) {
			t.Errorf("offlineimap has %q, want %q", got, want)
		}
		got := w.subjects("ida@example.com", "INBOX")
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("the server has %q, want %q", got, want)
		}
		s := w.mailbox("ida@example.com", "INBOX")
		if got := s.imap("s", "SEARCH SEEN SUBJECT one"); !strings.Contains(got, "* SEARCH 1") {
			t.Errorf("what was read here is not read there: %s", got)
		}
	})
	t.Run("Python's imaplib and poplib", func(t *testing.T) {
		t.Parallel()
		python, w := need(t, "python3"), w.in(t)
		w.write("read.py", readByPython)
		r := w.run(python, filepath.Join(w.dir, "read.py"), ca, strconv.Itoa(w.port["imap"]), strconv.Itoa(w.port["pop3"]))
		if r.code != 0 || !strings.HasSuffix(r.stdout, "all is well\n") {
			t.Errorf("python3: %v", r)
		}
	})
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// readByPython goes through what the two modules of Python can do.
const readByPython = `
import imaplib, poplib, ssl, sys
tls = ssl.create_default_context(cafile=sys.argv[1])

def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data

m = imaplib.IMAP4("localhost", int(sys.argv[2]))
ok(m.starttls(tls))
ok(m.authenticate("PLAIN", lambda challenge: b"\0bob@example.com\0quickstart"))
offered = ok(m.capability())[0].split()
assert b"SORT" in offered and b"THREAD=REFERENCES" in offered, offered
ok(m.create("Box"))
for n, subject in enumerate(["pear", "apple", "quince"]):
    text = "Subject: %s\r\nMessage-ID: <%d@x>\r\n%s\r\nbody of %s\r\n" % (subject, n, "References: <0@x>\r\n" if n == 2 else "", subject)
    ok(m.append("Box", r"(\Flagged)" if n else None, imaplib.Time2Internaldate(1000000000 + n * 86400), text.encode()))
assert ok(m.select("Box")) == [b"3"]
assert ok(m.sort("SUBJECT", "UTF-8", "ALL")) == [b"2 1 3"]
assert ok(m.thread("REFERENCES", "UTF-8", "ALL")) == [b"(1 3)(2)"]
assert ok(m.search(None, "BODY", '"of apple"')) == [b"2"]
assert ok(m.search(None, "SINCE", "10-Sep-2001", "FLAGGED")) == [b"2 3"]
assert b"Subject: quince" in ok(m.fetch("3", "(BODY[HEADER])"))[0][1]
assert ok(m.uid("COPY", "2", "INBOX")) is not None
ok(m.store("1", "+FLAGS", r"\Deleted"))
assert ok(m.expunge()) == [b"1"]
root, quota = ok(m.getquotaroot("Box"))
ok(m.rename("Box", "Chest"))
ok(m.subscribe("Chest"))
assert any(b"Chest" in line for line in ok(m.lsub()))
ok(m.close())
ok(m.delete("Chest"))
assert m.select("Chest")[0] == "NO"
ok(m.select("INBOX"))
ok(m.unselect())
assert m.logout()[0] == "BYE"

p = poplib.POP3("localhost", int(sys.argv[3]))
assert "STLS" in p.capa() and "PIPELINING" in p.capa(), p.capa()
p.stls(tls)
p.user("bob@example.com")
p.pass_("quickstart")
count, size = p.stat()
assert count == 1 and size == len(b"\r\n".join(p.retr(1)[1]) + b"\r\n"), (count, size)
assert p.top(1, 0)[1][-1] == b"" and b"Subject: apple" in p.top(1, 0)[1], p.top(1, 0)
uid = p.uidl(1).split()[2]
assert p.uidl()[1] == [b"1 " + uid]
p.dele(1)
p.rset()
assert p.stat()[0] == 1
p.dele(1)
p.quit()
print("all is well")
`
