package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exampleWorld is an example in a directory of its own.
func exampleWorld(t *testing.T, name string) *world {
	t.Helper()
	w := newWorld(t, nil)
	files, err := filepath.Glob(filepath.Join("../../examples", name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no example %s: %v", name, err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() && !strings.Contains(f, ".mfstate") {
			w.write(filepath.Base(f), samplePortsOf(readFile(t, f)))
		}
	}
	return w
}

// forget removes what a pattern finds in the world's directory.
func (w *world) forget(pattern string) {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(w.dir, pattern))
	if err != nil || len(paths) == 0 {
		w.t.Fatalf("nothing is called %s: %v", pattern, err)
	}
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			w.t.Fatal(err)
		}
	}
}

// revisions are what the daemon holds, by kind and key: each has another revision
// after each change.
func (w *world) revisions() map[string]string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rs, err := w.admin().Resources(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range rs.Resources {
		out[r.Kind+" "+r.Key] = r.Revision
	}
	return out
}

func TestALostStateIsMadeAnew(t *testing.T) {
	for _, name := range []string{"quickstart", "staff"} {
		t.Run(name, func(t *testing.T) {
			w := exampleWorld(t, name)
			w.apply()
			before := w.revisions()
			list := w.ok("state", "list")
			w.forget("mailform.mfstate*")
			if out := w.ok("import", "-all", "-dry-run"); !strings.Contains(out, "Nothing has been written.") {
				t.Errorf("import -dry-run:\n%s", out)
			}
			if out := w.ok("state", "list"); out != "" {
				t.Errorf("-dry-run wrote:\n%s", out)
			}
			if out := w.ok("import", "-all"); !strings.Contains(out, "Import successful!") || strings.Contains(out, "No block declares") {
				t.Errorf("import -all:\n%s", out)
			}
			if d := cmp.Diff(before, w.revisions()); d != "" {
				t.Errorf("the import changed something at the server:\n%s", d)
			}
			w.noChanges()
			if d := cmp.Diff(list, w.ok("state", "list")); d != "" {
				t.Errorf("not the state that was:\n%s", d)
			}
			// What was taken over is ours: it is changed and goes with the files.
			w.ok("destroy", "-auto-approve")
		})
	}
}

func TestImportTakesOverOneThing(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.ok("state", "rm", "user.alice")
	before := w.revisions()
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
	out := w.ok("import", "user.alice", "alice@example.com")
	for _, want := range []string{
		`Imported user.alice.alias["al"] (route al@example.com)`,
		"Imported user.alice.mailbox (mailbox alice@example.com)",
		"Import successful! 2 resources are in the state now.",
		"user.alice.mailbox: quota",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if d := cmp.Diff(before, w.revisions()); d != "" {
		t.Errorf("the import changed something at the server:\n%s", d)
	}
	w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	if r := w.mailform("import", "user.alice", "alice@example.com"); r.code != 1 || !strings.Contains(r.stderr, "Already managed") {
		t.Errorf("a second time: %v", r)
	}
	// A removed user, whose mail is still kept, is told apart.
	w.apply()
	w.deliver("bob@example.com", "for later")
	text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	from, to := strings.Index(text, "user \"bob\""), strings.Index(text, "alias \"sales\"")
	w.write("main.mf.hcl", strings.Replace(text[:from]+text[to:], "[user.alice, user.bob]", "[user.alice]", 1))
	w.apply()
	w.forget("mailform.mfstate*")
	if out := w.ok("import", "-all"); !strings.Contains(out, "Deleted, and their mail still kept:\n  mailbox bob@example.com") {
		t.Errorf("import -all:\n%s", out)
	}
	w.noChanges()
	w.write("main.mf.hcl", text)
	if r := w.mailform("import", "user.bob", "bob@example.com"); r.code != 1 || !strings.Contains(r.stderr, "the mail comes back with it") {
		t.Errorf("of a deleted mailbox: %v", r)
	}
}

// Neither state nor files are left, only the data directory.
func TestLostFilesAreWrittenAnew(t *testing.T) {
	for _, name := range []string{"quickstart", "staff"} {
		t.Run(name, func(t *testing.T) {
			w := exampleWorld(t, name)
			w.apply()
			before := w.revisions()
			w.forget("mailform.mfstate*")
			w.forget("*.mf.hcl")
			args := []string{"import", "-all", "-generate-config-out=all.mf.hcl", "-secrets-out=secrets.auto.mfvars"}
			if name == "staff" {
				w.forget("staff.csv")
				args = append(args, "-csv=staff.csv")
			}
			out := w.ok(args...)
			if strings.Contains(out, "Could not be written") || strings.Contains(out, "so that the next apply") {
				t.Errorf("import -all:\n%s", out)
			}
			if text := readFile(t, filepath.Join(w.dir, "all.mf.hcl")); strings.Contains(text, "$argon2id") {
				t.Error("the file holds a password hash")
			}
			if st, err := os.Stat(filepath.Join(w.dir, "secrets.auto.mfvars")); name == "quickstart" && (err != nil || st.Mode().Perm() != 0o600) {
				t.Errorf("the file with the secrets: %v, %v", st, err)
			}
			if r := w.mailform("fmt", "-check"); r.code != 0 {
				t.Errorf("fmt -check: %v", r)
			}
			if out := w.ok("plan"); !strings.Contains(out, " to import, 0 to add, 0 to change, 0 to destroy.") {
				t.Errorf("plan:\n%s", out)
			}
			w.apply()
			w.noChanges()
			if d := cmp.Diff(before, w.revisions()); d != "" {
				t.Errorf("something changed at the server:\n%s", d)
			}
			// A second time there is nothing to write, and nothing is overwritten.
			if r := w.mailform("import", "-all", "-generate-config-out=all.mf.hcl"); r.code != 1 || !strings.Contains(r.stderr, "exists already") {
				t.Errorf("over a file that is there: %v", r)
			}
			w.ok("import", "-all", "-generate-config-out=more.mf.hcl")
			if _, err := os.Stat(filepath.Join(w.dir, "more.mf.hcl")); err == nil {
				t.Error("a file was written for nothing")
			}
		})
	}
}

func TestBlocksAreWrittenForImportBlocks(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	before := w.revisions()
	w.forget("mailform.mfstate*")
	text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	from, to := strings.Index(text, "user \"bob\""), strings.Index(text, "alias \"sales\"")
	w.write("main.mf.hcl", strings.Replace(text[:from]+text[to:], "[user.alice, user.bob]", "[user.alice, user.robert]", 1))
	w.write("import.mf.hcl", "import {\n  to = user.robert\n  id = \"bob@example.com\"\n}\n")
	// The alias names a user that is not there yet.
	if r := w.mailform("plan", "-generate-config-out=robert.mf.hcl"); r.code != 1 || !strings.Contains(r.stderr, `There is no user "robert"`) {
		t.Errorf("a reference to what is to be written: %v", r)
	}
	w.edit("main.mf.hcl", "[user.alice, user.robert]", `[user.alice, "bob@example.com"]`)
	if r := w.mailform("plan"); r.code != 1 || !strings.Contains(r.stderr, "mailform plan -generate-config-out=FILE") {
		t.Errorf("without the option: %v", r)
	}
	r := w.mailform("plan", "-generate-config-out=robert.mf.hcl", "-out=p.mfplan")
	if r.code != 1 || !strings.Contains(r.stderr, "nobody") && !strings.Contains(r.stderr, "Unknown address") {
		t.Errorf("the alias goes to nobody as yet: %v", r)
	}
	w.edit("main.mf.hcl", `[user.alice, "bob@example.com"]`, `[user.alice]`)
	out := w.ok("plan", "-generate-config-out=robert.mf.hcl", "-secrets-out=robert.auto.mfvars", "-out=p.mfplan")
	if !strings.Contains(out, "Wrote robert.mf.hcl: 1 user.") || !strings.Contains(out, "user.robert.mailbox will be imported") {
		t.Errorf("plan:\n%s", out)
	}
	want := `user "robert" {
  domain        = domain.example
  name          = "bob"
  password_hash = var.robert_password_hash
  quota         = "1GiB"
}
`
	if got := readFile(t, filepath.Join(w.dir, "robert.mf.hcl")); !strings.HasSuffix(got, want) || strings.Contains(got, "$argon2id") {
		t.Errorf("robert.mf.hcl:\n%s", got)
	}
	w.ok("apply", "p.mfplan")
	w.noChanges()
	after := w.revisions()
	delete(before, "route sales@example.com")
	delete(after, "route sales@example.com")
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("more than the alias changed at the server:\n%s", d)
	}
}
