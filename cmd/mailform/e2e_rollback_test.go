package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A user is removed, another changed, a third one made, and an output too. A rollback
// puts all of it back, mail and password included; the next one goes forward
// again.
func TestRollbackUndoesTheLastApply(t *testing.T) {
	files := map[string]string{"main.mf.hcl": quickstart(t), "extra.mf.hcl": "output \"note\" {\n  value = \"one\"\n}\n"}
	w := newWorld(t, files)
	if r := w.mailform("rollback", "-auto-approve"); r.code != exitError || !strings.Contains(r.stderr, "Nothing to roll back") {
		t.Errorf("before the first apply: %v", r)
	}
	w.apply()
	w.deliver("bob@example.com", "kept")
	before := w.ok("state", "pull")

	main := readFile(t, w.dir+"/main.mf.hcl")
	cut := strings.Index(main, "user \"bob\"")
	end := cut + strings.Index(main[cut:], "\n}\n") + 3
	w.write("main.mf.hcl", strings.NewReplacer(`"2GiB"`, `"3GiB"`, "user.alice, user.bob", "user.alice").Replace(main[:cut]+main[end:]))
	w.write("extra.mf.hcl", "output \"note\" {\n  value = \"two\"\n}\nuser \"dora\" {\n  domain = domain.example\n  name   = \"dora\"\n}\n")
	// What else refers to bob goes with him.
	if r := w.mailform("validate"); r.code != exitOK {
		t.Fatalf("the changed files: %v", r)
	}
	changed := w.ok("apply", "-auto-approve")
	w.noChanges()

	shown := w.ok("rollback", "-auto-approve")
	for _, want := range []string{"This plan undoes the apply by ", "1 message, ", `~ note = "two" -> "one"`, "Plan: 1 to add, 2 to change, 1 to destroy.", "put them back"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the rollback does not say %q:\n%s\nafter\n%s", want, shown, changed)
		}
	}
	if got := w.subjects("bob@example.com", "INBOX"); len(got) != 1 || got[0] != "kept" {
		t.Errorf("bob has %q after the rollback", got)
	}
	if d := resourcesOf(w.ok("state", "pull")); d != resourcesOf(before) {
		t.Errorf("the state is not what it was before:\n%s\nwas\n%s", d, resourcesOf(before))
	}
	w.write("main.mf.hcl", main)
	w.write("extra.mf.hcl", files["extra.mf.hcl"])
	w.noChanges()

	// Once more: forward again, from a saved plan.
	w.ok("rollback", "-out", "forward.mfplan")
	if r := w.mailform("rollback", "-out", "x.mfplan", "-auto-approve"); r.code != exitError {
		t.Errorf("-out and -auto-approve: %v", r)
	}
	if r := w.mailform("rollback", "-target=user.bob"); r.code != exitError || !strings.Contains(r.stderr, "as a whole") {
		t.Errorf("-target: %v", r)
	}
	w.ok("apply", "forward.mfplan")
	if got := w.ok("output", "-raw", "note"); strings.TrimSpace(got) != "two" {
		t.Errorf("forward again, the output is %q", got)
	}
	if list := w.ok("state", "list"); strings.Contains(list, "user.bob") || !strings.Contains(list, "user.dora") {
		t.Errorf("forward again there are\n%s", list)
	}
	if r := w.mailform("apply", "forward.mfplan"); r.code != exitError || !strings.Contains(r.stderr, "Saved plan is stale") {
		t.Errorf("the same plan once more: %v", r)
	}
	w.apply()
	w.noChanges()
}

// resourcesOf is what a state says of its resources.
func resourcesOf(document string) string {
	_, rest, _ := strings.Cut(document, "\"resources\":")
	return rest
}

// A rollback that is killed goes on where it was, and never turns round; one after
// an apply that was killed undoes what that one had done, written down or not.
func TestKilledRollbacksAndAppliesGoBack(t *testing.T) {
	const users, rounds = 300, 10
	files := manyUsers(t, users)
	w := newWorld(t, files)
	w.apply()
	var whole time.Duration
	more := strings.ReplaceAll(files["staff.csv"], "1GiB", "2GiB")
	rng := rand.New(rand.NewPCG(7, 8))
	// kill runs a command and kills it. It reports whether that was in the middle:
	// before the first change nothing has begun, and after the last one all is done.
	kill := func(args ...string) (middle bool) {
		t.Helper()
		cmd := w.command(context.Background(), binary, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		_ = cmd.Process.Kill() // an error says that it has ended already
		_ = cmd.Wait()
		return strings.Contains(w.ok("state", "pull"), `"open_apply"`)
	}
	count := func(want int) int {
		t.Helper()
		live, err := w.admin().Resources(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range live.Resources {
			if r.Kind == "mailbox" && !r.Retained && strings.Contains(string(r.Attrs), fmt.Sprintf(`"quota":%d`, want<<30)) && strings.HasPrefix(r.Key, "u0") {
				n++
			}
		}
		return n
	}
	quotas := func(want int) {
		t.Helper()
		if n := count(want); n != users {
			t.Errorf("%d of %d mailboxes have %d GiB", n, users, want)
		}
	}
	killed := 0
	for range rounds {
		w.write("staff.csv", more)
		began := time.Now()
		w.apply()
		whole = time.Since(began)
		quotas(2)
		if kill("rollback", "-auto-approve") {
			killed++
			w.ok("rollback", "-auto-approve")
		} else if count(1) == 0 {
			w.ok("rollback", "-auto-approve")
		}
		quotas(1)
		// The apply that goes forward again is killed, and undone.
		if kill("apply", "-auto-approve") {
			killed++
			if r := w.mailform("rollback", "-auto-approve"); r.code != exitOK {
				t.Fatalf("rollback after a killed apply: %v", r)
			}
			if st := w.ok("state", "pull"); strings.Contains(st, `"open_apply"`) {
				t.Error("an apply is still open after the rollback")
			}
		} else if count(2) == users {
			w.ok("rollback", "-auto-approve")
		}
		quotas(1)
		w.write("staff.csv", files["staff.csv"])
		w.noChanges()
	}
	if killed == 0 {
		t.Error("no kill came in the middle: the test shows nothing")
	}
	t.Logf("%d of %d kills came in the middle", killed, 2*rounds)
}
