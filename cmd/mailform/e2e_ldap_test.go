package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/ldap/ldaptest"
)

// ldapFiles describe a domain whose users are in a directory, where the servers of
// others look for them.
func ldapFiles(s *ldaptest.Server) map[string]string {
	return map[string]string{"main.mf.hcl": fmt.Sprintf(`
variable "ldap_password" {
  type      = string
  sensitive = true
}

variable "alice_password_hash" {
  type      = string
  sensitive = true
}

provider "ldap" {
  url           = %q
  bind_dn       = %q
  bind_password = var.ldap_password
  users   { base = %q }
  aliases { base = %q }
}

directory "staff" {}

domain "example" {
  name       = "example.com"
  directory  = directory.staff
  postmaster = user.alice
  mx { host = "mx.elsewhere.example" }
}

user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = var.alice_password_hash
  quota         = "2GiB"
  protocols     = ["imap"]
  aliases       = ["al"]
}

user "bob" {
  domain = domain.example
  name   = "bob"
}

alias "sales" {
  domain  = domain.example
  name    = "sales"
  members = [user.alice, user.bob]
}
`, s.URL, ldaptest.WriterDN, ldaptest.People, ldaptest.Aliases)}
}

const aliceHash = "$6$saltsalt$bm9ib2R5IGxvZ3MgaW4gd2l0aCB0aGlz"

// Users in a directory, from files to entries, through a drift, a stale plan, and
// away again.
func TestUsersInADirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	w := newWorld(t, ldapFiles(s))
	w.env = append(w.env, "MF_VAR_ldap_password="+ldaptest.Password, "MF_VAR_alice_password_hash="+aliceHash)
	out := w.apply()
	w.noChanges()
	if got := s.Search(t, "(mail=alice@example.com)"); !strings.Contains(got, "dn: uid=alice@example.com,ou=people,dc=example,dc=com\n") ||
		!strings.Contains(got, "mailformQuota: 2147483648\n") || !strings.Contains(got, "mailformProtocol: imap\n") {
		t.Errorf("alice is\n%s", got)
	}
	if got := s.Search(t, "(mail=sales@example.com)", "mailformMember"); !strings.Contains(got, "mailformMember: alice@example.com\nmailformMember: bob@example.com\n") {
		t.Errorf("sales is\n%s", got)
	}

	// Somebody changes a quota, makes a user of his own, and notes a telephone number.
	s.Modify(t, `dn: uid=alice@example.com,ou=people,dc=example,dc=com
changetype: modify
replace: mailformQuota
mailformQuota: 5
-
add: telephoneNumber
telephoneNumber: +44 1865 276150

dn: uid=carol,ou=people,dc=example,dc=com
changetype: add
objectClass: inetOrgPerson
uid: carol
cn: Carol
sn: Carol
mail: carol@example.com
`)
	r := w.mailform("plan", "-detailed-exitcode")
	for _, want := range []string{"user.alice.mailbox has changed", "mailbox carol@example.com at ldap", "Plan: 0 to add, 1 to change, 0 to destroy."} {
		if r.code != 2 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %v", want, r)
		}
	}
	out += r.stdout
	out += w.ok("plan", "-out=saved")
	s.Modify(t, "dn: uid=alice@example.com,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: mailformProtocol\nmailformProtocol: pop3\n")
	if r := w.mailform("apply", "saved"); r.code == 0 {
		t.Errorf("a stale plan: %v", r)
	}
	out += w.ok("plan", "-out=saved")
	out += w.ok("apply", "saved")
	w.noChanges()
	if got := s.Search(t, "(uid=alice@example.com)"); !strings.Contains(got, "telephoneNumber: +44 1865 276150") || !strings.Contains(got, "mailformProtocol: imap") {
		t.Errorf("alice is\n%s", got)
	}

	// Who is there can be taken over, with a block that is written for her.
	w.ok("import", "-all", "-generate-config-out=more.mf.hcl")
	out += w.plans("Plan: 1 to import, 0 to add, 0 to change, 0 to destroy.")
	w.apply()
	w.noChanges()
	w.edit("main.mf.hcl", "members = [user.alice, user.bob]", "members = [user.alice]")
	out += w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	out += w.ok("destroy", "-auto-approve")
	left := strings.Split(strings.TrimSpace(s.Search(t, "(|(mail=*)(uid=*))", "mail", "telephoneNumber")), "\n\n")
	slices.Sort(left)
	if !slices.Equal(left, []string{
		"dn: uid=alice@example.com,ou=people,dc=example,dc=com\ntelephoneNumber: +44 1865 276150",
		"dn: uid=carol,ou=people,dc=example,dc=com",
	}) {
		t.Errorf("what is left:\n%s", strings.Join(left, "\n"))
	}
	if err := os.Remove(filepath.Join(w.dir, "more.mf.hcl")); err != nil {
		t.Fatal(err)
	}
	out += w.apply()
	w.noChanges()
	for _, secret := range []string{ldaptest.Password, aliceHash} {
		if strings.Contains(out+readFile(t, w.dir+"/mailform.mfstate"), secret) {
			t.Error("a secret is shown or kept")
		}
	}
}

// Users who are in a directory become users of the embedded server.
func TestUsersFromADirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{Plain: true})
	for _, name := range []string{"dora", "emil"} {
		s.Modify(t, fmt.Sprintf("dn: uid=%[1]s,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\ncn: the other\nsn: x\nemployeeType: staff\nuserPassword: secret\n", name))
	}
	s.Modify(t, "dn: cn=robot,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\ncn: robot\nsn: x\n")
	text := quickstart(t) + fmt.Sprintf(`
provider "ldap" {
  url           = %q
  bind_dn       = %q
  bind_password = %q
  users { base = %q }
}

data "ldap_users" "all" {}

data "ldap_users" "none" {
  filter = "(employeeType=nobody)"
}

user "staff" {
  for_each = data.ldap_users.all.users
  domain   = domain.example
  name     = each.key
  quota    = each.value.values.mail == null ? "3GiB" : "1GiB"

  password_hash = each.value.verifier
}

output "all" {
  value = { for k, u in data.ldap_users.all.users : u.dn => length(u.all.cn) }
}

output "none" {
  value = length(data.ldap_users.none.users)
}
`, s.URL, ldaptest.ReaderDN, ldaptest.Password, ldaptest.People)
	w := newWorld(t, map[string]string{"main.mf.hcl": text})
	w.ok("validate")
	w.apply()
	w.noChanges()
	// Whoever the directory lets in gets to the mail.
	w.deliver("dora@example.com", "from the directory")
	imap := dial(t, w.addr("imap"))
	imap.until("* OK")
	for _, c := range [][2]string{{"wrong", "a NO"}, {"secret", "a OK"}} {
		if got := imap.imap("a", "LOGIN dora@example.com "+c[0]); !strings.HasPrefix(got, c[1]) {
			t.Errorf("log in with %q: %s", c[0], got)
		}
	}
	if got := imap.imap("b", "SELECT INBOX"); !strings.Contains(got, "* 1 EXISTS") {
		t.Errorf("the inbox: %s", got)
	}
	got := w.ok("output", "-json")
	for _, want := range []string{`"uid=dora,ou=people,dc=example,dc=com": 2`, `"uid=emil,ou=people,dc=example,dc=com": 2`} {
		if !strings.Contains(got, want) && !strings.Contains(got, strings.ReplaceAll(want, ": ", ":")) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "robot") {
		t.Errorf("an entry without a key: %s", got)
	}
	w.edit("main.mf.hcl", `data "ldap_users" "all" {}`, "data \"ldap_users\" \"all\" {\n  attributes = [\"mail\", \"userPassword\"]\n}")
	if r := w.mailform("plan"); r.code == 0 || !strings.Contains(r.stderr, "userPassword holds passwords") {
		t.Errorf("passwords: %v", r)
	}
	w.edit("main.mf.hcl", `"mail", "userPassword"`, `"mail"`)
	w.edit("main.mf.hcl", `(employeeType=nobody)`, `(employeeType=nobody`)
	if r := w.mailform("plan"); r.code == 0 || !strings.Contains(r.stderr, "is no filter") {
		t.Errorf("a filter: %v", r)
	}
}

// An apply that is killed with the signal that nothing catches leaves entries, and
// knows them for its own the next time.
func TestApplyToADirectoryIsKilled(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	files := ldapFiles(s)
	files["main.mf.hcl"] += `
user "many" {
  for_each = toset([for i in range(1000) : "u${i}"])
  domain   = domain.example
  name     = each.key
  quota    = "1GiB"
}
`
	w := newWorld(t, files)
	w.env = append(w.env, "MF_VAR_ldap_password="+ldaptest.Password, "MF_VAR_alice_password_hash="+aliceHash)
	count := func() int { return strings.Count(s.Search(t, "(mail=u*)", "1.1"), "dn: ") }
	for round := range 3 {
		was := count()
		ctx, cancel := context.WithCancel(t.Context())
		cmd := w.command(ctx, binary, "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the apply is under way", func() bool { return count() > was+100 })
		cancel() // kills
		_ = cmd.Wait()
		if n := count(); n == 1000 {
			t.Logf("round %d: it was done before it was killed", round)
			break
		}
	}
	// What was made and not remembered is no conflict, and foreign to nobody.
	if r := w.mailform("plan"); strings.Contains(r.stdout, "mailbox u0@example.com at ldap") {
		t.Errorf("an entry of ours is foreign:\n%s", r.stdout)
	}
	w.apply()
	w.noChanges()
	if n := count(); n != 1000 {
		t.Errorf("%d of 1000 entries", n)
	}
}
