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
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
