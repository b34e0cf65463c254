package dovecot_test

// What those see who read their mail and hand some in.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

func TestClients(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients(t, instance(t))
		})
	}
}

func clients(t *testing.T, d *mailtest.DovecotInstance) {
	r := newRigOf(t, d,
		user("alice", nil), user("pia", attrs{"protocols": list("pop3")}), user("ida", attrs{"protocols": list("imap")}), user("none", attrs{"protocols": list()}),
		user("off", attrs{"mail": str("disabled")}), user("tiny", attrs{"quota": num(16 << 10)}), user("o'neil+x&y=z~#", nil),
		user("empty", attrs{"password_hash": list()}))

	for _, tt := range []struct {
		name, url string
		ok        bool
	}{
		{"alice", "imap://" + r.imap, true}, {"alice", "imaps://" + r.imaps, true}, {"alice", "pop3://" + r.pop3, true}, {"alice", "pop3s://" + r.pop3s, true},
		{"ALICE", "imap://" + r.imap, true},
		{"pia", "imap://" + r.imap, false}, {"pia", "imaps://" + r.imaps, false}, {"pia", "pop3://" + r.pop3, true}, {"pia", "pop3s://" + r.pop3s, true},
		{"ida", "imap://" + r.imap, true}, {"ida", "pop3://" + r.pop3, false}, {"ida", "pop3s://" + r.pop3s, false},
		{"none", "imap://" + r.imap, false}, {"none", "pop3://" + r.pop3, false},
		{"off", "imap://" + r.imap, false}, {"off", "pop3://" + r.pop3, false}, {"empty", "imap://" + r.imap, false},
		{"nobody", "imap://" + r.imap, false}, {"o'neil+x&y=z~#", "imap://" + r.imap, true},
	} {
		if got := r.logsIn(tt.name, tt.url+"/"); got != tt.ok {
			t.Errorf("%s at %s: %v", tt.name, tt.url, got)
		}
	}
	if !r.logsIn("alice", "imap://"+r.imap+"/", "--ssl-reqd") || !r.logsIn("alice", "pop3://"+r.pop3+"/", "--ssl-reqd") {
		t.Error("STARTTLS does not work")
	}
	if _, ok := r.run("curl", "-sS", "-u", "alice@example.com:wrong", "imap://"+r.imap+"/"); ok {
		t.Error("a wrong password is taken")
	}

	if out, ok := r.deliver("alice@example.com", "first"); !ok {
		t.Fatalf("LMTP: %s", out)
	}
	if got := r.messages("alice"); got != "(MESSAGES 1)" {
		t.Errorf("alice has %s", got)
	}
	if out, ok := r.run("curl", "-sS", "-u", "alice@example.com:quickstart", "pop3://"+r.pop3+"/1"); !ok || !strings.Contains(out, "Subject: first") {
		t.Errorf("by POP3: %s", out)
	}
	if out, ok := r.deliver("nobody@example.com", "x"); ok || !strings.Contains(out, "<** 550 5.1.1") {
		t.Errorf("mail for nobody: %s", out)
	}
	r.full()
	r.synchronises()
}

// full fills a mailbox: what does not fit is refused for good or for now, and never
// taken.
func (r *rig) full() {
	large := r.path("large.eml")
	if err := os.WriteFile(large, []byte("Subject: large\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 300)), 0o644); err != nil {
		r.t.Fatal(err)
	}
	out, ok := r.deliver("tiny@example.com", "x", "--data", "@"+large, "--suppress-data")
	if ok || !strings.Contains(out, "<** 552 5.2.2") && !strings.Contains(out, "<** 452 4.2.2") {
		r.t.Errorf("mail beyond the quota: %s", out)
	}
	if got := r.messages("tiny"); got != "(MESSAGES 0)" {
		r.t.Errorf("tiny has %s", got)
	}
	if out, ok := r.deliver("tiny@example.com", "small"); !ok {
		r.t.Errorf("a small message: %s", out)
	}
	if out, _ := r.run("curl", "-sS", "-u", "tiny@example.com:quickstart", "imap://"+r.imap+"/", "-X", "GETQUOTAROOT INBOX"); !strings.Contains(out, " 16)") {
		r.t.Errorf("the client is told of the quota: %s", out)
	}
}

// synchronises has mbsync fetch the mail.
func (r *rig) synchronises() {
	host, port, _ := net.SplitHostPort(r.imap)
	rc := fmt.Sprintf("IMAPAccount a\nHost %s\nPort %s\nUser alice@example.com\nPass quickstart\nSSLType None\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nInbox %s/\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n",
		host, port, r.path("synced"))
	if err := errors.Join(os.WriteFile(r.path("mbsyncrc"), []byte(rc), 0o600), os.MkdirAll(r.path("synced"), 0o700)); err != nil {
		r.t.Fatal(err)
	}
	if out, ok := r.run("mbsync", "-c", r.path("mbsyncrc"), "-a"); !ok {
		r.t.Errorf("mbsync: %s", out)
	}
	if files, err := filepath.Glob(r.path("synced/[nc][eu][wr]/*")); err != nil || len(files) != 1 {
		r.t.Errorf("mbsync has fetched %d messages, %v", len(files), err)
	}
}

// A client that waits for mail (IDLE, RFC 2177) goes on waiting while users come
// and go and settings change, and hears of the mail.
func TestIdleSurvives(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	c, err := net.Dial("tcp", r.imap)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	expect := func(what string) {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(60 * time.Second))
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("waiting for %q: %v", what, err)
			}
			if strings.Contains(line, what) {
				return
			}
			if strings.Contains(line, "BYE") {
				t.Fatalf("the server ends it: %s", line)
			}
		}
	}
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	expect("* OK")
	say("a LOGIN alice@example.com quickstart")
	expect("a OK")
	say("b SELECT INBOX")
	expect("b OK")
	say("c IDLE")
	expect("+ ")

	pid := strings.TrimSpace(r.read("run/master.pid"))
	r.apply(creates(user("bob", nil))...)
	if !r.logsIn("bob", "imap://"+r.imap+"/") {
		t.Error("bob, who was added, cannot log in")
	}
	r.apply(creates(parameter("protocol imap/mail_max_userip_connections", "17"))...) // reloads
	r.apply(r.removal(user("bob", nil)))
	eventually(t, "bob, who was taken away, cannot log in", func() bool { return !r.logsIn("bob", "imap://"+r.imap+"/") })
	// Six seconds after each reload Dovecot would end what is left of before, by its own defaults.
	time.Sleep(8 * time.Second)
	if now := strings.TrimSpace(r.read("run/master.pid")); now != pid {
		t.Errorf("it was restarted: process %s is %s now", pid, now)
	}
	if out, ok := r.deliver("alice@example.com", "hello"); !ok {
		t.Fatal(out)
	}
	expect("* 1 EXISTS")
	say("DONE")
	expect("c OK")

	r.apply(r.removal(service())) // and then nobody outlives it
	_ = c.SetReadDeadline(time.Now().Add(60 * time.Second))
	if rest, err := io.ReadAll(in); err != nil {
		t.Errorf("the session goes on after Dovecot was stopped: %q, %v", rest, err)
	}
}

// Mail of a user who was removed is kept until the time of the store is over: he
// has it again when he comes back, and it goes with the first change after that.
func TestMailIsRetained(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil), user("bob", nil))
	r.now = time.Now()
	for range 2 {
		for _, name := range []string{"alice", "bob"} {
			if out, ok := r.deliver(name+"@example.com", "kept"); !ok {
				t.Fatal(out)
			}
		}
	}
	counter, ok := r.provider().(providers.Counter)
	if !ok {
		t.Fatal("nobody counts")
	}
	held, err := counter.Count(t.Context(), []string{"alice@example.com", "bob@example.com"})
	if err != nil || len(held) != 2 || held["alice@example.com"].Messages != 2 || held["alice@example.com"].Bytes < 200 {
		t.Errorf("counted %v, %v", held, err)
	}
	r.apply(r.removal(user("alice", nil)), r.removal(user("bob", nil)))
	eventually(t, "alice cannot log in", func() bool { return !r.logsIn("alice", "imap://"+r.imap+"/") })
	if out, ok := r.deliver("alice@example.com", "x"); ok {
		t.Errorf("mail for alice is taken: %s", out)
	}
	o := r.observed()[schema.KindMailbox+" alice@example.com"]
	if !o.Retained {
		t.Fatalf("alice is seen as %+v", o)
	}
	r.now = r.now.Add(30 * time.Minute)
	r.apply(providers.Change{Action: providers.Create, Resource: user("alice", nil), Prior: &o})
	if got := r.messages("alice"); got != "(MESSAGES 2)" {
		t.Errorf("alice is back with %s", got)
	}
	if _, err := os.Stat(r.path("mail/example.com/bob/Maildir")); err != nil {
		t.Errorf("bob's mail is gone before its time: %v", err)
	}
	r.now = r.now.Add(31 * time.Minute)
	r.apply(creates(user("carol", nil))...)
	if _, err := os.Stat(r.path("mail/example.com/bob")); !os.IsNotExist(err) {
		t.Errorf("bob's mail is still there: %v", err)
	}
	if _, there := r.observed()[schema.KindMailbox+" bob@example.com"]; there {
		t.Error("bob is still remembered")
	}
	if got := r.messages("alice"); got != "(MESSAGES 2)" {
		t.Errorf("after that alice has %s", got)
	}
	r.apply(creates(user("bob", nil))...)
	if out, ok := r.deliver("bob@example.com", "new"); !ok || r.messages("bob") != "(MESSAGES 1)" {
		t.Errorf("bob is back with %s: %s", r.messages("bob"), out)
	}
}
