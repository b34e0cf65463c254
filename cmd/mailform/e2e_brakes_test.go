package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is rarely meant is not done by -auto-approve, by a saved plan that nobody
// has confirmed, or by a yes out of habit.
func TestBrakesHoldUntilTheyAreConfirmed(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.edit("main.mf.hcl", "  nameserver = nameserver.ns1\n", "")
	shown := w.ok("plan", "-out", "unconfirmed.mfplan")
	for _, want := range []string{"\nBrakes: ", "  ! mx:example.com\n", "  ! ns:example.com\n", "-confirm=mx:example.com"} {
		if !strings.Contains(shown, want) {
			t.Fatalf("the plan does not say %q:\n%s", want, shown)
		}
	}
	if events := w.ok("plan", "-json"); strings.Count(events, `"summary":"Confirmation needed"`) < 2 || !strings.Contains(events, "-confirm=ns:example.com") {
		t.Errorf("the events do not tell of the brakes:\n%s", events)
	}
	for _, c := range []struct {
		args         []string
		stdin, wants string
	}{
		{[]string{"apply", "-auto-approve"}, "", "-confirm=mx:example.com"},
		{[]string{"apply", "-auto-approve", "-confirm=mx:example.com"}, "", "-confirm=ns:example.com"},
		{[]string{"apply", "-input=false"}, "all\n", "-confirm=mx:example.com"},
		{[]string{"apply"}, "yes\n", "not confirmed"},
		{[]string{"apply"}, "mx:example.com\n", "not confirmed"},
		{[]string{"apply", "unconfirmed.mfplan"}, "", "plan again with -confirm=mx:example.com"},
		{[]string{"apply", "-confirm=all", "unconfirmed.mfplan"}, "", "plan -out"},
	} {
		r := w.answering(c.stdin, c.args...)
		if r.code != exitError || !strings.Contains(r.stderr, c.wants) {
			t.Errorf("%q, answered %q: want %q, got %v", c.args, c.stdin, c.wants, r)
		}
	}
	if again := w.ok("plan", "-out", "unconfirmed.mfplan"); again != shown {
		t.Fatalf("something was changed; the plan is now\n%s\nand was\n%s", again, shown)
	}
	w.ok("plan", "-confirm=all", "-out", "confirmed.mfplan")
	w.ok("apply", "confirmed.mfplan")
	w.noChanges()

	w.edit("main.mf.hcl", `  name       = "example.com"`, "  name       = \"example.com\"\n  nameserver = nameserver.ns1")
	w.apply()
	w.edit("main.mf.hcl", "  nameserver = nameserver.ns1\n", "")
	if r := w.answering("all\n", "apply"); r.code != exitOK {
		t.Errorf("typed confirmation: %v", r)
	}
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}

// answering runs mailform with something to read on its standard input.
func (w *world) answering(stdin string, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := w.command(ctx, binary, args...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		w.t.Fatalf("mailform %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// A selection is kept in the saved plan, and what is made anew on demand is there
// afterwards.
func TestSelectionsAndReplacementsAreApplied(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.ok("apply", "-auto-approve", "-parallelism=1")
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
	w.edit("main.mf.hcl", `quota         = "1GiB"`, `quota         = "3GiB"`)
	shown := w.ok("plan", "-exclude=user.b*", "-lock=false", "-out", "some.mfplan")
	if !strings.Contains(shown, "user.alice.mailbox") || strings.Contains(shown, "user.bob") {
		t.Errorf("-exclude: %s", shown)
	}
	if shown := w.ok("show", "-markdown", "some.mfplan"); !strings.HasPrefix(shown, "<!-- mailform:"+filepath.Base(w.dir)+" -->\n") ||
		!strings.Contains(shown, "<code>user.alice.mailbox</code>: update") {
		t.Errorf("show -markdown: %s", shown)
	}
	if shown := w.ok("show", "-ui=terraform", "some.mfplan"); !strings.Contains(shown, "\nTerraform will perform the following actions:\n") {
		t.Errorf("show -ui=terraform: %s", shown)
	}
	w.ok("apply", "some.mfplan")
	if shown := w.ok("apply", "-auto-approve", "-target=*.bob"); !strings.Contains(shown, "Resources: 0 added, 1 changed") {
		t.Errorf("-target: %s", shown)
	}
	w.noChanges()
	shown = w.ok("apply", "-auto-approve", "-replace=domain.example.mx")
	if !strings.Contains(shown, "domain.example.mx will be replaced, as requested") || !strings.Contains(shown, "Resources: 1 added, 0 changed, 1 destroyed") {
		t.Errorf("-replace: %s", shown)
	}
	w.noChanges()
	if r := w.mailform("plan", "-detailed-exitcode", "-replace=domain.example.zone", "-replace=user.alice.mailbox"); r.code != 0 || strings.Count(r.stderr, "Nothing to replace") != 2 {
		t.Errorf("-replace of a zone and of a mailbox: %v", r)
	}
	r := w.mailform("plan", "-compact-warnings", "-target=user.nobody", "-target=user.none")
	if r.code != 0 || !strings.Contains(r.stderr, "- Target matches nothing\n  (and 1 more)\n") || strings.Contains(r.stderr, "nobody") {
		t.Errorf("-compact-warnings: %v", r)
	}
	w.ok("destroy", "-auto-approve")
}
