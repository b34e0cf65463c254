package mailtest

import (
	"bufio"
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
	// ProgramDir holds the programs; empty: they are where the machine has them.
	ProgramDir string

	root string // of the system that they are unpacked from; empty: none
}

// mailOwner is a user of every Debian machine who can own mail.
const mailOwner = "mail"

// Dovecot makes an instance of the machine's Dovecot, which is not started.
// Whatever runs of it is ended with the test.
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
	d := dovecot(t, "/", err)
	version, err := exec.Command(d.Program("dovecot"), "--version").Output()
	must(t, err)
	text := dovecotConf
	if strings.HasPrefix(string(version), "2.4") {
		text = dovecot24Header + text
	}
	d.configure(t, text)
	return d
}

// Dovecot24 makes an instance of Dovecot 2.4, which .ci/peers unpacks beside the
// machine's.
func Dovecot24(t testing.TB) *DovecotInstance {
	t.Helper()
	root, err := dovecot24()
	d := dovecot(t, root, err)
	d.become24(t, root)
	return d
}

// Upgrade makes a Dovecot 2.4 of an instance, as the administrator does who has a
// newer system: it is ended, and his own settings are called as they are there.
func (d *DovecotInstance) Upgrade(t testing.TB) {
	t.Helper()
	root, err := dovecot24()
	if err != nil {
		Missing(t, "Dovecot 2.4", err)
	}
	d.end(t, unix.SIGTERM)
	text, err := os.ReadFile(filepath.Join(d.ConfigDir, "dovecot.conf"))
	must(t, err)
	_, ours, _ := strings.Cut(string(text), "client_limit = 1203\n}\n")
	d.become24(t, root)
	file, err := os.OpenFile(filepath.Join(d.ConfigDir, "dovecot.conf"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(ours)
	must(t, errors.Join(err, file.Close()))
}

// dovecot24 is where .ci/peers has unpacked it.
func dovecot24() (root string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root = filepath.Join(cache, "mailform/tools/dovecot-2.4")
	_, err = os.Stat(filepath.Join(root, "usr/sbin/dovecot"))
	return root, err
}

func (d *DovecotInstance) become24(t testing.TB, root string) {
	t.Helper()
	d.ProgramDir = filepath.Join(d.ConfigDir, "bin")
	must(t, os.Mkdir(d.ProgramDir, 0o755))
	d.root = root
	d.See(t)
	d.configure(t, dovecot24Header+dovecotConf)
}

// See has the programs see the machine as it is now, where they are unpacked: what
// is mounted later they do not.
func (d *DovecotInstance) See(t testing.TB) {
	t.Helper()
	if d.root == "" {
		return
	}
	view := unpacked(t, d.root)
	for _, program := range []string{"/usr/sbin/dovecot", "/usr/bin/doveadm", "/usr/bin/doveconf", "/usr/bin/sievec"} {
		script := fmt.Sprintf("#!/bin/sh\nexec nsenter --mount=/proc/%d/ns/mnt chroot %s %s \"$@\"\n", view, d.root, program)
		must(t, os.WriteFile(filepath.Join(d.ProgramDir, filepath.Base(program)), []byte(script), 0o755))
	}
}

// unpacked starts a process that has a view of the machine where its files are in
// their places within an unpacked system; nobody else sees them there. It ends with
// the test, or with the process of the test.
func unpacked(t testing.TB, root string) int {
	t.Helper()
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`for d in dev etc proc tmp; do mount --rbind "/$d" "$1/$d" || exit; done; echo ready; exec cat`, "sh", root)
	in, err := holder.StdinPipe()
	must(t, err)
	out, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = holder.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("no view of %s: %q, %v", root, line, err)
	}
	return holder.Process.Pid
}

// dovecot makes the directory of an instance of a Dovecot below root. err is what
// is missing already.
func dovecot(t testing.TB, root string, err error) *DovecotInstance {
	t.Helper()
	for _, part := range []string{"imap", "pop3", "lmtp", "managesieve", "submission"} {
		if _, lerr := os.Stat(filepath.Join(root, "usr/lib/dovecot", part)); lerr != nil {
			err = errors.Join(err, lerr)
		}
	}
	if os.Getuid() != 0 {
		err = errors.Join(err, errors.New("only root can start it"))
	}
	if err != nil {
		Missing(t, "Dovecot", err)
	}
	// Its processes are other users: they have to get in.
	dir, err := os.MkdirTemp("/tmp", "dovecot-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	d := &DovecotInstance{ConfigDir: dir}
	t.Cleanup(func() {
		d.end(t, unix.SIGTERM)
		EndAll(t, dir)
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("the log of Dovecot ends with: %s", log[max(0, len(log)-3000):])
		}
		_ = os.RemoveAll(dir)
	})
	for _, sub := range []string{"run", "state"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	return d
}

// configure writes what the administrator has.
func (d *DovecotInstance) configure(t testing.TB, text string) {
	t.Helper()
	text = strings.NewReplacer("DIR", d.ConfigDir, "NAME", filepath.Base(d.ConfigDir)).Replace(text)
	must(t, os.WriteFile(filepath.Join(d.ConfigDir, "dovecot.conf"), []byte(text), 0o644))
}

// Program is the path of a program of Dovecot's.
func (d *DovecotInstance) Program(name string) string {
	if d.ProgramDir != "" {
		return filepath.Join(d.ProgramDir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	return path
}

// dovecot24Header is what a configuration begins with from 2.4 on.
const dovecot24Header = `dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
`

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
	programs := ""
	if d.ProgramDir != "" {
		programs = fmt.Sprintf("  program_dir = %q\n", d.ProgramDir)
	}
	return fmt.Sprintf("provider \"dovecot\" {\n  config_dir = %q\n  mail_dir   = %q\n  mail_user  = %q\n%s}\n", d.ConfigDir, filepath.Join(d.ConfigDir, "mail"), mailOwner, programs)
}

// Kill ends it with all its processes as kill -9 does, and waits until they have
// gone.
func (d *DovecotInstance) Kill(t testing.TB) { d.end(t, unix.SIGKILL) }

// Start starts it as it is configured.
func (d *DovecotInstance) Start(t testing.TB) {
	t.Helper()
	// Not a pipe: some of its processes may keep the other end of it.
	said, err := os.CreateTemp(t.TempDir(), "said")
	must(t, err)
	defer said.Close()
	cmd := exec.Command(d.Program("dovecot"), "-c", filepath.Join(d.ConfigDir, "dovecot.conf"))
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		out, _ := os.ReadFile(said.Name())
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
		for state := processState(pid); state == 'R' || state == 'S' || state == 'D'; state = processState(pid) {
			time.Sleep(time.Millisecond) // it may be about to make one
		}
	}
	group := d.processes(pid)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		alive := false
		for _, p := range group {
			// One that has ended and is a zombie has closed its sockets; one whose
			// memory is gone, and with it its name, may be about to.
			if state := processState(p); state != 0 && state != 'Z' && state != 'X' {
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

// processState is the letter that the kernel has for what a process does, and 0
// where there is none.
func processState(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	if i := strings.LastIndexByte(string(stat), ')'); i >= 0 && i+2 < len(stat) {
		return stat[i+2]
	}
	return 0
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
