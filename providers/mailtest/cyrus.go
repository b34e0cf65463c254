package mailtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A CyrusInstance is a private Cyrus IMAP server, as a fresh installation would be.
type CyrusInstance struct {
	// ConfigDir holds imapd.conf and cyrus.conf, ProgramDir the programs.
	ConfigDir, ProgramDir, PIDFile string
}

// cyrusPrograms is where Debian has them; imapd and pop3d come from packages that
// cannot be beside Dovecot's, so .ci/peers unpacks them elsewhere.
const cyrusPrograms = "/usr/lib/cyrus/bin"

// Cyrus makes an instance, which is not started. Whatever runs of it is ended with
// the test.
func Cyrus(t testing.TB) *CyrusInstance {
	t.Helper()
	programs := map[string]string{}
	for _, name := range []string{"master", "lmtpd", "timsieved", "ctl_cyrusdb", "ctl_mboxlist", "quota", "cyr_info", "cyr_expire", "sievec"} {
		programs[name] = filepath.Join(cyrusPrograms, name)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"imapd", "pop3d"} {
		programs[name] = filepath.Join(cyrusPrograms, name)
		if _, err := os.Stat(programs[name]); err != nil {
			programs[name] = filepath.Join(cache, "mailform/tools/cyrus", cyrusPrograms, name)
		}
	}
	for _, path := range programs {
		if _, err := os.Stat(path); err != nil {
			Missing(t, "Cyrus IMAP", err)
		}
	}
	if os.Getuid() != 0 {
		Missing(t, "Cyrus IMAP", fmt.Errorf("only root can start it"))
	}
	account, err := user.Lookup("cyrus")
	if err != nil {
		Missing(t, "Cyrus IMAP", err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)

	dir := openDir(t)
	c := &CyrusInstance{ConfigDir: filepath.Join(dir, "etc"), ProgramDir: filepath.Join(dir, "bin"), PIDFile: filepath.Join(dir, "master.pid")}
	for _, d := range []string{"etc", "bin"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	for _, d := range []string{"conf", "spool", "sieve", "run"} {
		path := filepath.Join(dir, d)
		must(t, os.Mkdir(path, 0o750))
		must(t, os.Chown(path, uid, gid))
	}
	for name, path := range programs {
		text, err := os.ReadFile(path) // the user cyrus may not look into the cache
		must(t, err)
		must(t, os.WriteFile(filepath.Join(c.ProgramDir, name), text, 0o755))
	}
	in := strings.NewReplacer("DIR", dir, "BIN", c.ProgramDir, "ETC", c.ConfigDir)
	must(t, os.WriteFile(filepath.Join(c.ConfigDir, "imapd.conf"), []byte(in.Replace(cyrusOptions)), 0o644))
	must(t, os.WriteFile(filepath.Join(c.ConfigDir, "cyrus.conf"), []byte(in.Replace(cyrusServices)), 0o644))
	t.Cleanup(func() {
		c.end(t, unix.SIGTERM)
		EndAll(t, dir)
	})
	return c
}

// cyrusOptions are those of Debian's package, in a directory of their own.
const cyrusOptions = `# Debian Cyrus imapd.conf
# See imapd.conf(5) for more information and more options

configdirectory: DIR/conf
proc_path: DIR/run/proc
mboxname_lockpath: DIR/run/lock
defaultpartition: default
partition-default: DIR/spool
altnamespace: no
unixhierarchysep: no
lmtp_downcase_rcpt: yes
# No one can log in without a password
allowanonymouslogin: no
popminpoll: 0
umask: 077
sievedir: DIR/sieve
hashimapspool: true
sasl_pwcheck_method: auxprop
lmtpsocket: DIR/run/lmtp
idlesocket: DIR/run/idle
notifysocket: DIR/run/notify
syslog_prefix: mailform-test
`

const cyrusServices = `# Debian defaults for Cyrus IMAP server/cluster implementation

START {
	# do not delete this entry!
	recover		cmd="BIN/ctl_cyrusdb -C ETC/imapd.conf -r"
}

SERVICES {
	#imap		cmd="imapd -U 30" listen="imap" prefork=0 maxchild=100
	lmtpunix	cmd="BIN/lmtpd -C ETC/imapd.conf" listen="DIR/run/lmtp" prefork=0 maxchild=20
}

EVENTS {
	# this is required
	checkpoint	cmd="BIN/ctl_cyrusdb -C ETC/imapd.conf -c" period=30
}
`

// Block implements System.
func (c *CyrusInstance) Block() string {
	return fmt.Sprintf("provider \"cyrus\" {\n  config_dir  = %q\n  program_dir = %q\n  pid_file    = %q\n}\n", c.ConfigDir, c.ProgramDir, c.PIDFile)
}

// Kill ends the server with all its processes as kill -9 does, and waits until
// they have gone.
func (c *CyrusInstance) Kill(t testing.TB) { c.end(t, unix.SIGKILL) }

// Start starts it again, as it was.
func (c *CyrusInstance) Start(t testing.TB) {
	t.Helper()
	out, err := exec.Command(filepath.Join(c.ProgramDir, "master"), "-C", filepath.Join(c.ConfigDir, "imapd.conf"),
		"-M", filepath.Join(c.ConfigDir, "cyrus.conf"), "-p", c.PIDFile, "-d").CombinedOutput()
	if err != nil {
		t.Fatalf("start Cyrus: %v: %s", err, out)
	}
}

// Tool runs one of Cyrus's programs over the instance, and returns what it says.
func (c *CyrusInstance) Tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(c.ProgramDir, name), append([]string{"-C", filepath.Join(c.ConfigDir, "imapd.conf")}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// end ends the master and its children, each by its process number.
func (c *CyrusInstance) end(t testing.TB, signal unix.Signal) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		pids := c.processes(t)
		if len(pids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			signal = unix.SIGKILL
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, signal) // it may have ended by itself
		}
	}
}

// processes are those whose program lies in the instance's directory.
func (c *CyrusInstance) processes(t testing.TB) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		program, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		if err == nil && strings.HasPrefix(program, c.ProgramDir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openDir makes a directory that others than root can look into.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mailform-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// Missing skips a test whose program is not there, or fails it in CI.
func Missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not there; .ci/peers installs it: %v", what, err)
	}
	t.Skipf("SKIPPED: %s is not there; .ci/peers installs it: %v", what, err)
}
