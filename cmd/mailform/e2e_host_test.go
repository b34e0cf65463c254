package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers/host/hosttest"
)

// farWorld is the quickstart with its server on another machine: this one, by way
// of a real sshd.
func farWorld(t *testing.T, s *hosttest.Server, more string) *world {
	t.Helper()
	w := newWorld(t, nil)
	block := fmt.Sprintf("provider \"embedded\" {\n  data_dir = %q\n  program = %q\n  %s\n  %s\n}\n\n",
		filepath.Join(w.dir, "mail"), w.program(), s.Block(), more)
	w.write("main.mf.hcl", block+ownProvider.ReplaceAllString(quickstart(t), ""))
	return w
}

// ownProvider is the provider block of the quickstart.
var ownProvider = regexp.MustCompile(`(?s)provider "embedded" \{.*?\n\}\n`)

func (w *world) program() string { return filepath.Join(w.dir, "far", "mailform") }

// The server on another machine is put there, looked after and taken away as one
// on this machine is.
func TestServerOnAnotherMachine(t *testing.T) {
	t.Parallel()
	s := hosttest.SSHD(t)
	w := farWorld(t, s, "")
	if out := w.ok("plan"); !strings.Contains(out, `provider.embedded.process`) {
		t.Fatalf("the plan is\n%s", out)
	}
	if _, err := os.Stat(w.program()); err == nil {
		t.Fatal("a plan has put the binary there")
	}
	w.apply()
	w.noChanges()
	w.deliver("alice@example.com", "from afar")
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("in the mailbox is %q", got)
	}
	pid := w.pid()
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || exe != w.program() {
		t.Errorf("the daemon is %s, %v", exe, err)
	}
	if st, err := os.Stat(w.program()); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the binary: %v, %v", st.Mode(), err)
	}
	// What asks this machine's daemons says where the server is.
	if r := w.mailform("status"); r.code != 1 || !strings.Contains(r.stderr, "runs on 127.0.0.1") {
		t.Errorf("status: %v", r)
	}

	// A change of the files, and one that nobody made in them.
	w.edit("main.mf.hcl", `data_dir = `, "# changed\n  data_dir = ")
	w.noChanges()

	// The daemon is killed: the plan says so, and apply starts it again.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon has ended", func() bool { return w.pid() == 0 })
	if out := w.plans("Plan: 0 to add, 1 to change, 0 to destroy."); !strings.Contains(out, "running") {
		t.Errorf("the plan is\n%s", out)
	}
	w.apply()
	w.noChanges()
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("in the mailbox is %q", got)
	}

	// The machine is not to be reached: nothing is taken for gone.
	s.Stop()
	if r := w.mailform("plan"); r.code != 1 || !strings.Contains(r.stderr, "connect to "+s.Addr()) {
		t.Errorf("the plan without the machine: %v", r)
	}
	s.Start(t)
	w.noChanges()

	w.ok("destroy", "-auto-approve")
	if pid := w.pid(); pid != 0 {
		t.Errorf("process %d goes on", pid)
	}
}

// A mailform of another version is put there and takes over.
func TestUpgradeOnAnotherMachine(t *testing.T) {
	t.Parallel()
	s := hosttest.SSHD(t)
	w := farWorld(t, s, "")
	w.apply()
	w.deliver("alice@example.com", "before")
	old := w.pid()
	newer := filepath.Join(t.TempDir(), "mailform")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=9.9.9", "-o", newer, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := w.run(newer, "plan", "-detailed-exitcode"); r.code != 2 || !strings.Contains(r.stdout, `"9.9.9"`) {
		t.Fatalf("the plan of the other version: %v", r)
	}
	// One for which the wrong binary is named leaves the old one running.
	w.edit("main.mf.hcl", "  program = ", fmt.Sprintf("  binary_file = %q\n  program = ", binary))
	if r := w.run(newer, "apply", "-auto-approve"); r.code != 1 || !strings.Contains(r.stderr, "and this is mailform v9.9.9") {
		t.Errorf("apply with the wrong binary: %v", r)
	}
	if w.pid() != old {
		t.Error("the old daemon does not run any more")
	}
	w.edit("main.mf.hcl", fmt.Sprintf("  binary_file = %q\n", binary), "")
	if r := w.run(newer, "apply", "-auto-approve"); r.code != 0 {
		t.Fatalf("apply of the other version: %v", r)
	}
	if r := w.run(newer, "plan", "-detailed-exitcode"); r.code != 0 {
		t.Errorf("the second plan: %v", r)
	}
	if now := w.pid(); now == old || now == 0 {
		t.Errorf("the daemon is process %d, and was %d", now, old)
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("in the mailbox is %q", got)
	}
}

// A plan is made with a key that can do nothing but read, and the other key is
// not even there.
func TestPlanWithReadOnlyKey(t *testing.T) {
	t.Parallel()
	s := hosttest.SSHD(t)
	w := farWorld(t, s, "")
	file, key := s.NewKey(t, "reader")
	s.Admit(t, key, fmt.Sprintf(`restrict,command="%s admin-bridge -read-only -data %s"`, w.program(), filepath.Join(w.dir, "mail")))
	w.apply()
	read := strings.NewReplacer("connection {", "read_connection {", s.KeyFile, file).Replace(s.Block())
	w.edit("main.mf.hcl", "  program = ", "  "+read+"\n  program = ")
	if err := os.Rename(s.KeyFile, s.KeyFile+".away"); err != nil {
		t.Fatal(err)
	}
	w.noChanges()
	w.edit("main.mf.hcl", `name          = "alice"`, `name          = "alicia"`)
	if r := w.mailform("plan", "-detailed-exitcode"); r.code != 2 {
		t.Fatalf("the plan: %v", r)
	}
	pid := w.pid()
	if r := w.mailform("apply", "-auto-approve"); r.code == 0 || !strings.Contains(r.stderr, s.KeyFile) {
		t.Errorf("apply without the key that writes: %v", r)
	}
	// With the reader's key in the place of the writer's nothing can be changed.
	w.edit("main.mf.hcl", fmt.Sprintf("private_key_file = %q\n    known_hosts_file = %q\n    agent = false\n    \n  }\n  \n", s.KeyFile, s.KnownHosts),
		fmt.Sprintf("private_key_file = %q\n    known_hosts_file = %q\n    agent = false\n  }\n", file, s.KnownHosts))
	if r := w.mailform("apply", "-auto-approve"); r.code == 0 || !strings.Contains(r.stderr, "for reading alone") {
		t.Errorf("apply with the key that reads: %v", r)
	}
	if w.pid() != pid {
		t.Error("the daemon is another one")
	}
	// What lies there is seen also where no daemon runs.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon has ended", func() bool { return w.pid() == 0 })
	w.edit("main.mf.hcl", `"alicia"`, `"alice"`)
	w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
}
