package host_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// open connects to a server with the arguments given.
func open(t *testing.T, s *hosttest.Server, arguments map[string]cty.Value) host.Host {
	t.Helper()
	h, err := host.Open(t.Context(), s.Value(arguments), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// All is asked over one connection, side by side.
func TestOneConnection(t *testing.T) {
	s := hosttest.SSHD(t)
	h := open(t, s, nil)
	if got := h.String(); got != s.Addr() {
		t.Errorf("it is called %s", got)
	}
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			out, err := h.Run(t.Context(), host.Cmd("echo", fmt.Sprint(i)))
			if err != nil || string(out.Stdout) != fmt.Sprintln(i) {
				t.Errorf("%q, %v", out.Stdout, err)
			}
		})
	}
	wg.Wait()
	if n := s.Connections(t); n != 1 {
		t.Errorf("there were %d connections", n)
	}
}

// A machine that grants few sessions is asked one after another.
func TestFewSessions(t *testing.T) {
	s := hosttest.SSHD(t)
	s.Configure(t, "MaxSessions 2")
	h := open(t, s, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := host.Must(t.Context(), h, host.Cmd("sleep", "0.05")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestHostKeys(t *testing.T) {
	s := hosttest.SSHD(t)
	right, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := s.NewKey(t, "other")
	line := strings.SplitN(strings.TrimSpace(string(right[strings.IndexByte(string(right), '\n')+1:])), " ", 2)[1]
	null := cty.NullVal(cty.String)
	for name, tc := range map[string]struct {
		knownHosts string
		hostKey    cty.Value
		want       []string // parts of the error; nil: none
	}{
		"a key that is known":       {string(right), null, nil},
		"a key that is given":       {"", cty.StringVal(line), nil},
		"another key than is known": {fmt.Sprintf("\n\n[127.0.0.1]:%d %s", s.Port, ssh.MarshalAuthorizedKey(wrong)), null, []string{":3", ssh.FingerprintSHA256(wrong), "somebody stands between"}},
		"another key than is given": {"", cty.StringVal(string(ssh.MarshalAuthorizedKey(wrong))), []string{"host_key", ssh.FingerprintSHA256(wrong)}},
		"a machine nobody knows":    {"# nothing\n", null, []string{"known", "ssh-keyscan", "host_key"}},
		"a key that was revoked":    {"@revoked * " + line + "\n" + string(right), null, []string{":1", "no longer"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := cty.NullVal(cty.String)
			if tc.hostKey.IsNull() {
				path := filepath.Join(t.TempDir(), "known")
				write(t, path, tc.knownHosts)
				file = cty.StringVal(path)
			}
			h := open(t, s, map[string]cty.Value{"known_hosts_file": file, "host_key": tc.hostKey})
			_, err := h.Run(t.Context(), host.Cmd("true"))
			if (err == nil) != (tc.want == nil) || err != nil && !errors.Is(err, host.ErrHostKey) {
				t.Fatalf("the error is: %v", err)
			}
			for _, part := range append(tc.want[:len(tc.want):len(tc.want)], "SHA256:") {
				if err != nil && !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in the error: %v", part, err)
				}
			}
		})
	}
}

func TestKeys(t *testing.T) {
	s := hosttest.SSHD(t)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	s.Admit(t, key, "")
	lockedFile := filepath.Join(s.Dir, "locked")
	write(t, lockedFile, string(pem.EncodeToMemory(locked)))
	stranger, _ := s.NewKey(t, "stranger")
	good, err := os.ReadFile(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: &private}); err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, keyring)
	null := cty.NullVal(cty.String)
	for name, tc := range map[string]struct {
		file, text cty.Value
		agent      bool
		home       string // the text of ~/.ssh/id_ed25519
		want       string // a part of the error; empty: none
	}{
		"a file":                                 {file: cty.StringVal(s.KeyFile), text: null},
		"the key itself":                         {file: null, text: cty.StringVal(string(good))},
		"a passphrase":                           {file: cty.StringVal(lockedFile), text: null, want: "ssh-add " + lockedFile},
		"a passphrase, and an agent":             {file: cty.StringVal(lockedFile), text: null, agent: true},
		"the agent alone":                        {file: null, text: null, agent: true},
		"the home directory's":                   {file: null, text: null, home: string(good)},
		"nothing":                                {file: null, text: null, want: "no key to log in with"},
		"a key nobody lets in":                   {file: cty.StringVal(stranger), text: null, want: "does not let " + s.User + " in by any of these keys: " + stranger + " (ED25519 SHA256:"},
		"a key nobody lets in, and a good agent": {file: cty.StringVal(stranger), text: null, agent: true, want: "does not let"},
		"no key":                                 {file: cty.StringVal(s.KnownHosts), text: null, want: "no private key"},
		"a file that is not there":               {file: cty.StringVal("/no/such"), text: null, want: "/no/such"},
		"both":                                   {file: cty.StringVal(s.KeyFile), text: cty.StringVal(string(good)), want: "both given"},
		"a text that is no key, which is not told": {file: null, text: cty.StringVal("hunter two"), want: "private_key is no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", socket)
			if tc.home != "" {
				if err := errors.Join(os.MkdirAll(filepath.Join(home, ".ssh"), 0o700), os.WriteFile(filepath.Join(home, ".ssh/id_ed25519"), []byte(tc.home), 0o600)); err != nil {
					t.Fatal(err)
				}
				defer os.Remove(filepath.Join(home, ".ssh/id_ed25519"))
			}
			h, err := host.Open(t.Context(), s.Value(map[string]cty.Value{"private_key_file": tc.file, "private_key": tc.text, "agent": cty.BoolVal(tc.agent)}), "/")
			if err == nil {
				defer h.Close()
				_, err = h.Run(t.Context(), host.Cmd("true"))
			}
			if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter")) {
				t.Errorf("the error is: %v", err)
			}
		})
	}
}

func serveAgent(t *testing.T, keyring agent.Agent) string {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// A machine that goes away in the middle of a call is an error, and leaves whole
// files; the next call connects anew.
func TestTheMachineGoesAway(t *testing.T) {
	s := hosttest.SSHD(t)
	h := open(t, s, nil)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "one")
	begun := filepath.Join(dir, "begun")
	result := make(chan error, 1)
	go func() {
		_, err := h.Run(context.WithoutCancel(t.Context()), host.Cmd("sh", "-c", "touch "+begun+"; sleep 60"))
		result <- err
	}()
	waitFor(t, func() bool { _, err := os.Stat(begun); return err == nil })
	s.Break()
	if err := <-result; !errors.Is(err, host.ErrLost) || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("the error is: %v", err)
	}
	// While a file is written.
	waitFor(t, func() bool {
		go func() {
			result <- h.Write(context.WithoutCancel(t.Context()), host.File{Path: filepath.Join(dir, "a"), Content: every(64 << 20)})
		}()
		waitFor(t, func() bool { return strings.Contains(names(t, dir), ".a.mailform-") || len(result) > 0 })
		s.Break()
		err := <-result
		if err == nil {
			write(t, filepath.Join(dir, "a"), "one") // it was quicker
			return false
		}
		if !errors.Is(err, host.ErrLost) {
			t.Errorf("the error is: %v", err)
		}
		return true
	})
	if got := content(t, filepath.Join(dir, "a")); got != "one" {
		t.Errorf("the file has %d bytes", len(got))
	}
	waitFor(t, func() bool { return names(t, dir) == "a begun" })
	if out, err := h.Run(t.Context(), host.Cmd("echo", "again")); err != nil || string(out.Stdout) != "again\n" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
	s.Stop()
	if _, err := h.Run(t.Context(), host.Cmd("true")); err == nil || !strings.Contains(err.Error(), "connect to "+s.Addr()) {
		t.Errorf("the error is: %v", err)
	}
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it has not come about")
		}
	}
}

// A machine that says nothing is given up.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := hosttest.SSHD(t)
	value := map[string]cty.Value{"port": cty.NumberIntVal(int64(l.Addr().(*net.TCPAddr).Port)), "timeout": cty.StringVal("1s")}
	_, err = open(t, s, value).Run(t.Context(), host.Cmd("true"))
	if err == nil || !strings.Contains(err.Error(), "it says nothing for 1s") {
		t.Errorf("the error is: %v", err)
	}
}

// sudo stands before every command; one that asks for a password is an error.
func TestSudo(t *testing.T) {
	need(t, "sudo")
	bin := t.TempDir()
	// What is in the PATH of the session is asked first: a sudo that tells of its use.
	write(t, filepath.Join(bin, "sudo"), "#!/bin/sh\nprintf '%s\\n' \"$*\" >>"+bin+"/used\nexec /usr/bin/sudo \"$@\"\n")
	if err := os.Chmod(filepath.Join(bin, "sudo"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := hosttest.SSHD(t, "PATH="+bin+":/usr/sbin:/usr/bin:/sbin:/bin")
	h := host.WithSudo(open(t, s, nil))
	writeKeepsWhatIsNotItsOwn(t, h)
	out, err := h.Run(t.Context(), host.Cmd("id", "-u"))
	if err != nil || string(out.Stdout) != "0\n" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
	if used := content(t, filepath.Join(bin, "used")); !strings.HasPrefix(used, "-n -- sh -c ") {
		t.Errorf("sudo was used as %q", used)
	}
	write(t, filepath.Join(bin, "sudo"), "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
	if _, err := h.Read(t.Context(), "/etc/passwd"); err == nil || !strings.Contains(err.Error(), "sudo is refused: a password is required") {
		t.Errorf("the error is: %v", err)
	}
	if err := os.Remove(filepath.Join(bin, "sudo")); err != nil {
		t.Fatal(err)
	}
}

// What a login shell says before is not taken for what a command says.
func TestTalkativeShell(t *testing.T) {
	s := hosttest.SSHD(t)
	file, key := s.NewKey(t, "talkative")
	s.Admit(t, key, `command="echo Welcome; printf 'no line end'; eval \"$SSH_ORIGINAL_COMMAND\""`)
	h := open(t, s, map[string]cty.Value{"private_key_file": cty.StringVal(file)})
	run(t, h)
	// One that lets nothing be run says so.
	file, key = s.NewKey(t, "mute")
	s.Admit(t, key, `command="echo This account is not available.; exit 1"`)
	h = open(t, s, map[string]cty.Value{"private_key_file": cty.StringVal(file)})
	if _, err := h.Run(t.Context(), host.Cmd("true")); err == nil || !strings.Contains(err.Error(), "no commands can be run: This account is not available") {
		t.Errorf("the error is: %v", err)
	}
	if _, err := h.Read(t.Context(), "/etc/passwd"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is: %v", err)
	}
}
