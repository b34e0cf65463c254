package mailtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What is left of a test ends, and what only looks like it goes on.
func TestEndAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "spool"), 0o755))
	must(t, os.Mkdir(dir+"0", 0o755))
	begun := func(at string, env []string, name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = at, append(os.Environ(), env...)
		must(t, cmd.Start())
		t.Cleanup(func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }) // it may have ended
		return cmd
	}
	const long = "exec sleep 300"
	ours := map[string]*exec.Cmd{
		"what was told of it on the command line": begun("/", nil, "sh", "-c", "sleep 300; :", "sh", filepath.Join(dir, "main.cf")),
		"what was told of it in the environment":  begun("/", []string{"MAIL_CONFIG=" + dir}, "sh", "-c", long),
		"what works in it":                        begun(filepath.Join(dir, "spool"), nil, "sh", "-c", long),
		"what heeds no request":                   begun(dir, nil, "sh", "-c", "trap '' TERM; "+long),
	}
	other := begun("/", []string{"MAIL_CONFIG=" + dir + "0"}, "sh", "-c", long)
	ended := make(chan string, len(ours))
	for name, cmd := range ours {
		go func() { _ = cmd.Wait(); ended <- name }()
	}
	endAll(t, dir, time.Second)
	for range ours {
		t.Log(<-ended)
	}
	if state := processState(other.Process.Pid); state == 0 || state == 'Z' {
		t.Error("another's process was ended")
	}
}
