package main

import (
	"bytes"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// A manager is the service manager of a test: it hears what a daemon tells it.
type manager struct {
	t      testing.TB
	socket string
	mu     sync.Mutex
	heard  []string
}

func newManager(t testing.TB) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, socket: filepath.Join(dir, "s")}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.heard = append(m.heard, string(buf[:n]))
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nobody speaks any more
		done.Wait()
		os.RemoveAll(dir)
	})
	return m
}

// hears waits until something that begins so has been said since the one before.
func (m *manager) hears(prefix string) string {
	m.t.Helper()
	var found string
	eventually(m.t, "the service manager hears "+prefix, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		i := slices.IndexFunc(m.heard, func(s string) bool { return strings.HasPrefix(s, prefix) })
		if i < 0 {
			return false
		}
		found, m.heard = m.heard[i], m.heard[i+1:]
		return true
	})
	return found
}

// background starts a program that goes on until the test or the returned function
// ends it, by a SIGTERM.
func (w *world) background(program string, args ...string) (end func()) {
	w.t.Helper()
	cmd := w.command(w.t.Context(), program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		// Some end in good order, and some do not know the signal.
		if err := cmd.Wait(); err != nil && err.Error() != "signal: terminated" || w.t.Failed() {
			w.t.Errorf("%s ended with %v\n%s", program, err, &out)
		}
	})
	w.t.Cleanup(end)
	return end
}

// Systemd's own program opens the sockets and starts the daemon when somebody
// connects. The daemon tells that it is ready, reloads, is well and ends.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	activate := need(t, "systemd-socket-activate")
	dig := need(t, "dig")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.ok("stop")

	m := newManager(t)
	elsewhere := porttest.Addr(t)
	end := w.background(activate, "-E", "NOTIFY_SOCKET="+m.socket, "-E", "WATCHDOG_USEC=600000",
		"-l", w.addr("smtp"), "-l", elsewhere, "-l", w.addr("imap"), "-l", w.addr("pop3"), "-l", w.addr("dns"),
		"--fdname=unknown:main.submission:unknown:pop3:unknown", binary, "serve", "-data", "mail")
	eventually(t, "the port is open", func() bool {
		c, err := net.Dial("tcp", w.addr("smtp")) // which starts the daemon
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if got := m.hears("READY=1"); !strings.Contains(got, "STATUS=Serving on 5 sockets") {
		t.Errorf("ready: %q", got)
	}
	w.deliver("alice@example.com", "by socket activation")
	if got := w.subjects("alice@example.com", "INBOX"); !slices.Equal(got, []string{"by socket activation"}) {
		t.Errorf("the mailbox has %q", got)
	}
	if got := dial(t, elsewhere).smtp(""); !strings.HasPrefix(got, "220 mail.example.com") {
		t.Errorf("submission at another address, by its name, says %q", got)
	}
	for _, how := range []string{"+tcp", "+notcp"} { // its UDP socket the daemon has opened by itself
		if r := w.run(dig, "+short", how, "@127.0.0.1", "-p", strconv.Itoa(w.port["dns"]), "example.com", "MX"); !strings.Contains(r.stdout, "10 mail.example.com.") {
			t.Errorf("dig %s: %v", how, r)
		}
	}
	w.noChanges()

	// A listener that goes and comes back has the socket again, which the service
	// manager keeps open all the while.
	config := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	pop3 := regexp.MustCompile(`\n  pop3 \{.*\}`).FindString(config)
	w.edit("main.mf.hcl", pop3, "\n  pop3 { enabled = false }")
	w.apply()
	w.edit("main.mf.hcl", "\n  pop3 { enabled = false }", pop3)
	w.apply()
	dial(t, w.addr("pop3")).until("+OK")
	w.noChanges()

	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	session := dial(t, w.addr("imap"))
	session.until("* OK")
	if err := syscall.Kill(w.pid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.hears("RELOADING=1\nMONOTONIC_USEC=")
	m.hears("READY=1")
	if got := session.imap("a", "NOOP"); !strings.Contains(got, "a OK") {
		t.Errorf("a session after a reload: %s", got)
	}
	end()
	m.hears("STOPPING=1")
	if got := session.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("a session is ended by %q", got)
	}

	// The socket for packets too: the first query starts the daemon and is answered.
	end = w.background(activate, "-d", "-E", "NOTIFY_SOCKET="+m.socket, "-l", w.addr("dns"), binary, "serve", "-data", "mail")
	eventually(t, "dig is answered", func() bool {
		return strings.Contains(w.run(dig, "+short", "+notcp", "+tries=3", "+time=30", "@127.0.0.1", "-p", strconv.Itoa(w.port["dns"]), "example.com", "MX").stdout, "10 mail.example.com.")
	})
	m.hears("READY=1")
	end()
}

// The units are printed, for a directory that holds nothing yet and for one with
// listeners; nothing is installed where no systemd is.
func TestUnit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	name := regexp.MustCompile(`(?m)^# /etc/systemd/system/(mailform-.*)\.service$`).FindStringSubmatch(w.ok("unit"))
	if name == nil {
		t.Fatalf("the unit is\n%s", w.ok("unit"))
	}
	if r := w.mailform("unit", "-sockets"); r.code != 1 || !strings.Contains(r.stderr, `run "mailform apply"`) {
		t.Errorf("sockets of nothing: %v", r)
	}
	w.apply()
	out := w.ok("unit", "-sockets", "-data", "mail")
	for _, want := range []string{
		"Requires=" + name[1] + ".socket\n", `serve -data "` + filepath.Join(w.dir, "mail") + `"`,
		"\n# /etc/systemd/system/" + name[1] + ".socket\n", "\nListenStream=" + w.addr("smtp") + "\n",
		"\nListenStream=" + w.addr("dns") + "\nListenDatagram=" + w.addr("dns") + "\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the units lack %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return // it could be installed
	}
	if r := w.mailform("unit", "-install"); r.code != 1 || !strings.Contains(r.stderr, "This machine is not run by systemd") {
		t.Errorf("without systemd: %v", r)
	}
}

// The daemon at work calls nothing of the kernel that its unit forbids.
func TestTheUnitForbidsNothingThatIsNeeded(t *testing.T) {
	t.Parallel()
	strace, analyze := need(t, "strace"), need(t, "systemd-analyze")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	if r := w.run(strace, "-o", "/dev/null", "true"); r.code != 0 {
		t.Skipf("SKIPPED: strace may not trace here: %v", r)
	}
	w.apply()
	w.ok("stop")
	calls := filepath.Join(w.dir, "calls")
	end := w.background(strace, "-f", "-qq", "-c", "-U", "name", "-o", calls, binary, "serve", "-data", "mail")
	t.Cleanup(w.end) // before strace is told to end, which waits for what it watches
	eventually(t, "the daemon answers", func() bool { return w.pid() != 0 })
	w.deliver("alice@example.com", "watched")
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("the mailbox has %q", got)
	}
	w.run(need(t, "dig"), "+short", "@127.0.0.1", "-p", strconv.Itoa(w.port["dns"]), "example.com", "MX")
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "3GiB"`)
	w.apply()
	w.ok("backup", "-data", "mail", "mail.tar")
	w.ok("stop")
	end()

	allowed := syscalls(t, analyze, "@system-service")
	privileged, resources := syscalls(t, analyze, "@privileged"), syscalls(t, analyze, "@resources")
	maps.DeleteFunc(allowed, func(name string, _ bool) bool {
		return privileged[name] || resources[name]
	})
	var refused []string
	for _, name := range strings.Fields(readFile(t, calls)) {
		if !allowed[name] && name != "syscall" && name != "total" && strings.Trim(name, "-") != "" {
			refused = append(refused, name)
		}
	}
	// What is asked in vain, and can be done without: Go raises a bound that the unit
	// has set, and SQLite gives its files the owner that they have.
	refused = slices.DeleteFunc(refused, func(name string) bool { return name == "setrlimit" || name == "fchown" })
	if len(refused) > 0 {
		t.Errorf("the unit forbids %s", refused)
	}
}

// syscalls are those of a set, with those of the sets in it.
func syscalls(t *testing.T, analyze, set string) map[string]bool {
	t.Helper()
	out, err := exec.Command(analyze, "syscall-filter", "--no-pager", set).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", set, err)
	}
	names := map[string]bool{}
	for _, word := range strings.Split(string(out), "\n")[1:] {
		switch word = strings.TrimSpace(word); {
		case strings.HasPrefix(word, "@"):
			maps.Copy(names, syscalls(t, analyze, word))
		case word != "" && !strings.HasPrefix(word, "#"):
			names[word] = true
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s is empty", set)
	}
	return names
}
