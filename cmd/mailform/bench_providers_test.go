package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// BenchmarkProviders measures the whole program on mail systems that organisations
// run already, with many users: the tables of docs/benchmarks.md.
func BenchmarkProviders(b *testing.B) {
	b.Run("ldap", benchLDAP)
	b.Run("postfix-dovecot", benchPostfixDovecot)
}

// Users and aliases of the benchmarks of providers.
const (
	providerUsers   = 10000
	providerAliases = 1000
)

func benchLDAP(b *testing.B) {
	for b.Loop() {
		s := ldaptest.Start(b, ldaptest.Options{})
		benchUsers(b, "OpenLDAP", [3]string{"15 s", "3 s", "1 s"}, fmt.Sprintf(`
provider "ldap" {
  url           = %q
  bind_dn       = %q
  bind_password = %q
  users   { base = %q }
  aliases { base = %q }
}
directory "staff" {}
domain "example" {
  name      = "example.com"
  directory = directory.staff
}
`, s.URL, ldaptest.WriterDN, ldaptest.Password, ldaptest.People, ldaptest.Aliases))
		s.End(b)
	}
}

func benchPostfixDovecot(b *testing.B) {
	for b.Loop() {
		postfix, dovecot := mailtest.Postfix(b), mailtest.Dovecot(b)
		at := func() string { return fmt.Sprintf("127.0.0.1:%d", porttest.Port(b)) }
		benchUsers(b, "Postfix and Dovecot", [3]string{"5 s", "2 s", "1 s"}, postfix.Block()+dovecot.Block()+fmt.Sprintf(`
server "main" {
  provider  = [postfix, dovecot]
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = [%q] }
  imap { listen = [%q] }
  lmtp { listen = [%q] }
}
domain "example" {
  name = "example.com"
  mx { server = server.main }
}
`, at(), at(), at()))
	}
}

// benchUsers measures a first apply of many users and aliases, a plan of the same,
// and an apply of one user changed, against goals for each.
func benchUsers(b *testing.B, system string, goals [3]string, head string) {
	b.Helper()
	dir := b.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var staff, aliases strings.Builder
	staff.WriteString("name,quota\n")
	aliases.WriteString("name,member\n")
	for i := range providerUsers {
		fmt.Fprintf(&staff, "u%d,2GiB\n", i)
	}
	for i := range providerAliases {
		fmt.Fprintf(&aliases, "a%d,u%d\n", i, i)
	}
	write("staff.csv", staff.String())
	write("aliases.csv", aliases.String())
	write("main.mf.hcl", head+fmt.Sprintf(`
user "staff" {
  for_each      = { for r in csvdecode(file("staff.csv")) : r.name => r }
  domain        = domain.example
  name          = each.key
  quota         = each.value.quota
  password_hash = %q
}
alias "group" {
  for_each = { for r in csvdecode(file("aliases.csv")) : r.name => r }
  domain   = domain.example
  name     = each.key
  members  = [user.staff[each.value.member]]
}
`, aliceHash))
	run := func(args ...string) usage { return measure(b, true, dir, binary, args...) }
	first := run("apply", "-auto-approve")
	unchanged := best(run("plan", "-detailed-exitcode"), run("plan", "-detailed-exitcode"))
	write("staff.csv", strings.Replace(staff.String(), "u77,2GiB", "u77,3GiB", 1))
	one := run("apply", "-auto-approve")
	alone := run("plan", "-detailed-exitcode", `-target=user.staff["u78"]`)
	b.Logf("\n| %d users and %d aliases in %s | time | goal |\n|---|---|---|\n| first apply | %.2f s | %s |\n| plan without changes | %.2f s | %s |\n| apply of one user changed | %.2f s | %s |\n| plan of one user (-target) | %.2f s | |\n",
		providerUsers, providerAliases, system, first.wall, goals[0], unchanged.wall, goals[1], one.wall, goals[2], alone.wall)
}
