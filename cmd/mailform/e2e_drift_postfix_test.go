package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
)

// What is done with postconf, postmap and an editor at a Postfix that runs is shown as
// what it is and put back; what is not mailform's stays, byte for byte.
func TestDriftByPostconf(t *testing.T) {
	t.Parallel()
	postfix := mailtest.Postfix(t)
	r := newReal(t, "postfix-dovecot", false, []mailtest.System{postfix, mailtest.Dovecot(t)})
	path := func(name string) string { return filepath.Join(postfix.ConfigDir, name) }
	edit := func(name, old, new string) {
		t.Helper()
		text := readFile(t, path(name))
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q:\n%s", name, old, text)
		}
		if err := os.WriteFile(path(name), []byte(strings.Replace(text, old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := func(name string) { postfix.Tool(t, "postmap", "hash:"+path("mailform/"+name)) }
	const ours = "\n  -o smtpd_tls_security_level=may"
	service := r.addr("smtp") + " inet"
	// Of others, all through: a comment in the middle, settings written in their own way.
	postfix.Tool(t, "postconf", "-e", "smtp_helo_timeout=33s")
	edit("main.cf", "biff = no\n", "biff = no\n#a comment  with  blanks\n\nlmtp_lhlo_timeout =\n\t\t44s\n")
	edit("master.cf", "flush ", "# of the administrator's own\n10025   unix  -  -  n  -  -  smtp\n   -o smtp_helo_name=other.example\nflush ")
	main, master := readFile(t, path("main.cf")), readFile(t, path("master.cf"))
	r.noChanges()
	pid := postfix.PID()
	r.driftsAway(t, "Plan: 1 to add, 3 to change, 0 to destroy.", map[string]drift{
		"postconf -e": {
			by:    func() { postfix.Tool(t, "postconf", "-e", "myhostname = by.hand.example") },
			shown: []string{"server.main.setting has changed", `~ hostname = "by.hand.example" -> "mail.example.com"`},
			after: func(t *testing.T) {
				if now := readFile(t, path("main.cf")); now != main {
					t.Errorf("main.cf is now:\n%s\nwas:\n%s", now, main)
				}
			},
		},
		"a map is edited and built": {
			by: func() {
				edit("mailform/aliases", "sales@example.com\talice@example.com, bob@example.com", "sales@example.com\teve@elsewhere.test")
				build("aliases")
			},
			shown: []string{"alias.sales.route has changed", `- "eve@elsewhere.test",`, `+ "alice@example.com",`},
			after: func(t *testing.T) { r.delivered("sales@example.com", "alice", "bob") },
		},
		"a map is edited and not built": {
			by:    func() { edit("mailform/recipients", "\npia@example.com\tpia@example.com\n", "\n") },
			shown: []string{"user.pia.recipient has been deleted", "user.pia.recipient will be created"},
			after: func(t *testing.T) {
				contains(t, postfix.Tool(t, "postmap", "-s", "hash:"+path("mailform/recipients")), "pia@example.com\tpia@example.com\n")
			},
		},
		"one is put into a map": {
			by: func() {
				edit("mailform/recipients", "\nalice@example.com\t", "\nbyhand@example.com\tx\nalice@example.com\t")
				build("recipients")
			},
			shown: []string{"recipient byhand@example.com at postfix"},
			after: func(t *testing.T) {
				contains(t, postfix.Tool(t, "postmap", "-s", "hash:"+path("mailform/recipients")), "byhand@example.com\tx\n")
			},
		},
		"an editor in master.cf": {
			by: func() {
				at := strings.Index(master, service)
				if at < 0 || !strings.Contains(master[at:], ours) {
					t.Fatalf("master.cf has no %q with %q:\n%s", service, ours, master)
				}
				changed := master[:at] + strings.Replace(master[at:], ours, "", 1)
				if err := os.WriteFile(path("master.cf"), []byte(changed), 0o644); err != nil {
					t.Fatal(err)
				}
			},
			shown: []string{"server.main.smtp has changed", `+ "` + r.addr("smtp") + `",`},
			after: func(t *testing.T) {
				if now := readFile(t, path("master.cf")); now != master {
					t.Errorf("master.cf is now:\n%s\nwas:\n%s", now, master)
				}
				if _, res := r.send("alice@example.com", "-tls"); res.code != 0 {
					t.Errorf("mail over TLS: %v", res)
				}
			},
		},
	})
	if now := postfix.PID(); now != pid {
		t.Errorf("the master is process %d, was %d: it was restarted", now, pid)
	}
}
