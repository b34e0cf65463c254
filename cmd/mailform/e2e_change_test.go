package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

func TestPlansOfTheSameInputAreTheSameBytes(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	for _, state := range []string{"nothing applied", "applied and changed"} {
		first := w.ok("plan", "-out", "one.mfplan")
		second := w.ok("plan", "-out", "two.mfplan")
		if strings.ReplaceAll(first, "one.mfplan", "") != strings.ReplaceAll(second, "two.mfplan", "") {
			t.Errorf("%s: two plans print\n%s\nand\n%s", state, first, second)
		}
		if readFile(t, filepath.Join(w.dir, "one.mfplan")) != readFile(t, filepath.Join(w.dir, "two.mfplan")) {
			t.Errorf("%s: two plan files differ", state)
		}
		if w.ok("show", "-json", "one.mfplan") != w.ok("show", "-json", "two.mfplan") {
			t.Errorf("%s: two plan documents differ", state)
		}
		if state == "nothing applied" {
			w.apply()
			w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
		}
	}
}

// A change of four things is a plan of four things, and nobody is disconnected.
func TestChangesAreNamedAndLive(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.noChanges()

	idle := dial(t, w.addr("imap"))
	idle.until("* OK")
	idle.imap("a", "LOGIN alice@example.com quickstart")
	idle.imap("b", "SELECT INBOX")
	idle.send("c IDLE")
	idle.until("+")
	smtp := dial(t, w.addr("smtp"))
	smtp.smtp("")
	smtp.smtp("EHLO client.example.net")
	smtp.smtp("MAIL FROM:<you@example.net>")
	smtp.smtp("RCPT TO:<alice@example.com>")
	pid := w.pid()

	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
	w.edit("main.mf.hcl", `  quota         = "1GiB"
  protocols     = ["imap", "pop3"]`, `  quota         = "1GiB"
  protocols     = ["imap"]`)
	w.edit("main.mf.hcl", "preference = 10", "preference = 20")
	w.write("carol.mf.hcl", "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n}\n")
	shown := w.plans("Plan: 1 to add, 3 to change, 0 to destroy.")
	for _, want := range []string{
		"# user.carol.mailbox will be created",
		"# user.alice.mailbox will be updated in-place",
		"# user.bob.mailbox will be updated in-place",
		"# domain.example.mx will be updated in-place",
	} {
		if strings.Count(shown, want) != 1 {
			t.Errorf("the plan does not say %q once:\n%s", want, shown)
		}
	}
	if n := strings.Count(shown, "\n  # "); n != 4 {
		t.Errorf("the plan names %d resources, want 4:\n%s", n, shown)
	}
	w.apply()
	w.noChanges()

	if got := w.pid(); got != pid {
		t.Errorf("the daemon is another process: %d, was %d", got, pid)
	}
	if got := smtp.smtp("DATA"); !strings.HasPrefix(got, "354") {
		t.Fatalf("DATA in the session from before: %s", got)
	}
	if got := smtp.smtp("Subject: through an open session\r\n\r\nHello.\r\n."); !strings.HasPrefix(got, "250") {
		t.Fatalf("end of DATA in the session from before: %s", got)
	}
	if got := idle.until("* 1 EXISTS"); len(got) == 0 {
		t.Error("the IDLE session from before sees no new message")
	}
	pop := dial(t, w.addr("pop3"))
	pop.until("+OK")
	pop.send("USER bob@example.com")
	pop.line()
	pop.send("PASS quickstart")
	if got := pop.line(); !strings.HasPrefix(got, "-ERR [AUTH]") {
		t.Errorf("POP3 login of bob, whose POP3 was taken away: %s", got)
	}
	w.deliver("carol@example.com", "to the new one")
}

// What somebody else changed is shown apart from what the files change.
func TestDriftIsShownAndMended(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	ctx := context.Background()
	live, err := w.admin().Resources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	find := func(kind, key string) admin.Resource {
		for _, r := range live.Resources {
			if r.Kind == kind && r.Key == key {
				return r
			}
		}
		t.Fatalf("the daemon has no %s %s", kind, key)
		return admin.Resource{}
	}
	altered := func(r admin.Resource, name string, value any) admin.Change {
		attrs := map[string]any{}
		if err := json.Unmarshal(r.Attrs, &attrs); err != nil {
			t.Fatal(err)
		}
		attrs[name] = value
		delete(attrs, "messages")
		delete(attrs, "bytes")
		raw, err := json.Marshal(attrs)
		if err != nil {
			t.Fatal(err)
		}
		return admin.Change{Action: "update", Kind: r.Kind, Key: r.Key, Owner: r.Owner, Lineage: r.Lineage, Revision: r.Revision, Attrs: raw}
	}
	bob := find("mailbox", "bob@example.com")
	www := find("rrset", "example.com/www.example.com./A")
	dmarc := find("rrset", "example.com/_dmarc.example.com./TXT")
	if _, err := w.admin().Apply(ctx, admin.ApplyRequest{Changes: []admin.Change{
		altered(bob, "quota", 12345),
		altered(www, "values", []string{"192.0.2.66"}),
		{Action: "delete", Kind: dmarc.Kind, Key: dmarc.Key, Revision: dmarc.Revision},
	}}); err != nil {
		t.Fatal(err)
	}
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)

	shown := w.plans("Plan: 1 to add, 3 to change, 0 to destroy.")
	drift, own, found := strings.Cut(shown, "mailform will perform the following actions")
	if !found || !strings.Contains(drift, "Note: Objects have changed outside of mailform") {
		t.Fatalf("the plan does not tell drift from change:\n%s", shown)
	}
	for _, want := range []string{"user.bob.mailbox", "record.www.rrset", "domain.example.dmarc"} {
		if !strings.Contains(drift, want) {
			t.Errorf("the drift does not name %s:\n%s", want, drift)
		}
	}
	if strings.Contains(drift, "user.alice.mailbox") || !strings.Contains(own, "user.alice.mailbox") {
		t.Errorf("alice's quota was changed in the files and is no drift:\n%s", shown)
	}
	if r := w.mailform("plan", "-refresh-only", "-detailed-exitcode"); r.code != 2 || !strings.Contains(r.stdout, "record.www.rrset") {
		t.Errorf("plan -refresh-only: %v", r)
	}
	w.apply()
	w.noChanges()
	if r := w.run(need(t, "dig"), "+short", "@127.0.0.1", "-p", fmt.Sprint(w.port["dns"]), "www.example.com", "A"); strings.TrimSpace(r.stdout) != "192.0.2.80" {
		t.Errorf("www after the apply: %v", r)
	}
}

// A user that is taken out of the files keeps its mail for a while; put back in,
// it has it again.
func TestRemovedUserKeepsItsMail(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "carol.mf.hcl": ""})
	block := "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n  password_hash = \"" + hashInQuickstart(t) + "\"\n}\n"
	w.write("carol.mf.hcl", block)
	w.apply()
	w.deliver("carol@example.com", "first")
	w.deliver("carol@example.com", "second")

	w.write("carol.mf.hcl", "")
	shown := w.plans("Plan: 0 to add, 0 to change, 1 to destroy.")
	if !strings.Contains(shown, "# user.carol.mailbox will be destroyed") || !strings.Contains(shown, "2 messages") || !strings.Contains(shown, "30 days") {
		t.Errorf("the plan does not say what becomes of the mail:\n%s", shown)
	}
	w.apply()
	s := dial(t, w.addr("smtp"))
	s.smtp("")
	s.smtp("EHLO client.example.net")
	s.smtp("MAIL FROM:<you@example.net>")
	if got := s.smtp("RCPT TO:<carol@example.com>"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("mail to a closed account: %s", got)
	}
	w.noChanges()

	w.write("carol.mf.hcl", block)
	if shown := w.plans("Plan: 1 to add, 0 to change, 0 to destroy."); !strings.Contains(shown, "2 messages") {
		t.Errorf("the plan does not say that the mail comes back:\n%s", shown)
	}
	w.apply()
	if got := w.subjects("carol@example.com", "INBOX"); strings.Join(got, ",") != "first,second" {
		t.Errorf("carol's mail after coming back: %v", got)
	}
}

// What is forgotten stays as it is, also once nothing in the files speaks of it.
func TestForgottenUserStays(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "carol.mf.hcl": ""})
	w.write("carol.mf.hcl", "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n  password_hash = \""+hashInQuickstart(t)+"\"\n}\n")
	w.apply()
	w.deliver("carol@example.com", "first")
	w.write("carol.mf.hcl", "removed {\n  from = user.carol\n  lifecycle {\n    destroy = false\n  }\n}\n")
	w.plans("Plan: 0 to add, 0 to change, 0 to destroy, 1 to forget.")
	w.apply()
	w.noChanges()
	w.write("carol.mf.hcl", "")
	w.noChanges()
	w.deliver("carol@example.com", "second")
	if got := w.subjects("carol@example.com", "INBOX"); strings.Join(got, ",") != "first,second" {
		t.Errorf("carol's mail: %v", got)
	}
}

// hashInQuickstart is a hash of the password "quickstart".
func hashInQuickstart(t testing.TB) string {
	t.Helper()
	_, rest, ok := strings.Cut(quickstart(t), `password_hash = "`)
	hash, _, ok2 := strings.Cut(rest, `"`)
	if !ok || !ok2 {
		t.Fatal("the quickstart example has no password_hash")
	}
	return hash
}

func TestSavedPlanIsCarriedOutExactlyOrNot(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.ok("plan", "-out", "first.mfplan")
	if st, err := os.Stat(filepath.Join(w.dir, "first.mfplan")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of a plan file: %v, %v", st.Mode(), err)
	}
	w.ok("apply", "first.mfplan")
	w.noChanges()
	if r := w.mailform("apply", "first.mfplan"); r.code != 1 || !strings.Contains(r.stderr, "Saved plan is stale") {
		t.Errorf("a plan applied twice: %v", r)
	}
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
	w.ok("plan", "-out", "second.mfplan")
	w.edit("main.mf.hcl", `quota         = "3GiB"`, `quota         = "4GiB"`)
	if r := w.mailform("apply", "second.mfplan"); r.code != 1 || !strings.Contains(r.stderr, "Saved plan is stale") || !strings.Contains(r.stderr, "user.alice.mailbox") {
		t.Errorf("a plan for other files: %v", r)
	}
	w.edit("main.mf.hcl", `quota         = "4GiB"`, `quota         = "3GiB"`)
	w.ok("apply", "second.mfplan")
	w.noChanges()
}

func TestStopStartAndCrash(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.deliver("alice@example.com", "before")
	w.ok("stop")
	shown := w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	if !strings.Contains(shown, "not running") {
		t.Errorf("the plan does not say that the daemon is not running:\n%s", shown)
	}
	w.ok("start")
	w.noChanges()
	for _, port := range []string{"smtp", "imap"} {
		dial(t, w.addr(port)).line()
	}
	pid := w.pid()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed daemon is gone", func() bool { return w.pid() == 0 })
	w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	w.apply()
	w.noChanges()
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "before" {
		t.Errorf("alice's mail after a crash: %v", got)
	}
	out := w.ok("destroy", "-auto-approve")
	if !strings.Contains(out, "Destroy complete!") || w.pid() != 0 {
		t.Errorf("after destroy process %d runs:\n%s", w.pid(), out)
	}
	if out := w.ok("state", "list"); out != "" {
		t.Errorf("the state after destroy:\n%s", out)
	}
	w.apply()
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "before" {
		t.Errorf("alice's mail after destroy and apply: %v", got)
	}
}

// No secret is anywhere but in the files that declare it and in the data
// directory.
func TestNoSecretLeaks(t *testing.T) {
	config := quickstart(t)
	hash := hashInQuickstart(t)
	config = strings.Replace(config, `"`+hash+`"`, "var.hash", 1) + "\nvariable \"hash\" {\n  type = string\n  sensitive = true\n}\n\noutput \"secret\" {\n  value = var.hash\n  sensitive = true\n}\n"
	w := newWorld(t, map[string]string{"main.mf.hcl": config})
	w.env = []string{"MF_VAR_hash=" + hash}
	var said bytes.Buffer
	run := func(args ...string) {
		r := w.mailform(args...)
		said.WriteString(r.String())
		if r.code == 1 {
			t.Errorf("mailform %v: %v", args, r)
		}
	}
	run("plan", "-out", "p.mfplan")
	run("show", "-json", "p.mfplan")
	run("plan", "-json")
	run("apply", "p.mfplan")
	w.deliver("alice@example.com", "hello")
	w.subjects("alice@example.com", "INBOX")
	run("show")
	run("show", "-json")
	run("output")
	run("output", "-json")
	run("state", "show", "user.alice.mailbox")
	run("status", "-json")
	w.env = []string{"MF_VAR_hash=" + strings.Replace(hash, "m=19456", "m=19457", 1)}
	run("plan", "-out", "q.mfplan")
	run("plan", "-detailed-exitcode")
	said.WriteString(w.log())
	for _, file := range []string{"mailform.mfstate", "mailform.mfstate.journal", "p.mfplan", "q.mfplan"} {
		b, err := os.ReadFile(filepath.Join(w.dir, file))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		said.Write(b)
		if strings.HasSuffix(file, "plan") {
			out, err := exec.Command("unzip", "-p", filepath.Join(w.dir, file)).Output()
			if err == nil {
				said.Write(out)
			}
		}
	}
	for name, secret := range map[string]string{
		"a password hash":       hash[len(hash)-20:],
		"an argon2 hash":        "$argon2id$",
		"a password":            "PASS quickstart",
		"a private key":         "PRIVATE KEY",
		"a password in a login": "alice@example.com quickstart",
	} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s is in what mailform printed or stored", name)
		}
	}
	for _, file := range []string{"mail", "mail/mailform.db", "mail/tls/ca.key"} {
		st, err := os.Stat(filepath.Join(w.dir, file))
		if err != nil {
			t.Error(err)
		} else if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", file, st.Mode())
		}
	}
}

func TestBarePlanInAnEmptyDirectorySaysWhatToDo(t *testing.T) {
	w := newWorld(t, nil)
	r := w.mailform("plan")
	if r.code != 1 || !strings.Contains(r.stderr, ".mf.hcl") || !strings.Contains(r.stderr, "examples/quickstart") {
		t.Errorf("%v", r)
	}
	if files, _ := os.ReadDir(w.dir); len(files) != 0 {
		t.Errorf("it left %v", files)
	}
}

// Every example is planned, applied, planned again and destroyed.
func TestExamplesWork(t *testing.T) {
	examples, err := filepath.Glob("../../examples/*/*.mf.hcl")
	if err != nil || len(examples) < 2 {
		t.Fatalf("examples: %v, %v", examples, err)
	}
	for _, main := range examples {
		t.Run(filepath.Base(filepath.Dir(main)), func(t *testing.T) {
			w := newWorld(t, nil)
			from := filepath.Dir(main)
			err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
				name, _ := filepath.Rel(from, path)
				switch {
				case err != nil:
					return err
				case d.IsDir() && (name == "mail" || strings.HasPrefix(d.Name(), ".") && name != "."):
					return fs.SkipDir // somebody may be running the example: what that makes is not part of it
				case d.Type().IsRegular() && !strings.Contains(name, ".mfstate"):
					w.write(name, samplePortsOf(readFile(t, path)))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if r := w.mailform("fmt", "-check", "-recursive"); r.code != 0 {
				t.Errorf("fmt -check: %v", r)
			}
			w.ok("validate")
			if r := w.mailform("plan", "-detailed-exitcode"); r.code != 2 {
				t.Fatalf("plan: %v", r)
			}
			start := time.Now()
			w.apply()
			t.Logf("applied in %v", time.Since(start).Round(time.Millisecond))
			w.noChanges()
			w.ok("destroy", "-auto-approve")
		})
	}
}

// samplePortsOf gives the text of another example the ports of quickstart, which
// a world replaces by its own.
func samplePortsOf(text string) string {
	return strings.NewReplacer(
		"127.0.0.1:3525", "127.0.0.1:2525", "127.0.0.1:3587", "127.0.0.1:2587", "127.0.0.1:3143", "127.0.0.1:2143",
		"127.0.0.1:3110", "127.0.0.1:2110", "127.0.0.1:3053", "127.0.0.1:2053",
	).Replace(text)
}
