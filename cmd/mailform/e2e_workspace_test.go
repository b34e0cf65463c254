package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Two workspaces of a directory never get the same mail by accident.
func TestWorkspacesDoNotShareADataDirectoryUnseen(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.ok("workspace", "new", "staging")
	for _, args := range [][]string{{"plan"}, {"apply", "-auto-approve"}, {"destroy", "-auto-approve"}} {
		if r := w.mailform(args...); r.code != 1 || !strings.Contains(r.stderr, "belongs to the workspace default, and this is the workspace staging") ||
			!strings.Contains(r.stderr, `data_dir = "./mail-${mailform.workspace}"`) {
			t.Errorf("%v in the directory of another: %v", args, r)
		}
	}
	main := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	apart := strings.Replace(main, `"./mail"`, `mailform.workspace == "default" ? "./mail" : "./mail-${mailform.workspace}"`, 1)
	if apart == main {
		t.Fatal("the example names no data_dir")
	}
	w.write("main.mf.hcl", apart)
	// The same ports are the other's as long as it runs.
	w.env = append(w.env, "MF_WORKSPACE=default")
	w.noChanges()
	w.ok("stop")
	w.env[len(w.env)-1] = "MF_WORKSPACE=staging"
	w.ok("apply", "-auto-approve")
	w.noChanges()
	if out := w.ok("status"); !strings.Contains(out, "mail-staging: running") {
		t.Errorf("status: %s", out)
	}
	// A directory that belongs to a workspace is not taken by the default one.
	w.write("main.mf.hcl", strings.Replace(main, `"./mail"`, `"./mail-staging"`, 1))
	w.env[len(w.env)-1] = "MF_WORKSPACE=default"
	if r := w.mailform("destroy", "-auto-approve"); r.code != 1 {
		t.Errorf("destroy of the other's: %v", r)
	}
	w.write("main.mf.hcl", apart)
	w.env[len(w.env)-1] = "MF_WORKSPACE=staging"
	if r := w.mailform("-chdir="+w.dir, "workspace", "delete", "staging"); r.code != 1 {
		t.Errorf("delete of the selected one: %v", r)
	}
	w.noChanges()
	w.ok("destroy", "-auto-approve")
	w.env[len(w.env)-1] = "MF_WORKSPACE=default"
	w.ok("workspace", "delete", "staging")
	w.apply()
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}
