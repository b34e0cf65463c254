package main

// What administrators do with the tools of the servers themselves.

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// A drift is something that somebody does by hand.
type drift struct {
	by func()
	// shown is what the plan says of it.
	shown []string
	// after looks whether it is put back, or left alone where it is nobody else's business.
	after func(t *testing.T)
}

// driftsAway has all of them happen, and then one plan and one apply.
func (w *world) driftsAway(t *testing.T, summary string, drifts map[string]drift) {
	t.Helper()
	for _, d := range drifts {
		d.by()
	}
	plan := w.plans(summary)
	w.apply()
	w.noChanges()
	for what, d := range drifts {
		t.Run(what, func(t *testing.T) {
			for _, want := range d.shown {
				if !strings.Contains(plan, want) {
					t.Errorf("the plan does not show %q:\n%s", want, plan)
				}
			}
			d.after(t)
		})
	}
}

// contains expects texts in what a tool says.
func contains(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// cyradm runs Cyrus's own tool as mailform's administrator. It speaks TCP alone, so
// that a port leads to the socket on which Cyrus knows that administrator.
func cyradm(t *testing.T, c *mailtest.CyrusInstance) func(commands ...string) string {
	t.Helper()
	program, err := exec.LookPath("cyradm")
	if err != nil {
		mailtest.Missing(t, "cyradm", err)
	}
	listener, err := net.Listen("tcp", porttest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	own := filepath.Join(c.ConfigDir, "mailform-cyrus")
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer from.Close()
				to, err := net.Dial("unix", filepath.Join(own, "admin/imap"))
				if err != nil {
					return
				}
				defer to.Close()
				go func() {
					_, _ = io.Copy(to, from)
					to.Close()
				}()
				_, _ = io.Copy(from, to)
			}()
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	password := strings.TrimSpace(readFile(t, filepath.Join(own, "admin-password")))
	return func(commands ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, "--user", "mailform-admin", "--password", password, "--auth", "login", "--port", port, host)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\nquit\n")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("cyradm: %v: %s", err, out)
		}
		return string(out)
	}
}

// What is done with cyradm is shown as what it is and put back; what is not mailform's
// stays.
func TestDriftByCyradm(t *testing.T) {
	t.Parallel()
	cyrus := mailtest.Cyrus(t)
	r := newReal(t, "postfix-cyrus", true, []mailtest.System{mailtest.Postfix(t), cyrus})
	do := cyradm(t, cyrus)
	r.delivered("pia@example.com")
	messages := func() string {
		return r.run(r.curl, "-sS", "-u", "pia@example.com:quickstart", "pop3://"+r.addr("pop3")+"/").stdout
	}
	eventually(t, "pia has a message", func() bool { return strings.HasPrefix(messages(), "1 ") })
	options := filepath.Join(cyrus.ConfigDir, "imapd.conf")
	text := strings.Replace(readFile(t, options), "popminpoll: 0\n", "# by hand,  with  blanks\npopminpoll:  0\npoptimeout: 17\n", 1)
	if err := os.WriteFile(options, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r.driftsAway(t, "Plan: 1 to add, 1 to change, 0 to destroy.", map[string]drift{
		"setquota": {
			by:    func() { do("setquota user/tiny@example.com storage 2048") },
			shown: []string{"user.tiny.mailbox has changed", `~ quota = "2MiB" -> "16KiB"`},
			after: func(t *testing.T) { contains(t, do("listquota user/tiny@example.com"), " STORAGE 0/16 ") },
		},
		"deletemailbox": {
			by: func() {
				do("setaclmailbox user/pia@example.com mailform-admin all", "deletemailbox user/pia@example.com")
			},
			shown: []string{"user.pia.mailbox has been deleted", "user.pia.mailbox will be created"},
			after: func(t *testing.T) { contains(t, messages(), "1 ") },
		},
		"createmailbox": {
			by: func() {
				do("createmailbox user/byhand@example.com", "setquota user/byhand@example.com storage 77")
			},
			shown: []string{"left alone (1):\n    mailbox byhand@example.com at cyrus"},
			after: func(t *testing.T) { contains(t, do("listquota user/byhand@example.com"), " STORAGE 0/77 ") },
		},
		"setaclmailbox, which is none of mailform's": {
			by: func() {
				do("createmailbox user/alice/shared@example.com", "setaclmailbox user/alice/shared@example.com bob@example.com lrs")
			},
			after: func(t *testing.T) {
				contains(t, do("listaclmailbox user/alice/shared@example.com"), "bob@example.com lrs\n")
			},
		},
		"an editor": {
			by: func() {}, // before Cyrus was asked for anything
			after: func(t *testing.T) {
				if now := readFile(t, options); now != text {
					t.Errorf("imapd.conf is now:\n%s", now)
				}
			},
		},
	})
}

// What is done to Dovecot's users and their mail with doveadm and an editor is shown as
// what it is and put back; what is not mailform's stays.
func TestDriftByDoveadm(t *testing.T) {
	for name, version := range map[string]struct {
		instance func(testing.TB) *mailtest.DovecotInstance
		quota    string // what a user's entry calls it
		far      bool
	}{
		"2.3": {mailtest.Dovecot, "userdb_quota_rule=*:bytes=", true},
		"2.4": {mailtest.Dovecot24, "userdb_quota_storage_size=", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driftByDoveadm(t, version.instance(t), version.quota, version.far)
		})
	}
}

func driftByDoveadm(t *testing.T, dovecot *mailtest.DovecotInstance, quota string, far bool) {
	t.Helper()
	r := newReal(t, "postfix-dovecot", far, []mailtest.System{mailtest.Postfix(t), dovecot})
	conf, users := filepath.Join(dovecot.ConfigDir, "dovecot.conf"), filepath.Join(dovecot.ConfigDir, "mailform/users")
	doveadm := func(args ...string) result {
		return r.run(dovecot.Program("doveadm"), append([]string{"-c", conf}, args...)...)
	}
	edit := func(path, from, to string) {
		text := readFile(t, path)
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %q:\n%s", path, from, text)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(text, from, to, 1)), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	// entry is the line of a user.
	entry := func(user string) string {
		for line := range strings.Lines(readFile(t, users)) {
			if strings.HasPrefix(line, user+"@example.com:") {
				return line
			}
		}
		return ""
	}
	hash := func(password string) string {
		return strings.TrimSpace(doveadm("pw", "-s", "SHA512-CRYPT", "-p", password).stdout)
	}
	logsIn := func(user, password string) bool {
		return doveadm("auth", "test", user+"@example.com", password).code == 0
	}
	edit(conf, "login_greeting = Ready, at last\n", "# by hand,  with  blanks\nlogin_greeting =  Ready, by hand\n")
	settings := readFile(t, conf)
	byhand := "byhand@example.com:" + hash("byhand") + "::::::" + quota + "77000\n"
	r.driftsAway(t, "Plan: 1 to add, 4 to change, 0 to destroy.", map[string]drift{
		"a password of doveadm pw": {
			by:    func() { edit(users, entry("alice"), "alice@example.com:"+hash("another")+"::::::\n") },
			shown: []string{"user.alice.mailbox has changed", "user.alice.mailbox will be updated in-place", "~ password_hash = (sensitive value)"},
			after: func(t *testing.T) {
				eventually(t, "alice's password is her own again", func() bool { return logsIn("alice", "quickstart") && !logsIn("alice", "another") })
			},
		},
		"a quota, as doveadm quota has it": {
			by:    func() { edit(users, quota+"16384", quota+"5120") },
			shown: []string{"user.tiny.mailbox has changed", `~ quota = "5KiB" -> "16KiB"`},
			after: func(t *testing.T) {
				eventually(t, "doveadm quota shows the limit of before", func() bool {
					return slices.Contains(strings.Fields(doveadm("quota", "get", "-u", "tiny@example.com").stdout), "16")
				})
			},
		},
		"the name of the server, in mailform's own file": {
			by: func() {
				edit(filepath.Join(dovecot.ConfigDir, "mailform/mailform.conf"), "\nhostname = mail.example.com\n", "\nhostname = other.example.com\n")
			},
			shown: []string{"server.main.mailstore has changed", `~ hostname = "other.example.com" -> "mail.example.com"`},
			after: func(t *testing.T) {
				contains(t, r.run(dovecot.Program("doveconf"), "-c", conf, "hostname").stdout, "hostname = mail.example.com")
			},
		},
		"a protocol that a user is denied": {
			by: func() {
				deny := filepath.Join(dovecot.ConfigDir, "mailform/deny.pop3")
				if err := os.WriteFile(deny, []byte(readFile(t, deny)+"bob@example.com\n"), 0o640); err != nil {
					t.Fatal(err)
				}
			},
			shown: []string{"user.bob.mailbox has changed", `+ "pop3",`},
			after: func(t *testing.T) {
				eventually(t, "bob reads by POP3", func() bool {
					return r.run(r.curl, "-sS", "-u", "bob@example.com:quickstart", "pop3://"+r.addr("pop3")+"/").code == 0
				})
			},
		},
		"a user who is taken out": {
			by:    func() { edit(users, entry("pia"), "") },
			shown: []string{"user.pia.mailbox has been deleted", "user.pia.mailbox will be created"},
			after: func(t *testing.T) {
				eventually(t, "pia is a user again", func() bool { return doveadm("user", "pia@example.com").code == 0 })
			},
		},
		"a user who is put in": {
			by:    func() { edit(users, entry("tiny"), entry("tiny")+byhand) },
			shown: []string{"left alone (1):\n    mailbox byhand@example.com at dovecot"},
			after: func(t *testing.T) {
				if entry("byhand") != byhand {
					t.Errorf("the user is now %q", entry("byhand"))
				}
				eventually(t, "the user put in by hand can log in", func() bool { return logsIn("byhand", "byhand") })
			},
		},
		"doveadm mailbox, which is none of mailform's": {
			by: func() {
				if res := doveadm("mailbox", "create", "-u", "bob@example.com", "Projects"); res.code != 0 {
					t.Errorf("doveadm mailbox create: %v", res)
				}
			},
			after: func(t *testing.T) {
				contains(t, doveadm("mailbox", "list", "-u", "bob@example.com").stdout, "Projects\n")
			},
		},
		"an editor": {
			by: func() {}, // before anything else
			after: func(t *testing.T) {
				if now := readFile(t, conf); now != settings {
					t.Errorf("dovecot.conf is now:\n%s", now)
				}
			},
		},
	})
}

// What is done in a directory with ldapmodify is shown as what it is and put back; what
// is not mailform's stays.
func TestDriftByLDAPModify(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	w := newWorld(t, ldapFiles(s))
	w.env = append(w.env, "MF_VAR_ldap_password="+ldaptest.Password, "MF_VAR_alice_password_hash="+aliceHash)
	s.Modify(t, `dn: uid=carol,ou=people,dc=example,dc=com
changetype: add
objectClass: inetOrgPerson
uid: carol
cn: Carol
sn: Carol
mail: carol@example.com
description:  two  blanks
`)
	w.apply()
	w.noChanges()
	dn := func(address string) string { return "dn: uid=" + address + "," + ldaptest.People + "\n" }
	// With all that the directory itself knows of her, as when she was changed.
	carol := func() string { return s.Search(t, "(uid=carol)", "*", "+") }
	was := carol()
	w.driftsAway(t, "Plan: 2 to add, 2 to change, 0 to destroy.", map[string]drift{
		"an attribute is changed, and one of others added": {
			by: func() {
				s.Modify(t, dn("alice@example.com")+"changetype: modify\nreplace: mailformQuota\nmailformQuota: 5\n-\nadd: description\ndescription: kept\n")
			},
			shown: []string{"user.alice.mailbox has changed", `~ quota = 5 -> "2GiB"`},
			after: func(t *testing.T) {
				contains(t, s.Search(t, "(uid=alice@example.com)"), "mailformQuota: 2147483648\n", "description: kept\n")
			},
		},
		"an attribute is taken out": {
			by: func() {
				s.Modify(t, "dn: cn=sales@example.com,"+ldaptest.Aliases+"\nchangetype: modify\ndelete: mailformMember\nmailformMember: bob@example.com\n")
			},
			shown: []string{"alias.sales.route has changed", `+ "bob@example.com",`},
			after: func(t *testing.T) {
				contains(t, s.Search(t, "(cn=sales@example.com)"), "mailformMember: alice@example.com\n", "mailformMember: bob@example.com\n")
			},
		},
		"the entry of a user is removed": {
			by:    func() { s.Modify(t, dn("bob@example.com")+"changetype: delete\n") },
			shown: []string{"user.bob.mailbox has been deleted", "user.bob.mailbox will be created"},
			after: func(t *testing.T) { contains(t, s.Search(t, "(uid=bob@example.com)"), "mail: bob@example.com\n") },
		},
		"the entry of an alias is removed": {
			by: func() {
				s.Modify(t, "dn: cn=al@example.com,"+ldaptest.Aliases+"\nchangetype: delete\n")
			},
			shown: []string{`user.alice.alias["al"] has been deleted`, `user.alice.alias["al"] will be created`},
			after: func(t *testing.T) {
				contains(t, s.Search(t, "(cn=al@example.com)"), "mailformMember: alice@example.com\n")
			},
		},
		"a user is added": {
			by: func() {
				s.Modify(t, dn("byhand@example.com")+"changetype: add\nobjectClass: inetOrgPerson\nuid: byhand@example.com\ncn: x\nsn: x\nmail: byhand@example.com\n")
			},
			shown: []string{"left alone (2):\n    mailbox byhand@example.com at ldap\n    mailbox carol@example.com at ldap"},
			after: func(t *testing.T) {
				if now := carol(); now != was {
					t.Errorf("the entry of another is\n%s\nwas\n%s", now, was)
				}
			},
		},
	})
}
