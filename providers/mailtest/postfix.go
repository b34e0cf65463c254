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

	"github.com/mailform/mailform/providers/porttest"
	"golang.org/x/sys/unix"
)

// A PostfixInstance is a private Postfix, as a fresh installation would be: with
// comments in its files, and a few settings that are its administrator's.
type PostfixInstance struct {
	// Dir holds everything, ConfigDir main.cf and master.cf.
	Dir, ConfigDir string
	// Log is the file that all of Postfix writes to.
	Log string
	// Foreign is where it listens before mailform comes: host:port.
	Foreign string
}

// Postfix makes an instance, which is not started. Whatever runs of it is ended with
// the test.
func Postfix(t testing.TB) *PostfixInstance {
	t.Helper()
	postconf, err := exec.LookPath("postconf")
	if err != nil {
		postconf, err = exec.LookPath("/usr/sbin/postconf")
	}
	if err == nil && os.Getuid() != 0 {
		err = errors.New("only root can start it")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Postfix: %v; .ci/peers installs it", err)
		}
		t.Skipf("SKIPPED: Postfix: %v", err)
	}
	p := newPostfix(t)
	dir := p.Dir
	ask := func(name string) string {
		out, err := exec.Command(postconf, "-d", "-h", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, p.ConfigDir: 0o755, dir + "/spool": 0o755, dir + "/data": 0o755} {
		if err := errors.Join(os.MkdirAll(path, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	own := exec.Command("chown", "postfix", filepath.Join(dir, "data"))
	if out, err := own.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"postfix-files", "dynamicmaps.cf", "postfix-script", "post-install"} {
		from := filepath.Join("/etc/postfix", name)
		if text, err := os.ReadFile(from); err == nil {
			if err := os.WriteFile(filepath.Join(p.ConfigDir, name), text, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.Foreign = porttest.Addr(t)
	files := map[string]string{
		"main.cf": fmt.Sprintf(postfixMain, dir, dir, ask("command_directory"), ask("daemon_directory"), p.Log, dir, filepath.Base(dir)),
		"master.cf": p.Foreign + `   inet  n       -       n       -       -       smtpd
  # of the administrator
  -o smtpd_banner=here
` + postfixMaster,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.ConfigDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.settle(t)
	return p
}

// newPostfix makes the directory of an instance, and ends whatever runs of it with the
// test.
func newPostfix(t testing.TB) *PostfixInstance {
	t.Helper()
	// Its processes are other users: they have to get in.
	dir, err := os.MkdirTemp("", "postfix-")
	if err != nil {
		t.Fatal(err)
	}
	p := &PostfixInstance{Dir: dir, ConfigDir: filepath.Join(dir, "etc"), Log: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		p.end(t)
		EndAll(t, p.Dir)
		if t.Failed() {
			if log, err := os.ReadFile(p.Log); err == nil {
				t.Logf("the log of Postfix ends with: %s", log[max(0, len(log)-3000):])
			}
		}
		_ = os.RemoveAll(dir)
	})
	return p
}

// settle dates main.cf back: programs of Postfix wait up to two seconds for one that
// was just changed. In life an administrator comes and goes before mailform does.
func (p *PostfixInstance) settle(t testing.TB) {
	t.Helper()
	at := time.Now().Add(-3 * time.Second)
	if err := os.Chtimes(filepath.Join(p.ConfigDir, "main.cf"), at, at); err != nil {
		t.Fatal(err)
	}
}

const postfixMain = `# See /usr/share/postfix/main.cf.dist for a commented, more complete version
compatibility_level = 3.6

# where everything lies
queue_directory = %s/spool
data_directory = %s/data
command_directory = %s
daemon_directory = %s
mail_owner = postfix
setgid_group = postdrop
maillog_file = %s
maillog_file_prefixes = /var, %s
syslog_name = %s

# the administrator's
myhostname = box.internal
mydestination = $myhostname,
# a comment within
	localhost
biff = no
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
# nobody is trusted for where he comes from
mynetworks = 127.0.0.2/32
alias_maps =
alias_database =
in_flow_delay = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
recipient_delimiter = +
`

const postfixMaster = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// Block implements System.
func (p *PostfixInstance) Block() string {
	return fmt.Sprintf("provider \"postfix\" {\n  config_dir = %q\n}\n", p.ConfigDir)
}

// Tool runs a program of Postfix for the instance.
func (p *PostfixInstance) Tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command("/usr/sbin/"+name, append([]string{"-c", p.ConfigDir}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, said.String())
	}
	if name == "postconf" {
		p.settle(t)
	}
	return string(out)
}

// PID is the process of the master; 0: none runs.
func (p *PostfixInstance) PID() int {
	text, err := os.ReadFile(filepath.Join(p.Dir, "spool/pid/master.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || unix.Kill(pid, 0) != nil {
		return 0
	}
	// The file outlives its process: another may have the number by now.
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "master" {
		return 0
	}
	return pid
}

func (p *PostfixInstance) end(t testing.TB) {
	for signal, deadline := unix.SIGTERM, time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		pid := p.PID()
		if pid == 0 {
			return
		}
		if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Errorf("end Postfix: %v", err)
		}
		if time.Now().After(deadline) {
			t.Errorf("Postfix, process %d, does not end", pid)
			return
		}
	}
}
