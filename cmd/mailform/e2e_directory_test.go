package main

// Servers that find their users in a directory.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/providers/mailtest"
)

// inDirectory has the server of examples/real find its users in a directory.
func inDirectory(s *ldaptest.Server) func(string) string {
	return func(text string) string {
		text = strings.Replace(text, "server \"main\" {", "server \"main\" {\n  directory = directory.staff\n", 1)
		return text + fmt.Sprintf(`
provider "ldap" {
  url           = %q
  bind_dn       = %q
  bind_password = %q
  users   { base = %q }
  aliases { base = %q }
  read {
    bind_dn       = %q
    bind_password = %q
  }
}

directory "staff" {}
`, s.URL, ldaptest.WriterDN, ldaptest.Password, ldaptest.People, ldaptest.Aliases, ldaptest.ReaderDN, ldaptest.Password)
	}
}

// Postfix and Dovecot find in a directory whom mailform keeps there: what they do
// for users of their own they do for these.
func TestServersLookIntoTheDirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	postfix, dovecot := mailtest.Postfix(t), mailtest.Dovecot(t)
	r := newReal(t, "postfix-dovecot", false, []mailtest.System{postfix, dovecot}, inDirectory(s))
	r.mailArrives()
	r.refuses()
	r.protocols()
	r.submission()
	r.quota()

	// There is one place with users, and one with the password on each server.
	if got := s.Search(t, "(mail=alice@example.com)", "mail"); !strings.Contains(got, "dn: uid=alice@example.com,"+ldaptest.People) {
		t.Errorf("alice is %s", got)
	}
	users, ext := filepath.Join(postfix.ConfigDir, "mailform/users.cf"), filepath.Join(dovecot.ConfigDir, "mailform/directory.conf.ext")
	for _, path := range []string{users, ext} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	for _, path := range []string{filepath.Join(postfix.ConfigDir, "mailform/ledger.json"), filepath.Join(postfix.ConfigDir, "main.cf"),
		filepath.Join(dovecot.ConfigDir, "mailform/mailform.conf"), filepath.Join(r.dir, "mailform.mfstate")} {
		if strings.Contains(readFile(t, path), ldaptest.Password) {
			t.Errorf("%s holds the password", path)
		}
	}

	// What somebody changes by hand is seen and put back.
	edit := func(path, from, to string) {
		text := readFile(t, path)
		if err := os.WriteFile(path, []byte(strings.Replace(text, from, to, 1)), 0o640); err != nil || !strings.Contains(text, from) {
			t.Fatalf("%s has no %q: %v", path, from, err)
		}
	}
	edit(users, "search_base = "+ldaptest.People, "search_base = ou=elsewhere,dc=example,dc=com")
	edit(ext, "\nbase = "+ldaptest.People, "\nbase = ou=elsewhere,dc=example,dc=com")
	out := r.plans("Plan: 0 to add, 2 to change, 0 to destroy.")
	for _, want := range []string{"server.main.users has changed", "server.main.recipients has changed", `"ou=elsewhere,dc=example,dc=com" -> "` + ldaptest.People} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q: %s", want, out)
		}
	}
	if err := os.Remove(filepath.Join(postfix.ConfigDir, "mailform/aliases.cf")); err != nil {
		t.Fatal(err)
	}
	out += r.apply()
	r.noChanges()
	postfix.Tool(t, "postconf", "-e", "virtual_alias_maps=")
	r.plans("Plan: 0 to add, 2 to change, 0 to destroy.")
	out += r.apply()
	r.noChanges()
	if strings.Contains(out, ldaptest.Password) {
		t.Error("the password is shown")
	}

	// Whoever is taken out of the directory is nobody at once, and there are no other
	// users than those there.
	before := r.open()
	r.edit("main.mf.hcl", "name          = \"bob\"", "name          = \"rob\"")
	r.apply()
	r.noChanges()
	if _, res := r.send("bob@example.com", "--quit-after", "RCPT"); !strings.Contains(res.stdout, "<** 550 5.1.1 ") {
		t.Errorf("mail for bob: %v", res)
	}
	if res := r.run(r.curl, "-sS", "-u", "bob@example.com:quickstart", "imap://"+r.addr("imap")+"/"); res.code == 0 {
		t.Error("bob logs in")
	}
	r.delivered("rob@example.com", "rob")
	r.delivered("sales@example.com", "alice", "rob")
	before.alive(t)

	// Without the directory nothing is refused for good, and nothing lost.
	s.End(t)
	for _, to := range []string{"alice@example.com", "nosuch@example.com"} {
		if _, res := r.send(to, "--quit-after", "RCPT", "--local-interface", "127.0.0.9"); !strings.Contains(res.stdout, "<** 451 4.") {
			t.Errorf("mail for %s: %v", to, res)
		}
	}
	if res := r.run(r.curl, "-sS", "-v", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/"); res.code == 0 || !strings.Contains(res.stderr, "NO [UNAVAILABLE]") {
		t.Errorf("alice logs in: %v", res)
	}
	s.Start(t)
	eventually(t, "mail for alice is taken again", func() bool {
		_, res := r.send("alice@example.com", "--quit-after", "RCPT")
		return res.code == 0
	})
	r.delivered("sales@example.com", "alice", "rob")

	// Users that come back to the servers themselves.
	r.edit("main.mf.hcl", "  directory = directory.staff\n", "")
	r.apply()
	r.noChanges()
	r.delivered("sales@example.com", "alice", "rob")
	for _, path := range []string{users, ext} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if got := s.Search(t, "(mail=*)", "mail"); got != "" {
		t.Errorf("the directory still has %s", got)
	}
}

// Dovecot 2.4 has other names for all that has to do with directories.
func TestNewerDovecotLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	dovecot := mailtest.Dovecot24(t)
	r := newReal(t, "postfix-dovecot", false, []mailtest.System{mailtest.Postfix(t), dovecot}, inDirectory(s))
	r.mailArrives()
	r.refuses()
	r.protocols()
	r.submission()
	r.quota()

	// What is changed by hand is seen and put back, and the password is in one file
	// alone.
	ext := filepath.Join(dovecot.ConfigDir, "mailform/directory.conf.ext")
	text := readFile(t, ext)
	if info, err := os.Stat(ext); err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(text, ldaptest.Password) {
		t.Errorf("%v, %v: %s", info, err, text)
	}
	if strings.Contains(readFile(t, filepath.Join(dovecot.ConfigDir, "mailform/mailform.conf")), ldaptest.Password) {
		t.Error("the settings hold the password")
	}
	if err := os.WriteFile(ext, []byte(strings.Replace(text, "ldap_base = "+ldaptest.People, "ldap_base = ou=elsewhere", 1)), 0o640); err != nil {
		t.Fatal(err)
	}
	if out := r.plans("Plan: 0 to add, 1 to change, 0 to destroy."); !strings.Contains(out, `"ou=elsewhere" -> "`+ldaptest.People) {
		t.Errorf("the base is not shown: %s", out)
	}
	r.apply()
	r.noChanges()
	if got := readFile(t, ext); got != text {
		t.Errorf("the file is %s", got)
	}

	// Certificates of others than the machine trusts it does not heed.
	was := readFile(t, filepath.Join(r.dir, "main.mf.hcl"))
	r.edit("main.mf.hcl", "bind_dn       = \"cn=mailform", "ca_file = \"/etc/ca.pem\"\n  bind_dn       = \"cn=mailform")
	if res := r.mailform("plan", "-no-color"); res.code != 1 || !strings.Contains(res.stderr, "ca_file") || !strings.Contains(res.stderr, "Dovecot 2.4") {
		t.Errorf("ca_file: %v", res)
	}
	r.write("main.mf.hcl", was)

	// Without the directory nobody is told that he is wrong.
	s.End(t)
	if res := r.run(r.curl, "-sS", "-v", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/"); res.code == 0 || !strings.Contains(res.stderr, "NO [UNAVAILABLE]") {
		t.Errorf("alice logs in: %v", res)
	}
	s.Start(t)

	// Users that come back to Dovecot are found there.
	r.edit("main.mf.hcl", "  directory = directory.staff\n", "")
	r.apply()
	r.noChanges()
	r.delivered("sales@example.com", "alice", "bob")
	if _, err := os.Stat(ext); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", ext, err)
	}
}

// Cyrus has authd ask the directory, and so has Postfix beside it.
func TestCyrusLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	postfix, cyrus := mailtest.Postfix(t), mailtest.Cyrus(t)
	r := newReal(t, "postfix-cyrus", false, []mailtest.System{postfix, cyrus}, inDirectory(s), func(text string) string {
		return strings.Replace(text, "  quota         = \"16KiB\"\n", "", 1)
	})
	r.mailArrives()
	r.refuses()
	r.protocols()
	r.submission()
	r.catchesAll()

	// The password is in two files that nobody else can read.
	for _, path := range []string{filepath.Join(postfix.ConfigDir, "mailform/authd/lookup.json"), filepath.Join(cyrus.ConfigDir, "mailform-cyrus/authd/lookup.json")} {
		text := readFile(t, path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(text, ldaptest.Password) {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(text, ldaptest.People, "ou=elsewhere", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := r.plans("Plan: 0 to add, 2 to change, 0 to destroy.")
	if !strings.Contains(out, `"ou=elsewhere" -> "`+ldaptest.People) || strings.Contains(out, ldaptest.Password) {
		t.Errorf("the plan is: %s", out)
	}
	r.apply()
	r.noChanges()

	// What Cyrus takes from no directory is said before.
	r.edit("main.mf.hcl", "name          = \"tiny\"", "name          = \"tiny\"\n  quota = \"1MiB\"")
	if res := r.mailform("plan", "-no-color"); res.code != 1 || !strings.Contains(res.stderr, "quota of user.tiny: cyrus") {
		t.Errorf("quota: %v", res)
	}
	r.edit("main.mf.hcl", "\n  quota = \"1MiB\"", "")

	// Whoever is taken out of the directory is nobody at once.
	r.edit("main.mf.hcl", "name          = \"bob\"", "name          = \"rob\"")
	r.apply()
	r.noChanges()
	if _, res := r.send("bob@example.com", "--quit-after", "RCPT"); !strings.Contains(res.stdout, "<** 550 5.1.1 ") {
		t.Errorf("mail for bob: %v", res)
	}
	r.lockedOut("bob", "imap://"+r.addr("imap")+"/")
	subject, res := r.send("sales@example.com")
	if res.code != 0 {
		t.Errorf("mail for sales: %v", res)
	}
	r.found("rob", subject)

	// Users that come back to the server have their mail.
	r.edit("main.mf.hcl", "  directory = directory.staff\n", "")
	r.apply()
	r.noChanges()
	r.found("rob", subject)
	r.delivered("alice@example.com", "alice")
	r.edit("main.mf.hcl", "server \"main\" {", "server \"main\" {\n  directory = directory.staff")
	r.apply()
	r.noChanges()
	r.found("rob", subject)
}

// Sendmail asks authd, which asks the directory, for whom Dovecot or Cyrus keeps mail
// whom they find there themselves.
func TestSendmailLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB) mailtest.System{
		"dovecot": func(t testing.TB) mailtest.System { return mailtest.Dovecot24(t) },
		"cyrus":   func(t testing.TB) mailtest.System { return mailtest.Cyrus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ldaptest.Start(t, ldaptest.Options{})
			sendmail := mailtest.Sendmail(t)
			r := newReal(t, "sendmail-"+name, false, []mailtest.System{sendmail, store(t)}, inDirectory(s), leadingToTheDisabled, func(text string) string {
				text = strings.Replace(text, "server \"main\" {", "server \"main\" {\n  retry = [\"1s\", \"1d\"]", 1)
				if name == "cyrus" { // it takes no quota from there
					text = strings.Replace(text, "  quota         = \"16KiB\"\n", "", 1)
				}
				return text
			})
			// What had to wait, as the machine has much to do, does not wait for minutes.
			stop := make(chan struct{})
			var queue sync.WaitGroup
			queue.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(3 * time.Second):
						_ = exec.Command(filepath.Join(sendmail.ProgramDir, "sendmail"), "-C", filepath.Join(sendmail.ConfigDir, "sendmail.cf"), "-q").Run()
					}
				}
			})
			t.Cleanup(func() { close(stop); queue.Wait() })
			r.mailArrives()
			r.refuses()
			r.submission()
			if name == "cyrus" {
				return
			}
			r.protocols()
			r.quota()

			// The password is in a file that nobody else can read, and what is changed there is seen.
			path := filepath.Join(sendmail.ConfigDir, "mailform/authd/lookup.json")
			text := readFile(t, path)
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(text, ldaptest.Password) {
				t.Errorf("%s: %v, %v", path, info, err)
			}
			for _, path := range []string{"mailform/ledger.json", "sendmail.cf"} {
				if strings.Contains(readFile(t, filepath.Join(sendmail.ConfigDir, path)), ldaptest.Password) {
					t.Errorf("%s holds the password", path)
				}
			}
			if err := os.WriteFile(path, []byte(strings.Replace(text, ldaptest.People, "ou=elsewhere", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := r.plans("Plan: 0 to add, 1 to change, 0 to destroy."); !strings.Contains(out, `"ou=elsewhere" -> "`+ldaptest.People) || strings.Contains(out, ldaptest.Password) {
				t.Errorf("the plan is: %s", out)
			}
			r.apply()
			r.noChanges()
			before := r.open()

			// Whoever is taken out of the directory is nobody at once.
			r.edit("main.mf.hcl", "name          = \"bob\"", "name          = \"rob\"")
			r.apply()
			r.noChanges()
			eventually(t, "bob is nobody", func() bool {
				_, res := r.send("bob@example.com", "--quit-after", "RCPT", "--local-interface", "127.0.0.9")
				return strings.Contains(res.stdout, "<** 550 5.1.1 ")
			})
			r.delivered("rob@example.com", "rob")
			r.delivered("sales@example.com", "alice", "rob")
			before.alive(t)

			// Without the directory nothing is refused for good, and nothing lost.
			s.End(t)
			if _, res := r.send("nosuch@example.com", "--quit-after", "RCPT", "--local-interface", "127.0.0.9"); !strings.Contains(res.stdout, "<** 451 4.") {
				t.Errorf("mail for nobody: %v", res)
			}
			eventually(t, "mail for alice is put off", func() bool {
				_, res := r.send("alice@example.com", "--quit-after", "RCPT", "--local-interface", "127.0.0.9")
				return strings.Contains(res.stdout, "<** 451 4.")
			})
			s.Start(t)
			eventually(t, "mail for alice is taken again", func() bool {
				_, res := r.send("alice@example.com", "--quit-after", "RCPT")
				return res.code == 0
			})
			r.delivered("sales@example.com", "alice", "rob")

			// Users that come back to the servers themselves.
			r.edit("main.mf.hcl", "  directory = directory.staff\n", "")
			r.apply()
			r.noChanges()
			r.delivered("sales@example.com", "alice", "rob")
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", path, err)
			}
		})
	}
}

// The embedded server makes a mailbox for whom it finds in the directory.
func TestEmbeddedLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	r := newReal(t, "embedded", false, nil, inDirectory(s))
	r.mailArrives()
	r.refuses()
	r.protocols()
	r.submission()
	r.quota()
	if strings.Contains(readFile(t, filepath.Join(r.dir, "mailform.mfstate")), ldaptest.Password) {
		t.Error("the state holds the password")
	}
	r.noChanges()

	r.edit("main.mf.hcl", "name          = \"bob\"", "name          = \"rob\"")
	r.apply()
	r.noChanges()
	eventually(t, "bob is nobody", func() bool {
		_, res := r.send("bob@example.com", "--quit-after", "RCPT")
		return strings.Contains(res.stdout, "<** 550 5.1.1 ")
	})
	if res := r.run(r.curl, "-sS", "-u", "bob@example.com:quickstart", "imap://"+r.addr("imap")+"/"); res.code == 0 {
		t.Error("bob logs in")
	}
	r.delivered("rob@example.com", "rob")

	s.End(t)
	if _, res := r.send("nosuch@example.com", "--quit-after", "RCPT"); !strings.Contains(res.stdout, "<** 451 4.") {
		t.Errorf("mail for nobody: %v", res)
	}
	eventually(t, "mail for alice is put off, and so are her logins", func() bool {
		_, res := r.send("alice@example.com", "--quit-after", "RCPT")
		login := r.run(r.curl, "-sS", "-v", "-u", "alice@example.com:quickstart", "imap://"+r.addr("imap")+"/")
		return strings.Contains(res.stdout, "<** 451 4.") && strings.Contains(login.stderr, "NO [UNAVAILABLE]")
	})
	s.Start(t)
	eventually(t, "mail for alice is taken again", func() bool {
		_, res := r.send("alice@example.com", "--quit-after", "RCPT")
		return res.code == 0
	})
	subject, res := r.send("sales@example.com")
	if res.code != 0 {
		t.Errorf("mail for sales: %v", res)
	}
	r.found("rob", subject)

	// Users that come back to the server have their mail.
	r.edit("main.mf.hcl", "  directory = directory.staff\n", "")
	r.apply()
	r.noChanges()
	r.found("rob", subject)
	r.delivered("alice@example.com", "alice")
}
