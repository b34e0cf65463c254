package mailtest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Gtube is the line that every spam filter takes for spam, as rspamd has it with
// an action each: reject, and "add header".
const (
	GtubeReject    = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
	GtubeAddHeader = "YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
)

// Eicar is the file that every virus scanner takes for a virus. It stands in two
// parts here, so that none takes this one for it.
const Eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-` + `ANTIVIRUS-TEST-FILE!$H+H*`

// Rspamd starts a private rspamd that speaks the milter protocol, and returns where:
// "unix:" and a path. It knows the lines of GTUBE and nothing else.
func Rspamd(t testing.TB) string {
	t.Helper()
	program := filter(t, "rspamd")
	dir := openDir(t)
	conf := strings.ReplaceAll(rspamdConf, "DIR", dir)
	must(t, os.WriteFile(filepath.Join(dir, "rspamd.conf"), []byte(conf), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "tld"), []byte("com\nnet\norg\ntest\n"), 0o644))
	socket := filepath.Join(dir, "rspamd.sock")
	run(t, dir, socket, program, "-f", "--insecure", "-c", filepath.Join(dir, "rspamd.conf"))
	return "unix:" + socket
}

// rspamdConf leaves out what takes time to start: hyperscan, languages, the list of
// all top-level domains. It asks nobody on the network.
const rspamdConf = `
options {
  filters = "";
  url_tld = "DIR/tld";
  disable_hyperscan = true;
  tempdir = "DIR"; rundir = "DIR"; dbdir = "DIR"; hs_cache_dir = "DIR";
  cache_file = "DIR/symbols.cache";
  history_file = "DIR/history";
  control_socket = "DIR/control.sock mode=0600";
  enable_test_patterns = true;
  gtube_patterns = "all";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "file"; filename = "DIR/log"; level = "info"; }
actions { reject = 15; add_header = 6; greylist = 4; }
lang_detection { languages = ["en"]; }
worker "rspamd_proxy" {
  bind_socket = "DIR/rspamd.sock mode=0666";
  milter = yes;
  timeout = 60s;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`

// Clamav starts a private clamd and clamav-milter, which knows Eicar and nothing
// else, and returns where the milter is: "unix:" and a path. onInfected is what it
// does with a virus: Reject or Quarantine.
func Clamav(t testing.TB, onInfected string) string {
	t.Helper()
	clamd, milter := filter(t, "clamd"), filter(t, "clamav-milter")
	dir := openDir(t)
	must(t, os.Mkdir(filepath.Join(dir, "db"), 0o755))
	var hex strings.Builder
	for _, c := range []byte(Eicar) {
		const digits = "0123456789abcdef"
		hex.WriteByte(digits[c>>4])
		hex.WriteByte(digits[c&15])
	}
	must(t, os.WriteFile(filepath.Join(dir, "db", "eicar.ndb"), []byte("Eicar-Test-Signature:0:*:"+hex.String()+"\n"), 0o644))
	r := strings.NewReplacer("DIR", dir, "ONINFECTED", onInfected)
	must(t, os.WriteFile(filepath.Join(dir, "clamd.conf"), []byte(r.Replace(clamdConf)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "milter.conf"), []byte(r.Replace(clamavMilterConf)), 0o644))
	run(t, dir, filepath.Join(dir, "clamd.sock"), clamd, "-c", filepath.Join(dir, "clamd.conf"))
	socket := filepath.Join(dir, "milter.sock")
	run(t, dir, socket, milter, "-c", filepath.Join(dir, "milter.conf"))
	return "unix:" + socket
}

const clamdConf = `LocalSocket DIR/clamd.sock
DatabaseDirectory DIR/db
LogFile DIR/log
Foreground true
MaxThreads 2
User root
`

const clamavMilterConf = `MilterSocket unix:DIR/milter.sock
MilterSocketMode 666
ClamdSocket unix:DIR/clamd.sock
LogFile DIR/milter.log
Foreground yes
OnInfected ONINFECTED
RejectMsg Virus found: %v
User root
`

// filter finds the program of a filter, or skips the test.
func filter(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if os.Getuid() != 0 {
		err = errors.Join(err, errors.New("only root can start it"))
	}
	if err != nil {
		Missing(t, name, err)
	}
	return path
}

// run starts a program that listens at a socket, waits until it does, and ends it
// with the test.
func run(t testing.TB, dir, socket, program string, args ...string) {
	t.Helper()
	out, err := os.Create(filepath.Join(dir, filepath.Base(program)+".out"))
	must(t, err)
	defer out.Close()
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr, c.Dir = out, out, dir
	c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	must(t, c.Start())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Wait() }()
	t.Cleanup(func() {
		_ = unix.Kill(-c.Process.Pid, unix.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
		}
		_ = unix.Kill(-c.Process.Pid, unix.SIGKILL) // and what it leaves behind
		<-ended
		if t.Failed() {
			for _, name := range []string{"log", "milter.log", filepath.Base(program) + ".out"} {
				if log, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
					t.Logf("%s of %s ends with: %s", name, program, log[max(0, len(log)-2000):])
				}
			}
		}
	})
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("%s has ended: %s", program, text)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", program, err)
		}
	}
}
