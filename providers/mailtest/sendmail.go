package mailtest

import (
	"fmt"
	"net"
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

// A SendmailInstance is a private Sendmail, as a fresh installation would be, with
// lines of its administrator.
type SendmailInstance struct {
	// ConfigDir holds sendmail.mc and sendmail.cf, ProgramDir the programs.
	ConfigDir, ProgramDir string
	// Foreign is where it listens before mailform comes: host:port.
	Foreign string
}

// Sendmail makes an instance, which is not started. Whatever runs of it is ended
// with the test.
func Sendmail(t testing.TB) *SendmailInstance {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	root := filepath.Join(cache, "mailform/tools/sendmail") // .ci/peers unpacks it there: it cannot be installed beside Postfix
	programs := filepath.Join(root, "usr/libexec/sendmail")
	for _, name := range []string{"sendmail", "makemap"} {
		if _, err := os.Stat(filepath.Join(programs, name)); err != nil {
			Missing(t, "Sendmail", err)
		}
	}
	if _, err := exec.LookPath("m4"); err != nil {
		Missing(t, "m4", err)
	}
	if os.Getuid() != 0 {
		Missing(t, "Sendmail", fmt.Errorf("only root can start it"))
	}
	// It believes no certificate below a directory where anybody can write.
	dir, err := os.MkdirTemp(filepath.Join(cache, "mailform"), "sendmail-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &SendmailInstance{ConfigDir: filepath.Join(dir, "mail"), ProgramDir: filepath.Join(dir, "bin")}
	for _, d := range []string{"mail", "bin"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	must(t, os.Mkdir(filepath.Join(dir, "mqueue"), 0o700))
	must(t, os.Symlink(filepath.Join(programs, "makemap"), filepath.Join(s.ProgramDir, "makemap")))
	// Where the name of the machine has no dot, Sendmail waits a minute for one. Only
	// root can give it one.
	must(t, os.WriteFile(filepath.Join(s.ProgramDir, "sendmail"), []byte("#!/bin/sh\n[ \"$(id -u)\" = 0 ] || exec "+filepath.Join(programs, "sendmail")+" \"$@\"\nexec unshare --uts sh -c 'hostname box.internal; exec \"$@\"' sh "+
		filepath.Join(programs, "sendmail")+" \"$@\"\n"), 0o755))
	s.Foreign = porttest.Addr(t)
	_, port, _ := net.SplitHostPort(s.Foreign)
	in := strings.NewReplacer("@DIR@", dir, "@ROOT@", root, "@PORT@", port)
	for name, text := range map[string]string{"sendmail.mc": sendmailSource, "service.switch": "hosts files\naliases files\n", "aliases": "", "relay-domains": "", "local-host-names": ""} {
		must(t, os.WriteFile(filepath.Join(s.ConfigDir, name), []byte(in.Replace(text)), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(s.ConfigDir, "sendmail.cf"), s.M4(t), 0o644))
	t.Cleanup(func() {
		s.end(t)
		EndAll(t, filepath.Dir(s.ConfigDir))
	})
	return s
}

const sendmailSource = "divert(0)dnl\n" +
	"include(`@ROOT@/usr/share/sendmail/cf/m4/cf.m4')dnl\n" +
	"VERSIONID(`of the administrator')dnl\n" +
	"OSTYPE(`linux')dnl\n" +
	"dnl # where everything lies\n" +
	"define(`QUEUE_DIR',`@DIR@/mqueue')dnl\n" +
	"define(`STATUS_FILE',`@DIR@/statistics')dnl\n" +
	"define(`HELP_FILE',`@ROOT@/etc/mail/helpfile')dnl\n" +
	"define(`confPID_FILE',`@DIR@/sendmail.pid')dnl\n" +
	"define(`ALIAS_FILE',`@DIR@/mail/aliases')dnl\n" +
	"define(`confCW_FILE',`-o @DIR@/mail/local-host-names')dnl\n" +
	"define(`confCR_FILE',`-o @DIR@/mail/relay-domains')dnl\n" +
	"define(`confSERVICE_SWITCH_FILE',`@DIR@/mail/service.switch')dnl\n" +
	"define(`confDONT_BLAME_SENDMAIL',`GroupWritableDirPathSafe,ClassFileInUnsafeDirPath,MapInUnsafeDirPath,LinkedMapInWritableDir,AssumeSafeChown')dnl\n" +
	"define(`confDONT_PROBE_INTERFACES',`True')dnl\n" +
	"dnl # nobody is asked for names\n" +
	"define(`confTO_IDENT',`0')dnl\n" +
	"define(`confTO_RESOLVER_RETRANS',`1s')dnl\n" +
	"define(`confTO_RESOLVER_RETRY',`1')dnl\n" +
	"define(`confQUEUE_LA',`100')dnl\n" +
	"define(`confREFUSE_LA',`200')dnl\n" +
	"FEATURE(`use_cw_file')dnl\n" +
	"FEATURE(`nocanonify')dnl\n" +
	"FEATURE(`no_default_msa')dnl\n" +
	"FEATURE(`accept_unresolvable_domains')dnl\n" +
	"DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port=@PORT@')dnl\n" +
	"MAILER(`smtp')dnl\n"

// Block implements System.
func (s *SendmailInstance) Block() string {
	return fmt.Sprintf("provider \"sendmail\" {\n  config_dir  = %q\n  program_dir = %q\n}\n", s.ConfigDir, s.ProgramDir)
}

// Command is one of Sendmail's programs.
func (s *SendmailInstance) Command(program string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(s.ProgramDir, program), args...)
}

// M4 is sendmail.cf as m4 makes it of sendmail.mc.
func (s *SendmailInstance) M4(t testing.TB) []byte {
	t.Helper()
	made, err := exec.Command("m4", filepath.Join(s.ConfigDir, "sendmail.mc")).Output()
	must(t, err)
	return made
}

// PID is the process of the daemon; 0: none runs.
func (s *SendmailInstance) PID() int {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.ConfigDir), "sendmail.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0
	}
	// The file outlives its process: another may have the number by now.
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(args), "sendmail") {
		return 0
	}
	return pid
}

// Kill ends whatever runs of it as kill -9 does: the daemon with its children, and the
// programs that somebody runs for it just now.
func (s *SendmailInstance) Kill(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		for _, pid := range processes(t, filepath.Dir(s.ConfigDir)) {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
		}
		if s.PID() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Sendmail, process %d, outlives a kill", s.PID())
		}
	}
}

// Start starts the daemon.
func (s *SendmailInstance) Start(t testing.TB) {
	t.Helper()
	if out, err := s.Command("sendmail", "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "-bd", "-q1m").CombinedOutput(); err != nil {
		t.Fatalf("start Sendmail: %v: %s", err, out)
	}
	for deadline := time.Now().Add(time.Minute); s.PID() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Sendmail does not start")
		}
	}
}

func (s *SendmailInstance) end(t testing.TB) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		pid := s.PID()
		if pid == 0 {
			return
		}
		_ = unix.Kill(pid, unix.SIGTERM)
		if time.Now().After(deadline) {
			t.Errorf("Sendmail, process %d, does not end", pid)
			return
		}
	}
}
