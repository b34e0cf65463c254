package main

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
)

// Spam goes to Junk, viruses are refused, and the rest comes in: with the real
// rspamd, clamd and clamav-milter, in the order of the files; and what becomes of
// mail when they are gone is what the files say.
func TestFiltersOfTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	spam, viruses := mailtest.Rspamd(t), mailtest.Clamav(t, "Reject")
	held := mailtest.Clamav(t, "Quarantine")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "filters.mf.hcl": `
filter "spam" {
  type    = "rspamd"
  address = "` + spam + `"
}
filter "viruses" {
  type    = "clamav"
  address = "` + viruses + `"
}
filter "held" {
  address = "` + held + `"
}
`})
	w.edit("main.mf.hcl", `server "main" {`, "server \"main\" {\n  filters = [filter.spam, filter.viruses]")
	w.apply()
	w.noChanges()
	send := func(subject, line, want string) {
		t.Helper()
		s := dial(t, w.addr("smtp"))
		s.until("220")
		s.expect("EHLO client.example.net", "250", "MAIL FROM:<sender@example.net>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354",
			"From: sender@example.net\r\nTo: alice@example.com\r\nDate: Thu, 26 Nov 2026 04:00:00 +0000\r\nMessage-ID: <"+subject+"@example.net>\r\nX-Spam: Yes\r\nSubject: "+subject+"\r\n\r\n"+line+"\r\n.", want)
		s.send("QUIT")
	}
	send("plain", "Hello.", "250")
	send("spam", mailtest.GtubeAddHeader, "250")
	send("much", mailtest.GtubeReject, "554 5.7.1 Gtube pattern")
	send("virus", mailtest.Eicar, "550 5.7.1 Virus found: Eicar-Test-Signature")
	for name, want := range map[string]string{"INBOX": "plain", "Junk": "spam"} {
		if got := strings.Join(w.subjects("alice@example.com", name), " "); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}

	// What is put into quarantine waits for somebody.
	w.edit("main.mf.hcl", "filters = [filter.spam, filter.viruses]", "filters = [filter.held]")
	if plan := w.ok("plan"); !strings.Contains(plan, `server.main.smtp.filter["held"] will be created`) {
		t.Errorf("the plan is: %s", plan)
	}
	w.apply()
	w.noChanges()
	send("odd", mailtest.Eicar, "250")
	if list := w.ok("queue", "list"); !strings.Contains(list, "alice@example.com") || !strings.Contains(list, "held") {
		t.Errorf("the queue is: %s", list)
	}
	w.ok("queue", "release", "-all")
	if list := w.ok("queue", "list"); list != "The queue is empty.\n" {
		t.Errorf("after the release: %s", list)
	}
	if got := strings.Join(w.subjects("alice@example.com", "INBOX"), " "); got != "plain odd" {
		t.Errorf("INBOX has %q, want plain and odd", got)
	}

	// And when it is gone, the files say what becomes of mail, without a restart.
	w.edit("filters.mf.hcl", held, "unix:/nowhere/milter.sock")
	w.apply()
	s := dial(t, w.addr("smtp"))
	s.until("220")
	s.expect("EHLO client.example.net", "250", "MAIL FROM:<sender@example.net>", "451 4.7.1")
	w.edit("filters.mf.hcl", `address = "unix:/nowhere/milter.sock"`, "address    = \"unix:/nowhere/milter.sock\"\n  on_failure = \"accept\"")
	w.apply()
	send("unseen", mailtest.Eicar, "250")
	if got := strings.Join(w.subjects("alice@example.com", "INBOX"), " "); got != "plain odd unseen" {
		t.Errorf("INBOX has %q, want plain, odd and unseen", got)
	}
}

// The same with Postfix and Dovecot: Postfix has the filters, and a script of the
// user files what they have marked.
func TestFiltersOfAPair(t *testing.T) {
	t.Parallel()
	r := newReal(t, "postfix-dovecot", false, postfixDovecot(t))
	r.write("filters.mf.hcl", `
filter "spam" {
  type    = "rspamd"
  address = "`+mailtest.Rspamd(t)+`"
}
filter "viruses" {
  type    = "clamav"
  address = "`+mailtest.Clamav(t, "Reject")+`"
}
locals {
  junk = <<-EOT
    require ["fileinto", "mailbox"];
    if header :matches "X-Spam" "Yes*" {
      fileinto :create "Junk";
    }
  EOT
}
`)
	r.edit("main.mf.hcl", `server "main" {`, "server \"main\" {\n  filters = [filter.spam, filter.viruses]")
	r.edit("main.mf.hcl", `user "alice" {`, "user \"alice\" {\n  sieve = local.junk")
	r.apply()
	r.noChanges()
	r.delivered("alice@example.com", "alice")
	subject, res := r.send("alice@example.com", "--body", mailtest.GtubeAddHeader)
	if res.code != 0 {
		t.Errorf("spam: %v", res)
	}
	eventually(t, "spam is in Junk", func() bool {
		out := r.run(r.curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/Junk", "-X", "SEARCH SUBJECT "+subject)
		return out.code == 0 && strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out.stdout), "* SEARCH")) != ""
	})
	for line, want := range map[string]string{mailtest.GtubeReject: "554 5.7.1", mailtest.Eicar: "550 5.7.1 Virus found"} {
		if _, res := r.send("alice@example.com", "--body", line); res.code == 0 || !strings.Contains(res.stdout, want) {
			t.Errorf("%.20s: %v", line, res)
		}
	}
}
