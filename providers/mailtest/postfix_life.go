package mailtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Kill ends whatever runs of it as kill -9 does: the master with its children, and the
// programs that somebody runs for it just now.
func (p *PostfixInstance) Kill(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		for _, pid := range processes(t, p.Dir) {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
		}
		pid := p.PID()
		if pid == 0 {
			return
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		if time.Now().After(deadline) {
			t.Fatalf("Postfix, process %d, outlives a kill", pid)
		}
	}
}

// Start starts it. Somebody else may do so at the same time.
func (p *PostfixInstance) Start(t testing.TB) {
	t.Helper()
	var out []byte
	var err error
	for deadline := time.Now().Add(time.Minute); p.PID() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Postfix does not start: %v: %s", err, out)
		}
		out, err = exec.Command("/usr/sbin/postfix", "-c", p.ConfigDir, "start").CombinedOutput()
	}
}

// Beside makes a second instance on the machine of the first, as "postmulti -e create"
// does: with the files that Postfix comes with, nothing that listens, and left alone
// by "postfix start" of the first. It is the same program that makes it; postmulti
// itself knows no first instance but that of /etc/postfix.
func (p *PostfixInstance) Beside(t testing.TB) *PostfixInstance {
	t.Helper()
	b := newPostfix(t)
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func(name string) string { return strings.TrimSpace(p.Tool(t, "postconf", "-h", name)) }
	script := func(action string, env ...string) {
		t.Helper()
		cmd := exec.Command("sh", filepath.Join(ask("daemon_directory"), "postmulti-script"), "-e", action)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "MAIL_CONFIG=" + p.ConfigDir, "MAIL_LOGTAG=" + filepath.Base(b.Dir)}, env...)
		for _, name := range []string{"command_directory", "daemon_directory", "meta_directory", "shlib_directory"} {
			cmd.Env = append(cmd.Env, name+"="+ask(name))
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("postmulti -e %s: %v: %s", action, err, out)
		}
	}
	script("init")
	script("create", "config_directory="+b.ConfigDir, "queue_directory="+filepath.Join(b.Dir, "spool"), "data_directory="+filepath.Join(b.Dir, "data"),
		"multi_instance_directories="+b.ConfigDir, "multi_instance_name=postfix-"+filepath.Base(b.Dir), "multi_instance_group=mta")
	main, err := os.OpenFile(filepath.Join(b.ConfigDir, "main.cf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(main, `
# the administrator's
maillog_file = %s
maillog_file_prefixes = /var, %s
mydestination = localhost
in_flow_delay = 0
alias_maps =
alias_database =
`, b.Log, b.Dir)
	if err := errors.Join(err, main.Close()); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	b.settle(t)
	return b
}
