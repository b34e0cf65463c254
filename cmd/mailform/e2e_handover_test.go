package main

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// Port 25 changes hands on one machine, from Postfix to Sendmail and back: the one
// that goes lets go of it and is stopped once its queue is empty, the one that comes
// takes it, and the mail stays where it is, in Dovecot.
func TestHandOver(t *testing.T) {
	t.Parallel()
	postfix, sendmail := mailtest.Postfix(t), mailtest.Sendmail(t)
	need(t, "smtp-sink")
	r := newReal(t, "postfix-dovecot", true, []mailtest.System{postfix, mailtest.Dovecot(t), sendmail})
	r.port["relay"] = porttest.Port(t)
	r.edit("main.mf.hcl", "  smtp { listen", "  relay { host = \""+r.addr("relay")+"\" }\n  smtp { listen")
	r.apply()
	greeting := func() string {
		s := dial(t, r.addr("smtp"))
		defer s.c.Close()
		return s.line()
	}
	r.delivered("alice@example.com", "alice")
	inBox, res := r.send("sales@example.com")
	if res.code != 0 {
		t.Fatalf("mail for sales: %v", res)
	}
	r.found("bob", inBox)
	for _, step := range []struct {
		mail, greets     string
		running, stopped func() int
	}{
		{"sendmail-dovecot", "Sendmail", sendmail.PID, postfix.PID},
		{"postfix-dovecot", "Postfix", postfix.PID, sendmail.PID},
	} {
		subject := r.submitElsewhere() // nobody is there to take it
		r.env = append(r.env, "MF_VAR_mail="+step.mail)
		plan := r.mailform("plan")
		if plan.code != 0 || !strings.Contains(plan.stdout, "server.main.smtp") || !strings.Contains(plan.stdout, "1 message waits in its queue: it goes on to deliver") {
			t.Fatalf("plan for %s: %v", step.mail, plan)
		}
		res := r.mailform("apply", "-auto-approve", "-confirm=all")
		if res.code != 1 || !strings.Contains(res.stderr, "Not stopped yet") || !strings.Contains(res.stderr, "1 message waits in the queue of") {
			t.Fatalf("apply for %s, with a message that cannot be delivered: %v", step.mail, res)
		}
		if got := greeting(); !strings.Contains(got, step.greets) {
			t.Errorf("with %s the server greets with %q", step.mail, got)
		}
		if step.running() == 0 || step.stopped() == 0 {
			t.Errorf("with %s, while a message waits: the new one is process %d, the old one process %d", step.mail, step.running(), step.stopped())
		}
		r.delivered("al@example.com", "alice")
		if out := r.ok("plan"); !strings.Contains(out, "1 message waits in its queue") {
			t.Errorf("the next plan does not say that a message waits: %s", out)
		}

		relay := r.sink(nil)
		r.goesOn()
		r.noChanges()
		if n := relay.count(subject, "friend@elsewhere.test"); n != 1 || len(relay.messages()) != 1 {
			t.Errorf("with %s the relay has the message %d times, and %d messages", step.mail, n, len(relay.messages()))
		}
		relay.end()
		eventually(t, "the new one runs, and the old one does not", func() bool { return step.running() != 0 && step.stopped() == 0 })
		r.delivered("al@example.com", "alice")
		r.found("bob", inBox) // from before
	}
}

// Mail changes hands from the embedded server to a pair and back. What waits in the queue
// of the one that goes is delivered before it is stopped, and what it keeps stays: on
// the way back, the mailboxes are as they were.
func TestHandOverFromEmbedded(t *testing.T) {
	for _, pair := range []struct{ mail, mta string }{{"postfix-dovecot", "Postfix"}, {"sendmail-cyrus", "Sendmail"}} {
		t.Run(pair.mail, func(t *testing.T) {
			t.Parallel()
			if pair.mail == "postfix-dovecot" {
				postfix := mailtest.Postfix(t)
				handOverFromEmbedded(t, pair.mail, pair.mta, postfix.PID, postfix, mailtest.Dovecot(t))
			} else {
				sendmail := mailtest.Sendmail(t)
				handOverFromEmbedded(t, pair.mail, pair.mta, sendmail.PID, sendmail, mailtest.Cyrus(t))
			}
		})
	}
}

func handOverFromEmbedded(t *testing.T, mail, mta string, pid func() int, parts ...mailtest.System) {
	t.Helper()
	need(t, "smtp-sink")
	r := newReal(t, "embedded", mail == "postfix-dovecot", parts) // the one by SSH, the other on this machine
	r.port["relay"] = porttest.Port(t)
	r.edit("main.mf.hcl", "  smtp { listen", "  relay { host = \""+r.addr("relay")+"\" }\n  smtp { listen")
	r.apply()
	first, res := r.send("alice@example.com")
	if res.code != 0 {
		t.Fatalf("mail for alice: %v", res)
	}
	r.found("alice", first)
	// What each of the two has of alice's mail, with its numbers and flags.
	holds := func() string {
		t.Helper()
		out := r.run(r.curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", "UID FETCH 1:* (UID FLAGS RFC822.SIZE)")
		state := r.run(r.curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/", "-X", "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY)")
		if out.code != 0 || state.code != 0 {
			t.Errorf("alice's mail cannot be read: %v, %v", out, state)
		}
		return strings.ReplaceAll(out.stdout+state.stdout, ` \Recent`, "")
	}
	if res := r.run(r.curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", `UID STORE 1 +FLAGS.SILENT (\Seen \Flagged Kept)`); res.code != 0 {
		t.Errorf("flags of the message: %v", res)
	}
	left := map[bool]string{} // whether the embedded server has it, as it was left
	embedded := func() bool { return r.pid() != 0 }
	for _, step := range []struct {
		mail, from, greets string
		stopped            func() bool
	}{
		{mail, "the embedded server", mta, func() bool { return !embedded() && pid() != 0 }},
		{"embedded", mta, "ESMTP Service Ready", func() bool { return embedded() && pid() == 0 }},
		{mail, "the embedded server", mta, func() bool { return !embedded() && pid() != 0 }},
	} {
		ours := step.mail == "embedded"
		left[!ours] = holds()
		subject := r.submitElsewhere() // nobody is there to take it
		r.env = append(r.env, "MF_VAR_mail="+step.mail)
		if plan := r.mailform("plan"); plan.code != 0 || !strings.Contains(plan.stdout, "1 message waits in its queue: it goes on to deliver") {
			t.Fatalf("plan for %s: %v", step.mail, plan)
		}
		res := r.mailform("apply", "-auto-approve", "-confirm=all")
		if res.code != 1 || !strings.Contains(res.stderr, "Not stopped yet") || !strings.Contains(strings.Join(strings.Fields(res.stderr), " "), "1 message waits in the queue of "+step.from) {
			t.Fatalf("apply for %s, with a message that cannot be delivered: %v", step.mail, res)
		}
		if step.stopped() {
			t.Errorf("%s is stopped while a message waits in its queue", step.from)
		}
		s := dial(t, r.addr("smtp"))
		if got := s.line(); !strings.Contains(got, step.greets) {
			t.Errorf("with %s the server greets with %q", step.mail, got)
		}
		_ = s.c.Close()
		if was, before := left[ours]; before && holds() != was {
			t.Errorf("with %s alice has\n%s\nand had\n%s", step.mail, holds(), was)
		}
		r.delivered("al@example.com", "alice")

		relay := r.sink(nil)
		r.goesOn()
		r.noChanges()
		if n := relay.count(subject, "friend@elsewhere.test"); n != 1 || len(relay.messages()) != 1 {
			t.Errorf("with %s the relay has the message %d times, and %d messages", step.mail, n, len(relay.messages()))
		}
		relay.end()
		eventually(t, step.from+" is stopped", step.stopped)
		r.delivered("al@example.com", "alice")
	}
}

// goesOn applies until nothing is left to do: a queue is given some seconds, and the
// next apply goes on.
func (r *real) goesOn() {
	r.t.Helper()
	var last result
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the last apply: %v", last)
		}
	}()
	eventually(r.t, "the queue is delivered, and apply comes to its end", func() bool {
		last = r.mailform("apply", "-auto-approve", "-confirm=all")
		return last.code == 0
	})
}

// submitElsewhere has bob submit a message for another house, and returns its subject.
func (r *real) submitElsewhere() string {
	r.t.Helper()
	subject, res := r.send("friend@elsewhere.test", "--server", r.addr("submission"), "-tls",
		"--auth", "PLAIN", "--auth-user", "bob@example.com", "--auth-password", "quickstart", "--from", "bob@example.com")
	if res.code != 0 {
		r.t.Fatalf("submission for elsewhere: %v", res)
	}
	return subject
}
