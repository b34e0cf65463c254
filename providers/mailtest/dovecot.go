package mailtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A DovecotInstance is a private Dovecot, as a fresh installation would be: with a
// comment and settings of its administrator's.
type DovecotInstance struct {
	// ConfigDir holds everything, dovecot.conf too.
	ConfigDir string
}

// mailOwner is a user of every Debian machine who can own mail.
const mailOwner = "mail"

// Dovecot makes an instance, which is not started. Whatever runs of it is ended
// with the test.
func Dovecot(t testing.TB) *DovecotInstance {
	t.Helper()
	var err error
	for _, program := range []string{"dovecot", "doveadm", "doveconf"} {
		if _, lerr := exec.LookPath(program); lerr != nil {
			if _, lerr = exec.LookPath("/usr/sbin/" + program); lerr != nil {
				err = errors.Join(err, lerr)
			}
		}
	}
	for _, part := range []string{"imap", "pop3", "lmtp"} {
		if _, lerr := os.Stat("/usr/lib/dovecot/" + part); lerr != nil {
			err = errors.Join(err, lerr)
		}
	}
	if os.Getuid() != 0 {
		err = errors.Join(err, errors.New("only root can start it"))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Dovecot: %v; .ci/peers installs it", err)
		}
		t.Skipf("SKIPPED: Dovecot: %v", err)
	}
	// Its processes are other users: they have to get in.
	dir, err := os.MkdirTemp("", "dovecot-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &DovecotInstance{ConfigDir: dir}
	t.Cleanup(func() {
		d.end(t, unix.SIGTERM)
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("the log of Dovecot ends with: %s", log[max(0, len(log)-3000):])
		}
		_ = os.RemoveAll(dir)
	})
	for _, sub := range []string{"run", "state"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("DIR", dir, "NAME", filepath.Base(dir)).Replace(dovecotConf)
	if err := os.WriteFile(filepath.Join(dir, "dovecot.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

const dovecotConf = `## Dovecot configuration file

# where everything lies
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
instance_name = NAME

# the administrator's
protocols =
listen = 127.0.0.1
login_greeting = Ready, at last
# who mistypes his password need not wait
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
  # a comment within
  client_limit = 1203
}
`

// Block implements System.
func (d *DovecotInstance) Block() string {
	return fmt.Sprintf("provider \"dovecot\" {\n  config_dir = %q\n  mail_dir   = %q\n  mail_user  = %q\n}\n", d.ConfigDir, filepath.Join(d.ConfigDir, "mail"), mailOwner)
}

// Kill ends it with all its processes as kill -9 does, and waits until they have
// gone.
func (d *DovecotInstance) Kill(t testing.TB) { d.end(t, unix.SIGKILL) }

// Start starts it as it is configured.
func (d *DovecotInstance) Start(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("/usr/sbin/dovecot", "-c", filepath.Join(d.ConfigDir, "dovecot.conf")).CombinedOutput(); err != nil {
		t.Fatalf("start Dovecot: %v: %s", err, out)
	}
}

// end ends the master process, which ends the others.
func (d *DovecotInstance) end(t testing.TB, signal unix.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.ConfigDir, "run", "master.pid"))
	if err != nil {
		return // it never ran
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Errorf("master.pid: %v", err)
		return
	}
	if signal == unix.SIGKILL { // it makes no further processes while we look for them
		_ = unix.Kill(pid, unix.SIGSTOP)
	}
	group := d.processes(pid)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		alive := false
		for _, p := range group {
			if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p)); err == nil && strings.Contains(string(comm), "dovecot") || p == pid && err == nil && len(comm) > 0 {
				alive = unix.Kill(p, signal) == nil || alive
			}
		}
		if !alive {
			break
		}
		if time.Now().After(deadline) {
			signal = unix.SIGKILL
		}
	}
	if signal == unix.SIGKILL { // nobody else takes it away
		_ = os.Remove(filepath.Join(d.ConfigDir, "run", "master.pid"))
	}
}

// processes are the master and its children.
func (d *DovecotInstance) processes(master int) []int {
	pids := []int{master}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return pids
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", master)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
