// Package hosttest starts real SSH servers for tests, each as a private
// instance: everything lies in a directory of the test's, it listens on loopback
// alone, and is ended by its pid with the test.
package hosttest

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
)

// A Server is a running sshd. Its host is this machine by another way.
type Server struct {
	// Dir has all of its files.
	Dir  string
	Port int
	// User is who logs in: who runs the test.
	User string
	// KeyFile is the private key that is let in, KnownHosts has the server's.
	KeyFile, KnownHosts string

	config string
	cmd    *exec.Cmd
}

// SSHD starts a server, whose sessions have some variables, NAME=value. A machine
// without one skips the test; in CI it fails.
func SSHD(t testing.TB, env ...string) *Server {
	t.Helper()
	program := "/usr/sbin/sshd" // it has to be called by its path
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sshd is not there; .ci/peers installs it")
		}
		t.Skip("sshd is not there; .ci/peers installs it")
	}
	if os.Getuid() == 0 { // what a service's start would make
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	s := &Server{Dir: dir, User: "root", KeyFile: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts"), config: filepath.Join(dir, "sshd_config")}
	if os.Getuid() != 0 {
		s.User = os.Getenv("USER")
	}
	s.Port = porttest.Port(t)
	host := newKey(t, filepath.Join(dir, "host_key"))
	s.WriteKnownHosts(t, host)
	s.Admit(t, newKey(t, s.KeyFile), "")
	config := fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %[2]s/host_key\nAuthorizedKeysFile %[2]s/authorized_keys\nPidFile none\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPrintMotd no\nLogLevel VERBOSE\n"+
		"SetEnv HOME=%[2]s %[3]s\n", // of the machine's own, what its shells read is slow
		s.Port, dir, strings.Join(env, " "))
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// Configure starts it anew with more lines of sshd_config.
func (s *Server) Configure(t testing.TB, lines string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	if err == nil {
		err = os.WriteFile(s.config, append(text, lines+"\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Start(t)
}

// Start starts it, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.config)
	s.cmd.Stderr = log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", s.Addr())
		if err == nil {
			line, _ := bufio.NewReader(c).ReadString('\n')
			_ = c.Close()
			if strings.HasPrefix(line, "SSH-") {
				return
			}
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(s.Log())
			t.Fatalf("sshd does not answer: %v\n%s", err, said)
		}
	}
}

// Stop ends it, and breaks its connections off.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.Break()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Break kills those of its processes that serve connections, as a machine that
// goes away: their commands go on without anybody who hears them.
func (s *Server) Break() {
	for _, pid := range children(s.cmd.Process.Pid) {
		for _, below := range children(pid) { // with privileges separated
			if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", below)); bytes.HasPrefix(name, []byte("sshd")) {
				_ = syscall.Kill(below, syscall.SIGKILL)
			}
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, w := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(w); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// Addr is where it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Log is the file that it writes to.
func (s *Server) Log() string { return filepath.Join(s.Dir, "sshd.log") }

// Connections is how many times somebody has logged in.
func (s *Server) Connections(t testing.TB) int { return s.told(t, "Accepted publickey") }

// Sessions is how many commands were begun.
func (s *Server) Sessions(t testing.TB) int { return s.told(t, "Starting session") }

func (s *Server) told(t testing.TB, what string) int {
	t.Helper()
	log, err := os.ReadFile(s.Log())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), what)
}

// WriteKnownHosts has the known hosts know it by a key.
func (s *Server) WriteKnownHosts(t testing.TB, key ssh.PublicKey) {
	t.Helper()
	line := fmt.Sprintf("# made by a test\n[127.0.0.1]:%d %s", s.Port, ssh.MarshalAuthorizedKey(key))
	if err := os.WriteFile(s.KnownHosts, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Admit lets a key in, with options as authorized_keys has them.
func (s *Server) Admit(t testing.TB, key ssh.PublicKey, options string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if options != "" {
		options += " "
	}
	_, err = f.WriteString(options + string(ssh.MarshalAuthorizedKey(key)))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// NewKey makes a key in the server's directory.
func (s *Server) NewKey(t testing.TB, name string) (file string, key ssh.PublicKey) {
	t.Helper()
	file = filepath.Join(s.Dir, name)
	return file, newKey(t, file)
}

func newKey(t testing.TB, file string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Block is a connection block to it, in the language of the files, with further
// arguments.
func (s *Server) Block(arguments ...string) string {
	return fmt.Sprintf("connection {\n    host = \"127.0.0.1\"\n    port = %d\n    user = %q\n    private_key_file = %q\n    known_hosts_file = %q\n    agent = false\n    %s\n  }",
		s.Port, s.User, s.KeyFile, s.KnownHosts, strings.Join(arguments, "\n    "))
}

// ReadsAlone are options of a key that is let in to read everything and to write
// nothing: what is run with it is nobody's, and has the one capability for that. See
// docs/hosts.md.
const ReadsAlone = `restrict,command="exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,+dac_read_search ` +
	`--ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search --no-new-privs -- sh -c \"$SSH_ORIGINAL_COMMAND\""`

// MayNothing are options of a key with which everything is done as a user who owns nothing.
const MayNothing = `restrict,command="exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --no-new-privs -- sh -c \"$SSH_ORIGINAL_COMMAND\""`

// Host is the machine by way of it, with one connection for all who act on it.
func (s *Server) Host(t testing.TB) host.Host {
	t.Helper()
	h, err := host.Open(t.Context(), s.Value(nil), s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() }) // it may have broken
	return h
}

// Value is the value of a provider block with nothing but a connection to it.
// What is given replaces its arguments.
func (s *Server) Value(arguments map[string]cty.Value) cty.Value {
	c := map[string]cty.Value{
		"type": cty.StringVal("ssh"), "host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(s.Port)), "user": cty.StringVal(s.User),
		"private_key_file": cty.StringVal(s.KeyFile), "known_hosts_file": cty.StringVal(s.KnownHosts), "agent": cty.False,
	}
	for name, v := range arguments {
		c[name] = v
	}
	return cty.ObjectVal(map[string]cty.Value{"connection": cty.ObjectVal(c)})
}
