package main

// Several instances of one server on one machine, in one configuration.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// instanceServer is a server block for an instance of Postfix with a Dovecot, with a
// domain and a user.
func instanceServer(t *testing.T, name, alias, smtp string) string {
	t.Helper()
	return fmt.Sprintf(`
server "%[1]s" {
  hostname  = "%[1]s.example.com"
  addresses = ["127.0.0.1"]
  provider  = [postfix%[2]s, dovecot%[2]s]
  smtp { listen = [%[3]q] }
  imap { listen = [%[4]q] }
  lmtp { listen = [%[5]q] }
  auth { listen = [%[6]q] }
}
domain "%[1]s" {
  name       = "%[1]s.example"
  postmaster = user.%[1]s
  mx { server = server.%[1]s }
}
user "%[1]s" {
  domain        = domain.%[1]s
  name          = "%[1]s"
  password_hash = var.hash
}
`, name, alias, smtp, porttest.Addr(t), porttest.Addr(t), porttest.Addr(t))
}

// TestTwoPostfix has an instance that postmulti has made beside the first, and each of
// them a server of one configuration. What is done to one is nothing to the other.
func TestTwoPostfix(t *testing.T) {
	t.Parallel()
	first := mailtest.Postfix(t)
	second := first.Beside(t)
	swaks := need(t, "swaks")
	alias := func(block string) string { return strings.Replace(block, " {\n", " {\n  alias = \"second\"\n", 1) }
	addr := map[string]string{"one": porttest.Addr(t), "two": porttest.Addr(t)}
	servers := map[string]string{"one": instanceServer(t, "one", "", addr["one"]), "two": instanceServer(t, "two", ".second", addr["two"])}
	w := newWorld(t, map[string]string{
		"providers.mf.hcl": first.Block() + mailtest.Dovecot(t).Block() + alias(second.Block()) + alias(mailtest.Dovecot(t).Block()),
		"main.mf.hcl":      fmt.Sprintf("variable \"hash\" {\n  type = string\n  default = %q\n}\n", aliceHash),
		"one.mf.hcl":       servers["one"],
		"two.mf.hcl":       servers["two"],
	})
	answered := func(name string) bool {
		return w.run(swaks, "--server", addr[name], "--from", "a@remote.test", "--to", name+"@"+name+".example").code == 0
	}
	as := func(i *mailtest.PostfixInstance) string { return instanceFiles(t, i) }
	before := as(second)
	w.apply()
	w.noChanges()
	for name := range addr {
		if !answered(name) {
			t.Errorf("mail for the user of %s is not taken", name)
		}
	}
	if w.run(swaks, "--server", addr["one"], "--from", "a@remote.test", "--to", "two@two.example", "--quit-after", "RCPT").code == 0 {
		t.Error("the first takes mail for the domain of the second")
	}
	if got := second.Tool(t, "postconf", "-h", "multi_instance_enable"); got != "yes\n" {
		t.Errorf("the second starts with the first: %s", got)
	}

	pids, other := [2]int{first.PID(), second.PID()}, as(second)
	w.edit("one.mf.hcl", `name          = "one"`, `name          = "uno"`)
	w.edit("one.mf.hcl", `addresses = `, "message_size_limit = \"33MiB\"\n  addresses = ")
	if out := w.ok("plan"); strings.Contains(out, "second") {
		t.Errorf("a change of the first is one of the second:\n%s", out)
	}
	w.apply()
	w.noChanges()
	if now := as(second); now != other || pids != [2]int{first.PID(), second.PID()} {
		t.Errorf("the files of the second are now:\n%s\nwere:\n%s", now, other)
	}
	if !answered("two") {
		t.Error("mail for the second is not taken")
	}

	second.Tool(t, "postconf", "-e", "master_service_disable = inet", "multi_instance_enable = no")
	plan := w.plans("Plan: 0 to add, 2 to change, 0 to destroy.")
	contains(t, plan, "server.two.smtp has changed", addr["two"], "running")
	w.apply()
	w.noChanges()
	if !answered("two") {
		t.Error("mail for the second is not taken, once it was put right")
	}

	first.Tool(t, "postconf", "-e", "smtpd_banner = of the first")
	other = as(first)
	w.write("two.mf.hcl", "")
	w.ok("apply", "-auto-approve", "-confirm=all")
	w.noChanges()
	eventually(t, "the second has ended", func() bool { return second.PID() == 0 })
	if now := as(second); now != before {
		t.Errorf("the files of the second are now:\n%s\nwere:\n%s", now, before)
	}
	if now := as(first); now != other || first.PID() != pids[0] {
		t.Errorf("the files of the first are now:\n%s\nwere:\n%s", now, other)
	}
	if w.run(swaks, "--server", addr["one"], "--from", "a@remote.test", "--to", "uno@one.example").code != 0 {
		t.Error("mail for the first is not taken")
	}
}

// instanceFiles are the texts of what Postfix reads.
func instanceFiles(t *testing.T, i *mailtest.PostfixInstance) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"main.cf", "master.cf", "mailform/recipients", "mailform/ledger.json"} {
		text, err := os.ReadFile(filepath.Join(i.ConfigDir, name))
		if err == nil && !(strings.HasPrefix(name, "mailform/") && i.PID() == 0) {
			fmt.Fprintf(&b, "%s:\n%s", name, text)
		}
	}
	return b.String()
}
