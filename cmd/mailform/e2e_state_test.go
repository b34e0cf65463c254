package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestABlockThatIsRenamedInStateAndFilesIsLeftAlone(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	w.write("main.mf.hcl", strings.NewReplacer(`user "alice"`, `user "alicia"`, "user.alice", "user.alicia").Replace(text))
	if out := w.ok("state", "mv", "user.alice", "user.alicia"); !strings.Contains(out, `Move "user.alice.mailbox" to "user.alicia.mailbox"`) {
		t.Errorf("state mv:\n%s", out)
	}
	w.noChanges()
	// What was forgotten and is still in the files is ours all the same: the
	// server knows what made it.
	w.ok("state", "rm", "user.alicia")
	if list := w.ok("state", "list"); strings.Contains(list, "alicia") {
		t.Errorf("state list:\n%s", list)
	}
	plan := w.ok("plan")
	if strings.Contains(plan, "will be created") || strings.Contains(plan, "will be destroyed") {
		t.Errorf("after state rm:\n%s", plan)
	}
}
