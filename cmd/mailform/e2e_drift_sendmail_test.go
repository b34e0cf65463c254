package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
)

// What is done to Sendmail with makemap and an editor is shown as what it is and put
// back; what is not mailform's stays, byte for byte.
func TestDriftByMakemap(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	path := func(name string) string { return filepath.Join(s.ConfigDir, name) }
	edit := func(name, from, to string) {
		t.Helper()
		text := readFile(t, path(name))
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %q:\n%s", name, from, text)
		}
		if err := os.WriteFile(path(name), []byte(strings.Replace(text, from, to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// makemap makes a map of rows: what Sendmail looks into.
	makemap := func(name, rows string) {
		t.Helper()
		build := s.Command("makemap", "-C", path("sendmail.cf"), "hash", path(name))
		build.Stdin = strings.NewReader(rows)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("makemap: %v: %s", err, out)
		}
	}
	rows := func(name string) string {
		t.Helper()
		out, err := s.Command("makemap", "-C", path("sendmail.cf"), "-u", "hash", path(name)).Output()
		if err != nil {
			t.Fatalf("makemap -u: %v", err)
		}
		return string(out)
	}
	// The administrator's own maps, which Sendmail looks into as well.
	edit("sendmail.mc", "FEATURE(`nocanonify')dnl\n", "dnl by hand,  with  blanks\nFEATURE(`virtusertable', `hash -o "+path("virtusertable")+"')dnl\nFEATURE(`mailertable', `hash -o "+
		path("mailertable")+"')dnl\nFEATURE(`access_db', `hash -T<TMPF> -o "+path("access")+"')dnl\nFEATURE(`nocanonify')dnl\n")
	theirs := map[string]string{
		"virtusertable":    "# by hand\ninfo@old.example\teve@elsewhere.test\n",
		"mailertable":      "# by hand\n\npartner.test   esmtp:[192.0.2.7]\n",
		"access":           "# by hand\nFrom:spam.test\tREJECT\n",
		"local-host-names": "# by hand\n  home.example   # us\n",
	}
	for _, name := range []string{"virtusertable", "mailertable", "access", "local-host-names"} {
		text := theirs[name]
		if err := os.WriteFile(path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if name != "local-host-names" {
			makemap(name, text)
			theirs[name+".db"] = readFile(t, path(name+".db"))
		}
	}
	source := readFile(t, path("sendmail.mc"))
	if err := os.WriteFile(path("sendmail.cf"), s.M4(t), 0o644); err != nil {
		t.Fatal(err)
	}
	withWays := func(text string) string {
		return strings.Replace(text, "  smtp { listen", "  smarthost {\n    host       = \"192.0.2.9:2525\"\n    recipients = [\"far.test\", \"near.test\"]\n  }\n  smtp { listen", 1)
	}
	r := newReal(t, "sendmail-dovecot", false, []mailtest.System{s, mailtest.Dovecot(t)}, withWays)
	edit("sendmail.cf", "\nO HelpFile=", "\n# in the middle,  by hand\nO HelpFile=")
	configuration := readFile(t, path("sendmail.cf"))

	r.driftsAway(t, "Plan: 1 to add, 4 to change, 0 to destroy.", map[string]drift{
		"an address is taken out, another put in": {
			by: func() {
				text := regexp.MustCompile(`(?m)^ida@example\.com\t.*\n`).ReplaceAllString(rows("mailform/addresses"), "")
				makemap("mailform/addresses", text+"byhand@example.com\tbyhand@example.com\n")
			},
			shown: []string{"user.ida.recipient has been deleted", "user.ida.recipient will be created", "recipient byhand@example.com at sendmail"},
			after: func(t *testing.T) {
				contains(t, rows("mailform/addresses"), "ida@example.com\tida@example.com\n", "byhand@example.com\tbyhand@example.com\n")
				r.delivered("ida@example.com", "ida")
			},
		},
		"an alias leads elsewhere": {
			by: func() {
				makemap("mailform/aliases", regexp.MustCompile(`(?m)^sales@example\.com\t.*$`).ReplaceAllString(rows("mailform/aliases"), "sales@example.com\teve@elsewhere.test"))
			},
			shown: []string{"alias.sales.route has changed", `- "eve@elsewhere.test",`, `+ "alice@example.com",`},
			after: func(t *testing.T) { r.delivered("sales@example.com", "alice", "bob") },
		},
		"a domain of a smarthost is taken out": {
			by: func() {
				makemap("mailform/mailertable", regexp.MustCompile(`(?m)^,near\.test\t.*\n`).ReplaceAllString(rows("mailform/mailertable"), ""))
			},
			shown: []string{`server.main.smarthost["192.0.2.9:2525"] has changed`, `+ "near.test",`},
			after: func(t *testing.T) {
				contains(t, rows("mailform/mailertable"), ",near.test\tmailform-to-2525:[192.0.2.9]\n")
			},
		},
		"an option in sendmail.cf": {
			by:    func() { edit("sendmail.cf", "O MaxMessageSize=52428800\n", "O MaxMessageSize=1024\n") },
			shown: []string{"server.main.setting has changed", `~ message_size_limit = "1KiB" -> "50MiB"`},
			after: func(t *testing.T) {
				if now := readFile(t, path("sendmail.cf")); now != configuration {
					t.Errorf("sendmail.cf is now:\n%s", now)
				}
			},
		},
		"LMTP goes elsewhere": {
			by: func() {
				edit("sendmail.cf", "Mmailform, P=[IPC], F=APSXmnz9,", "Mmailform, P=[IPC], F=APSXmnz9x,")
				edit("sendmail.cf", "A=TCP [127.0.0.1] ", "A=TCP [192.0.2.66] ")
			},
			shown: []string{"server.main.delivery has changed", `~ lmtp = "192.0.2.66:`},
			after: func(t *testing.T) { r.delivered("alice@example.com", "alice") },
		},
		"what others have": {
			by:    func() {}, // before mailform came
			shown: []string{"route info@old.example at sendmail", "smarthost main/192.0.2.7:25 at sendmail", "maildomain home.example at sendmail"},
			after: func(t *testing.T) {
				for name, text := range theirs {
					if readFile(t, path(name)) != text {
						t.Errorf("%s is another one", name)
					}
				}
				if now := readFile(t, path("sendmail.mc")); now != source+"include(`"+path("mailform/mailform.m4")+"')dnl\n" {
					t.Errorf("sendmail.mc is now:\n%s", now)
				}
			},
		},
	})

	// The source no longer has what is mailform's, and somebody makes the configuration.
	edit("sendmail.mc", "include(`"+path("mailform/mailform.m4")+"')dnl\n", "dnl by hand too\n")
	source += "dnl by hand too\n"
	if err := os.WriteFile(path("sendmail.cf"), s.M4(t), 0o644); err != nil {
		t.Fatal(err)
	}
	plan := r.mailform("plan", "-detailed-exitcode")
	if plan.code != 2 {
		t.Fatalf("plan: %v", plan)
	}
	contains(t, plan.stdout, "server.main.setting has been deleted", "server.main.delivery has been deleted", "server.main.smtp has been deleted", "domain.example.mail has been deleted")
	r.apply()
	r.noChanges()
	if now := readFile(t, path("sendmail.mc")); now != source+"include(`"+path("mailform/mailform.m4")+"')dnl\n" {
		t.Errorf("sendmail.mc is now:\n%s", now)
	}
	r.delivered("bob@example.com", "bob")
}
