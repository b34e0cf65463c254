package main

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
)

// Port 25 changes hands on one machine, from Postfix to Sendmail and back: the one
// that goes lets go of it and is stopped, the one that comes takes it, and the mail
// stays where it is, in Dovecot.
func TestHandOver(t *testing.T) {
	t.Parallel()
	postfix, sendmail := mailtest.Postfix(t), mailtest.Sendmail(t)
	r := newReal(t, "postfix-dovecot", false, []mailtest.System{postfix, mailtest.Dovecot(t), sendmail})
	greeting := func() string {
		s := dial(t, r.addr("smtp"))
		defer s.c.Close()
		return s.line()
	}
	r.delivered("alice@example.com", "alice")
	subject, res := r.send("sales@example.com")
	if res.code != 0 {
		t.Fatalf("mail for sales: %v", res)
	}
	r.found("bob", subject)
	for _, step := range []struct {
		mail, greets     string
		running, stopped func() int
	}{
		{"sendmail-dovecot", "Sendmail", sendmail.PID, postfix.PID},
		{"postfix-dovecot", "Postfix", postfix.PID, sendmail.PID},
	} {
		r.env = append(r.env, "MF_VAR_mail="+step.mail)
		plan := r.mailform("plan")
		if plan.code != 0 || !strings.Contains(plan.stdout, "server.main.smtp") {
			t.Fatalf("plan for %s: %v", step.mail, plan)
		}
		r.ok("apply", "-auto-approve", "-confirm=all")
		r.noChanges()
		if got := greeting(); !strings.Contains(got, step.greets) {
			t.Errorf("with %s the server greets with %q", step.mail, got)
		}
		if step.running() == 0 || step.stopped() != 0 {
			t.Errorf("with %s: the new one is process %d, the old one process %d", step.mail, step.running(), step.stopped())
		}
		r.delivered("al@example.com", "alice")
		r.found("bob", subject) // from before
	}
}
