package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/ldap/ldaptest"
)

// BenchmarkProviders measures the whole program on mail systems that organisations
// run already, with many users: the tables of docs/benchmarks.md.
func BenchmarkProviders(b *testing.B) {
	b.Run("ldap", benchLDAP)
}

// Users and aliases of the benchmarks of providers.
const (
	providerUsers   = 10000
	providerAliases = 1000
)

func benchLDAP(b *testing.B) {
	for b.Loop() {
		s := ldaptest.Start(b, ldaptest.Options{})
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
		write("main.mf.hcl", fmt.Sprintf(`
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
`, s.URL, ldaptest.WriterDN, ldaptest.Password, ldaptest.People, ldaptest.Aliases, aliceHash))
		run := func(args ...string) usage { return measure(b, true, dir, binary, args...) }
		first := run("apply", "-auto-approve")
		unchanged := best(run("plan", "-detailed-exitcode"), run("plan", "-detailed-exitcode"))
		write("staff.csv", strings.Replace(staff.String(), "u77,2GiB", "u77,3GiB", 1))
		one := run("apply", "-auto-approve")
		alone := run("plan", "-detailed-exitcode", `-target=user.staff["u78"]`)
		b.Logf("\n| %d users and %d aliases in OpenLDAP | time | goal |\n|---|---|---|\n| first apply | %.2f s | 15 s |\n| plan without changes | %.2f s | 3 s |\n| apply of one user changed | %.2f s | 1 s |\n| plan of one user (-target) | %.2f s | |\n",
			providerUsers, providerAliases, first.wall, unchanged.wall, one.wall, alone.wall)
		s.End(b)
	}
}
