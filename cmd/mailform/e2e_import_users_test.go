package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const usersBase = `
server "main" {
  hostname  = "mail.example.org"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
  imap { listen = ["127.0.0.1:2143"] }
}

domain "example" {
  name = "example.org"
  mx { server = server.main }
}
`

// The users of a Dovecot and the aliases of a Postfix move in, and log in with
// the passwords that they have.
func TestUsersMoveToUs(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": usersBase})
	hash := strings.TrimSpace(w.run(need(t, "openssl"), "passwd", "-6", "-salt", "saltsalt", "quickstart").stdout)
	w.write("users", "alice@example.org:{SHA512-CRYPT}"+hash+"::::::userdb_quota_rule=*:storage=1G\n"+
		"bob:"+hash+":1000:1000::/home/bob:/bin/sh\n")
	w.write("virtual", "sales@example.org alice@example.org, bob\n")
	out := w.ok("import", "users", "users", "-format=dovecot", "-domain=example.org", "-generate-config-out=users.mf.hcl", "-secrets-out=users.auto.mfvars", "-csv=users.csv")
	for _, want := range []string{"Wrote users.csv: the users, one a line.", "Wrote users.mf.hcl: 2 users.", "Wrote users.auto.mfvars: the password hashes of 2 users."} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for _, name := range []string{"users.mf.hcl", "users.csv"} {
		if strings.Contains(readFile(t, filepath.Join(w.dir, name)), "$6$") {
			t.Errorf("%s holds a password hash", name)
		}
	}
	if st, err := os.Stat(filepath.Join(w.dir, "users.auto.mfvars")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file with the secrets: %v, %v", st, err)
	}
	w.ok("import", "users", "virtual", "-format=virtual", "-domain=example.org", "-generate-config-out=aliases.mf.hcl")
	if got := readFile(t, filepath.Join(w.dir, "aliases.mf.hcl")); !strings.Contains(got, `members = [user.example["alice"], user.example["bob"]]`) {
		t.Errorf("aliases.mf.hcl:\n%s", got)
	}
	if r := w.mailform("fmt", "-check"); r.code != 0 {
		t.Errorf("fmt -check: %v", r)
	}
	w.apply()
	w.noChanges()
	w.deliver("sales@example.org", "for both")
	for _, user := range []string{"alice@example.org", "bob@example.org"} {
		eventually(t, user+" reads it", func() bool { return len(w.subjects(user, "INBOX")) == 1 })
	}
}
