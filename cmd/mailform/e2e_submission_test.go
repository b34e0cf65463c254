package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// TestSubmissionAtDovecot has Dovecot take what users submit, and hand it to Postfix
// with their names: nobody sends in another's. What somebody changes of that is seen.
func TestSubmissionAtDovecot(t *testing.T) {
	for name, dovecot := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dovecot(t)
			p := mailtest.Postfix(t)
			r := layReal(t, "postfix-dovecot", false, []mailtest.System{p, d})
			r.port["submitted"] = porttest.Port(t)
			at := "    offered_by = \"store\"\n"
			r.edit("main.mf.hcl", "\n  submission {\n", "\n  submitted { listen = [\""+r.addr("submitted")+"\"] }\n  submission {\n"+at)
			r.apply()
			r.noChanges()
			r.submission()
			r.onBehalf()
			r.submissionDrifts(p, d)

			// The ports go to Postfix, and come back.
			r.edit("main.mf.hcl", at, "")
			if out := r.ok("plan"); !strings.Contains(out, "server.main.submission") || !strings.Contains(out, "server.main.handing") {
				t.Errorf("the plan does not hand over submission: %s", out)
			}
			r.apply()
			r.noChanges()
			r.submission()
			r.edit("main.mf.hcl", "\n  submission {\n", "\n  submission {\n"+at)
			r.apply()
			r.noChanges()
			r.submission()
		})
	}
}

// onBehalf sends in the name of an alias of one's own, and expects those who have not
// logged in to get nothing through by the way between the two servers.
func (r *real) onBehalf() {
	own := []string{"--server", r.addr("submission"), "-tls", "--auth", "PLAIN", "--auth-user", "alice@example.com", "--auth-password", "quickstart"}
	if subject, res := r.send("bob@example.com", append(own, "--from", "al@example.com")...); res.code != 0 {
		r.t.Errorf("alice sends as al: %v", res)
	} else {
		r.found("bob", subject)
	}
	for what, args := range map[string][]string{
		"mail of a stranger":            {"--from", "a@remote.test"},
		"mail of somebody without name": {"--from", "bob@example.com"},
	} {
		if _, res := r.send("alice@example.com", append([]string{"--server", r.addr("submitted"), "--quit-after", "RCPT"}, args...)...); !strings.Contains(res.stdout, " 5.7.1 ") {
			r.t.Errorf("%s is not refused where submitted mail goes: %v", what, res)
		}
	}
}

// submissionDrifts changes by hand what the names of users depend on.
func (r *real) submissionDrifts(p *mailtest.PostfixInstance, d *mailtest.DovecotInstance) {
	conf := filepath.Join(d.ConfigDir, "dovecot.conf")
	text := readFile(r.t, conf)
	if err := os.WriteFile(conf, []byte(text+"submission_relay_trusted = no\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	master := filepath.Join(p.ConfigDir, "master.cf")
	text = readFile(r.t, master)
	changed := strings.Replace(text, "smtpd_authorized_xclient_hosts=127.0.0.0/8,[::1]", "smtpd_authorized_xclient_hosts=0.0.0.0/0", 1)
	if changed == text {
		r.t.Fatalf("nothing of XCLIENT is in %s", text)
	}
	if err := os.WriteFile(master, []byte(changed), 0o644); err != nil {
		r.t.Fatal(err)
	}
	out := r.ok("plan")
	for _, want := range []string{"server.main.handing", "server.main.submitted"} {
		if !strings.Contains(out, want) {
			r.t.Errorf("the plan does not see that %s was changed: %s", want, out)
		}
	}
	r.apply()
	r.noChanges()
	r.submission()
}
