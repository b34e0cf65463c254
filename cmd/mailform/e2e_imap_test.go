package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Who may read by which protocol is the user's protocols; whoever guesses does
// not learn who exists.
func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	imap := func(user, password string) string {
		s := dial(t, w.addr("imap"))
		s.until("* OK")
		return s.imap("a", "LOGIN "+user+" "+password)
	}
	pop := func(user, password string) string {
		s := dial(t, w.addr("pop3"))
		s.until("+OK")
		s.pop("USER "+user, "+OK")
		s.send("PASS " + password)
		defer s.pop("QUIT", "+OK")
		return s.line()
	}
	for user, want := range map[string]struct{ imap, pop string }{
		"alice@example.com":  {"a OK", "+OK"},
		"ALICE@Example.COM":  {"a OK", "+OK"},
		"ida@example.com":    {"a OK", "-ERR [AUTH]"},
		"pia@example.com":    {"a NO [AUTHORIZATIONFAILED]", "+OK"},
		"off@example.com":    {"a NO [AUTHORIZATIONFAILED]", "-ERR [AUTH]"},
		"nosuch@example.com": {"a NO [AUTHENTICATIONFAILED]", "-ERR [AUTH]"},
		"al@example.com":     {"a NO [AUTHENTICATIONFAILED]", "-ERR [AUTH]"},
		"alice":              {"a NO [AUTHENTICATIONFAILED]", "-ERR [AUTH]"},
	} {
		if got := imap(user, "quickstart"); !strings.HasPrefix(got, want.imap) {
			t.Errorf("IMAP login of %s: %q, want %s", user, got, want.imap)
		}
		if got := pop(user, "quickstart"); !strings.HasPrefix(got, want.pop) {
			t.Errorf("POP3 login of %s: %q, want %s", user, got, want.pop)
		}
		if got, want := imap(user, "wrong"), imap("nosuch@example.com", "wrong"); got != want {
			t.Errorf("IMAP: a wrong password of %s is answered %q, that of nobody %q", user, got, want)
		}
		if got, want := pop(user, "wrong"), pop("nosuch@example.com", "wrong"); got != want {
			t.Errorf("POP3: a wrong password of %s is answered %q, that of nobody %q", user, got, want)
		}
	}
}

// The mailboxes that programs look for are there, and clients can make more.
func TestMailboxesOfAClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	s := w.mailbox("alice@example.com", "INBOX")
	list := s.imap("a", `LIST "" * RETURN (SPECIAL-USE)`)
	for name, use := range map[string]string{"Sent": `\Sent`, "Drafts": `\Drafts`, "Trash": `\Trash`, "Junk": `\Junk`} {
		if !regexp.MustCompile(`(?m)^\* LIST \([^)]*\` + use + `[^)]*\) "?/"? "?` + name + `"?\r?$`).MatchString(list) {
			t.Errorf("no %s with %s:\n%s", name, use, list)
		}
	}
	for _, step := range []struct{ cmd, want string }{
		{"CREATE Work/2026/March", "OK"},
		{"CREATE Work/2026/March", "NO [ALREADYEXISTS]"},
		{"CREATE INBOX/sub", "OK"},
		{`CREATE "M&APw-ller"`, "OK"},
		{"APPEND Work/2026/March {8+}\r\na: b\r\n\r\n", "OK"},
		{"RENAME Work Done", "OK"},
		{"STATUS Done/2026/March (MESSAGES UIDNEXT)", "OK"},
		{"SELECT Work/2026/March", "NO [NONEXISTENT]"},
		{"SELECT Done/2026/March", "OK"},
		{"DELETE Done", "NO [HASCHILDREN]"},
		{"CREATE INBOX", "NO"},
		{"DELETE INBOX", "NO"},
		{"NAMESPACE", "OK"},
	} {
		got := s.imap("c", step.cmd)
		if !strings.Contains(got, "c "+step.want) {
			t.Errorf("%s: %q, want %s", step.cmd, got, step.want)
		}
	}
	if got := s.imap("d", `LIST "" "Done/%/%"`); !strings.Contains(got, "Done/2026/March") {
		t.Errorf("LIST: %s", got)
	}
}

// A message is stored when all of it has come, and EXAMINE changes nothing.
func TestIMAPNeitherInventsNorLosesMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	for _, size := range []string{"{200}", "{200+}", "{200000+}"} {
		s := w.mailbox("alice@example.com", "INBOX")
		s.send("a APPEND INBOX " + size)
		if !strings.Contains(size, "+") {
			s.until("+")
		}
		if _, err := fmt.Fprint(s.c, "Subject: cut short\r\n\r\nnot all of"); err != nil {
			t.Fatal(err)
		}
		if err := s.c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := s.ended(); strings.Contains(got, "a OK") {
			t.Errorf("APPEND %s that broke off was answered %q", size, got)
		}
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 0 {
		t.Fatalf("messages that broke off were stored: %v", got)
	}

	w.deliver("alice@example.com", "one")
	w.deliver("alice@example.com", "two")
	marked := w.mailbox("alice@example.com", "INBOX")
	marked.imap("a", `STORE 1 +FLAGS (\Deleted)`)
	s := dial(t, w.addr("imap"))
	s.until("* OK")
	s.imap("a", "LOGIN alice@example.com quickstart")
	for _, cmd := range []string{`STORE 1:2 +FLAGS (\Deleted)`, "EXPUNGE", "UID EXPUNGE 1:*", "MOVE 1 Trash"} {
		s.imap("b", "EXAMINE INBOX")
		if got := s.imap("c", cmd); !strings.Contains(got, "c NO") {
			t.Errorf("%s after EXAMINE: %s", cmd, got)
		}
	}
	for _, cmd := range []string{"FETCH 1 BODY[]", "CLOSE"} {
		s.imap("d", "EXAMINE INBOX")
		s.imap("e", cmd)
	}
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "one,two" {
		t.Errorf("after EXAMINE: %v", got)
	}
	if got := marked.imap("f", "FETCH 1:2 FLAGS"); strings.Contains(got, `\Seen`) || strings.Count(got, `\Deleted`) != 1 {
		t.Errorf("flags after EXAMINE:\n%s", got)
	}
}

// A quota holds at every door, and clients can ask for it.
func TestAQuotaHoldsEverywhere(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	user := "tiny@example.com" // 16 KiB
	s := w.mailbox(user, "INBOX")
	if got := s.imap("a", "GETQUOTAROOT INBOX"); !regexp.MustCompile(`(?m)^\* QUOTA \S+ \(STORAGE 0 16\)`).MatchString(got) {
		t.Errorf("GETQUOTAROOT of an empty mailbox:\n%s", got)
	}
	text := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 62)+"\r\n", 150) // 9.4 KiB
	in := w.greet()
	if got := in.message("a@remote.test", user, text); !strings.HasPrefix(got, "250") {
		t.Fatalf("the first message: %s", got)
	}
	if got := in.message("a@remote.test", user, text); !regexp.MustCompile(`^(452 4|552 5)\.2\.2 `).MatchString(got) {
		t.Errorf("a message beyond the quota: %s", got)
	}
	in.expect("MAIL FROM:<a@remote.test> SIZE=10000", "250")
	if got := in.smtp("RCPT TO:<" + user + ">"); !regexp.MustCompile(`^(452 4|552 5)\.2\.2 `).MatchString(got) {
		t.Errorf("RCPT with a size beyond the quota: %s", got)
	}
	in.expect("RCPT TO:<alice@example.com>", "250", "RSET", "250")
	for _, literal := range []string{"{%d}", "{%d+}"} {
		cmd := "APPEND INBOX " + fmt.Sprintf(literal, len(text))
		if strings.Contains(literal, "+") {
			cmd += "\r\n" + text
		}
		if got := s.imap("b", cmd); !strings.Contains(got, "b NO [OVERQUOTA]") {
			t.Errorf("APPEND %s beyond the quota: %.200q", literal, got)
		}
	}
	s.imap("n", "NOOP")
	if got := s.imap("c", "COPY 1 Sent"); !strings.Contains(got, "c NO [OVERQUOTA]") {
		t.Errorf("COPY beyond the quota: %s", got)
	}
	if got := s.imap("d", "GETQUOTAROOT INBOX"); !regexp.MustCompile(`(?m)^\* QUOTA \S+ \(STORAGE (9|10) 16\)`).MatchString(got) {
		t.Errorf("GETQUOTAROOT of a mailbox with 9.6 KiB:\n%s", got)
	}
	s.imap("e", "MOVE 1 Trash") // takes no more room
	if got := s.imap("f", "STATUS Trash (MESSAGES)"); !strings.Contains(got, "MESSAGES 1") {
		t.Errorf("after a MOVE at the edge of the quota: %s", got)
	}
	s.imap("g", "SELECT Trash")
	s.imap("h", `STORE 1 +FLAGS (\Deleted)`)
	s.imap("i", "EXPUNGE")
	if got := in.message("a@remote.test", user, text); !strings.HasPrefix(got, "250") {
		t.Errorf("after the mailbox was emptied: %s", got)
	}
}

// A program that waits in IDLE hears of all that happens, whoever does it.
func TestIdleHearsOfEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	idle := w.mailbox("alice@example.com", "INBOX")
	idle.send("a IDLE")
	idle.until("+")
	w.deliver("alice@example.com", "one")
	idle.until("* 1 EXISTS")
	w.deliver("alice@example.com", "two")
	idle.until("* 2 EXISTS")
	other := w.mailbox("alice@example.com", "INBOX")
	other.imap("a", `STORE 1 +FLAGS (\Flagged)`)
	if got := idle.until("* 1 FETCH"); !strings.Contains(strings.Join(got, ""), `\Flagged`) {
		t.Errorf("IDLE after a change of flags: %v", got)
	}
	other.imap("b", "APPEND INBOX {22+}\r\nSubject: appended\r\n\r\nx")
	idle.until("* 3 EXISTS")
	other.imap("c", "LOGOUT")
	pop := w.pop("alice@example.com")
	pop.pop("DELE 1", "+OK")
	pop.pop("QUIT", "+OK")
	idle.until("* 1 EXPUNGE")
	idle.send("DONE")
	idle.until("a OK")
}

// mbsync keeps a Maildir in step, also over a killed server.
func TestMbsyncKeepsInStep(t *testing.T) {
	t.Parallel()
	mbsync := need(t, "mbsync")
	w := newHouse(t, "1MiB")
	config := strings.NewReplacer("PORT", strconv.Itoa(w.port["imaps"]), "DIR", w.dir).Replace(`IMAPAccount a
Host localhost
Port PORT
User alice@example.com
Pass quickstart
SSLType IMAPS
CertificateFile DIR/mail/tls/ca.pem

IMAPStore far
Account a

MaildirStore near
SubFolders Verbatim
Path DIR/maildir/
Inbox DIR/maildir/INBOX

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`)
	if err := os.WriteFile(filepath.Join(w.dir, "mbsyncrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "maildir"), 0o755); err != nil {
		t.Fatal(err)
	}
	sync := func() result { return w.run(mbsync, "-c", "mbsyncrc", "c") }
	fetched := func() []string {
		var subjects []string
		files, err := filepath.Glob(filepath.Join(w.dir, "maildir", "INBOX", "*", "*U=*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			m := regexp.MustCompile(`(?m)^Subject: (.*?)\r?$`).FindStringSubmatch(readFile(t, f))
			if m != nil {
				subjects = append(subjects, m[1])
			}
		}
		slices.Sort(subjects)
		return subjects
	}
	const many = 60
	var want []string
	in := w.greet()
	filler := strings.Repeat(strings.Repeat("y", 70)+"\r\n", 1000)
	for i := range many {
		subject := fmt.Sprintf("message %02d", i)
		want = append(want, subject)
		if got := in.message("a@remote.test", "alice@example.com", "Subject: "+subject+"\r\n\r\n"+filler); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	validity := regexp.MustCompile(`UIDVALIDITY (\d+)`).FindString(w.mailbox("alice@example.com", "Sent").imap("v", "STATUS INBOX (UIDVALIDITY)"))

	// The daemon is killed when the first messages have come.
	done := make(chan result, 1)
	go func() { done <- sync() }()
	eventually(t, "mbsync has fetched something", func() bool {
		files, _ := filepath.Glob(filepath.Join(w.dir, "maildir", "INBOX", "*", "*"))
		return len(files) > 2
	})
	if p, err := os.FindProcess(w.pid()); err == nil {
		_ = p.Kill()
	}
	r := <-done
	t.Logf("mbsync with a server that dies: exit code %d with %d messages", r.code, len(fetched()))
	w.ok("start")
	if r := sync(); r.code != 0 {
		t.Fatalf("mbsync after a crash: %v\n%s", r, w.log())
	}
	if got := fetched(); !slices.Equal(got, want) {
		t.Errorf("mbsync fetched %d messages, want %d: %v", len(got), len(want), got)
	}
	if got := regexp.MustCompile(`UIDVALIDITY (\d+)`).FindString(w.mailbox("alice@example.com", "Sent").imap("v", "STATUS INBOX (UIDVALIDITY)")); got != validity {
		t.Errorf("%s after a crash, was %s", got, validity)
	}

	snapshot := func() string {
		var all []string
		err := filepath.WalkDir(filepath.Join(w.dir, "maildir"), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(path, "U=") {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	before := snapshot()
	if r := sync(); r.code != 0 {
		t.Errorf("mbsync again: %v", r)
	}
	if snapshot() != before {
		t.Error("a second mbsync changed something")
	}

	// A change on each side goes to the other.
	s := w.mailbox("alice@example.com", "INBOX")
	s.imap("a", `STORE 1 +FLAGS (\Deleted)`)
	s.imap("b", "EXPUNGE")
	s.imap("c", `STORE 1 +FLAGS (\Flagged \Seen)`)
	draft := filepath.Join(w.dir, "maildir", "Drafts", "cur", strconv.FormatInt(time.Now().Unix(), 10)+".1.here:2,DS")
	if err := os.WriteFile(draft, []byte("Subject: from the Maildir\n\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "maildir", "New", "cur"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.dir, "maildir", "New", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if r := sync(); r.code != 0 {
		t.Fatalf("mbsync both ways: %v", r)
	}
	if got := fetched(); !slices.Equal(got, want[1:]) {
		t.Errorf("after an EXPUNGE on the server: %v", got)
	}
	if files, _ := filepath.Glob(filepath.Join(w.dir, "maildir", "INBOX", "*", "*:2,FS")); len(files) != 1 {
		t.Errorf("%d messages are flagged in the Maildir, want 1", len(files))
	}
	if got := w.subjects("alice@example.com", "Drafts"); strings.Join(got, ",") != "from the Maildir" {
		t.Errorf("the server's Drafts: %v", got)
	}
	if got := s.imap("d", `LIST "" New`); !strings.Contains(got, "New") {
		t.Errorf("a folder made in the Maildir is not on the server: %s", got)
	}
}

// A new password holds as soon as it is applied, and the old one no more.
func TestANewPasswordHoldsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	login := func(password string) string {
		s := dial(t, w.addr("imap"))
		s.until("* OK")
		got := s.imap("a", "LOGIN alice@example.com "+password)
		s.send("b LOGOUT")
		return got
	}
	if got := login("quickstart"); !strings.Contains(got, "a OK") {
		t.Fatal(got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := w.command(ctx, binary, "passwd")
	cmd.Stdin = strings.NewReader("another-one\n")
	hash, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	w.edit("main.mf.hcl", hashInQuickstart(t), strings.TrimSpace(string(hash)))
	w.apply()
	if got := login("quickstart"); !strings.Contains(got, "a NO [AUTHENTICATIONFAILED]") {
		t.Errorf("the old password: %s", got)
	}
	if got := login("another-one"); !strings.Contains(got, "a OK") {
		t.Errorf("the new password: %s", got)
	}
}
