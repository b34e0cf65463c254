package authd_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
)

// TestMain lets the binary of the tests be the daemon, as mailform itself is.
func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// On another machine mailform is put beside the daemon's directory, and is the one
// that runs; it is there once, whoever asks, and where it is not no daemon runs.
func TestOnAnotherMachine(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("its directory belongs to root and a group")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(t.Context(), hosttest.SSHD(t).Value(nil), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	dir := t.TempDir()
	c := &authd.Control{Host: h, Dir: filepath.Join(dir, "authd"), Executable: exe, Group: "0"}
	running := func(want bool) {
		t.Helper()
		if got, err := c.Running(t.Context()); err != nil || got != want {
			t.Errorf("it runs: %t, %v; want %t", got, err, want)
		}
	}
	running(false)
	if err := c.End(t.Context()); err != nil {
		t.Error(err)
	}
	replace(t, c, authd.User{Address: "alice@example.com", Verifiers: []string{sha512}})
	t.Cleanup(func() { _ = authd.Stop(t.Context(), c.Dir) })
	if err := c.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	running(true)
	pid, err := authd.PID(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if want := filepath.Join(dir, "bin", "mailform"); err != nil || program != want || c.Program() != want {
		t.Errorf("the daemon is %s, %v; want %s", program, err, want)
	}
	was, err := os.Stat(c.Program())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(t.Context()); err != nil {
		t.Error(err)
	}
	if is, err := os.Stat(c.Program()); err != nil || !os.SameFile(was, is) {
		t.Errorf("what was there was put there again: %v", err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Error(err)
	}
	running(false)
}
