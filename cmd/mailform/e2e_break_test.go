package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// A connection that breaks off in the middle of an apply, at whatever point, leaves
// servers with a configuration that is whole and that mail is taken by. The error names
// the machine, and the next apply does what is left.
func TestConnectionBreaksInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newReal(t, "postfix-dovecot", true, []mailtest.System{mailtest.Postfix(t), mailtest.Dovecot(t)})
	settings := readFile(t, filepath.Join(r.dir, "main.mf.hcl"))
	round := 0
	declare := func() {
		round++
		r.write("main.mf.hcl", strings.Replace(settings, "\n  addresses = [\"127.0.0.1\"]\n",
			fmt.Sprintf("\n  addresses = [\"127.0.0.1\"]\n  message_size_limit = \"%dMiB\"\n  retention = \"%dd\"\n", 20+round, 40+round), 1))
		r.write("more.mf.hcl", fmt.Sprintf("user \"late\" {\n  domain = domain.example\n  name = \"late%d\"\n  aliases = [\"al-late%[1]d\"]\n  password_hash = var.password_hash\n}\n", round))
	}
	apply := []string{"apply", "-auto-approve", "-confirm=all"}
	declare()
	began := r.sshd.Sessions(t)
	r.ok(apply...)
	whole := r.sshd.Sessions(t) - began

	broken := 0
	for _, part := range []int{40, 65, 90} { // per cent
		declare()
		began := r.sshd.Sessions(t)
		var said bytes.Buffer
		cmd := r.command(context.Background(), binary, apply...)
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var err error
		for over := false; !over; {
			select {
			case err = <-ended:
				over = true
			case <-time.After(2 * time.Millisecond):
				if r.sshd.Sessions(t)-began >= whole*part/100 {
					r.sshd.Break()
					err, over = <-ended, true
				}
			}
		}
		if err != nil {
			broken++
			if text := strings.Join(strings.Fields(said.String()), " "); !strings.Contains(text, r.sshd.Addr()) || !strings.Contains(text, "the connection broke off") {
				t.Errorf("broken off after %d %%, it says: %s", part, text)
			}
		} // else nothing was under way just then
		for _, p := range r.parts {
			if err := p.Check(); err != nil {
				t.Errorf("broken off after %d %%: %v", part, err)
			}
		}
		r.delivered("alice@example.com", "alice")
		r.ok(apply...)
	}
	t.Logf("%d of 3 applies were broken off", broken)
	r.noChanges()
	r.delivered(fmt.Sprintf("al-late%d@example.com", round), fmt.Sprintf("late%d", round))
}

// twoHosts are two servers, each on a machine of its own, with a domain and users each.
func twoHosts(t *testing.T, users string) (w *world, hosts [2]*hosttest.Server) {
	t.Helper()
	w = newWorld(t, nil)
	var text strings.Builder
	for i, name := range []string{"one", "two"} {
		hosts[i] = hosttest.SSHD(t)
		for _, service := range []string{"smtp", "imap"} {
			w.port[service+" "+name] = porttest.Port(t)
		}
		fmt.Fprintf(&text, `
provider "embedded" {
  alias    = %[1]q
  data_dir = %[2]q
  program  = %[3]q
  %[4]s
}

server %[1]q {
  hostname  = "%[1]s.example.com"
  addresses = ["127.0.0.1"]
  provider  = embedded.%[1]s
  smtp { listen = [%[5]q] }
  imap { listen = [%[6]q] }
}

domain %[1]q {
  name = "%[1]s.example"
  mx { server = server.%[1]s }
}

user %[1]q {
  for_each      = toset(local.users)
  domain        = domain.%[1]s
  name          = each.key
  password_hash = %[7]q
}
`, name, filepath.Join(w.dir, name, "mail"), filepath.Join(w.dir, name, "mailform"), hosts[i].Block(), w.addr("smtp "+name), w.addr("imap "+name), aliceHash)
	}
	w.write("main.mf.hcl", text.String())
	w.write("users.mf.hcl", users)
	return w, hosts
}

// takes reports whether a server takes mail for somebody.
func (w *world) takes(server, user string) bool {
	w.t.Helper()
	s := dial(w.t, w.addr("smtp "+server))
	defer s.c.Close()
	s.smtp("")
	s.smtp("EHLO client.example.net")
	s.smtp("MAIL FROM:<sender@example.net>")
	return strings.HasPrefix(s.smtp("RCPT TO:<"+user+"@"+server+".example>"), "250")
}

// Two machines are looked after side by side, each by a connection of its own. What goes
// wrong at the one is told with its name, and keeps nothing of the other from being done.
func TestTwoHosts(t *testing.T) {
	t.Parallel()
	users := func(names string) string { return "locals {\n  users = [" + names + "]\n}\n" }
	w, hosts := twoHosts(t, users(`"ann"`))
	w.apply()
	w.noChanges()
	for i, name := range []string{"one", "two"} {
		if hosts[i].Connections(t) == 0 || !w.takes(name, "ann") {
			t.Errorf("of server %s: %d connections, and it takes mail for ann: %t", name, hosts[i].Connections(t), w.takes(name, "ann"))
		}
	}

	// One of them is not there at all.
	w.write("users.mf.hcl", users(`"ann", "ben"`))
	hosts[1].Stop()
	for range 2 { // the second time it has nothing more to do at the other
		r := w.mailform("apply", "-auto-approve")
		if said := strings.Join(strings.Fields(r.stderr), " "); r.code != 1 || !strings.Contains(said, "embedded.two") || !strings.Contains(said, "connect to "+hosts[1].Addr()) ||
			strings.Contains(said, hosts[0].Addr()) {
			t.Fatalf("apply without one of two hosts: %v", r)
		}
		if !w.takes("one", "ben") || !w.takes("two", "ann") || w.takes("two", "ben") {
			t.Fatalf("ben at one: %t, ann at two: %t, ben at two: %t", w.takes("one", "ben"), w.takes("two", "ann"), w.takes("two", "ben"))
		}
	}
	hosts[1].Start(t)
	w.plans("Plan: 1 to add, 0 to change, 0 to destroy.")
	w.apply()
	w.noChanges()

	// One of them goes away once it was asked for something.
	w.write("users.mf.hcl", users(`"ann", "ben", "cat"`))
	before := hosts[1].Sessions(t)
	var said bytes.Buffer
	cmd := w.command(context.Background(), binary, "apply", "-auto-approve")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second host is asked", func() bool { return hosts[1].Sessions(t) > before })
	hosts[1].Stop()
	err := cmd.Wait()
	if text := strings.Join(strings.Fields(said.String()), " "); err != nil && (!strings.Contains(text, hosts[1].Addr()) || strings.Contains(text, hosts[0].Addr())) {
		t.Errorf("apply while one of two hosts goes away: %v: %s", err, text)
	}
	if !w.takes("one", "cat") {
		t.Error("the other host has not got its user")
	}
	hosts[1].Start(t)
	w.apply()
	w.noChanges()
	if !w.takes("two", "cat") {
		t.Error("server two does not take mail for cat")
	}
	w.ok("destroy", "-auto-approve")
}
