package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a program that runs on a pseudo-terminal.
type terminal struct {
	t   *testing.T
	cmd *exec.Cmd
	pty *os.File

	mu  sync.Mutex
	out strings.Builder
}

// onTerminal starts a program on a terminal; it is ended with the test.
func onTerminal(t *testing.T, dir string, env []string, name string, args ...string) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED: no pseudo-terminals: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := &unix.Winsize{Row: 50, Col: 200}
	if err := unix.IoctlSetWinsize(int(pty.Fd()), unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, pty: pty, cmd: exec.Command(name, args...)}
	x.cmd.Dir = dir
	x.cmd.Env = append(os.Environ(), append(env, "TERM=xterm", "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = tty, tty, tty
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := pty.Read(buf)
			x.mu.Lock()
			x.out.Write(buf[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		x.cmd.Process.Kill()
		x.cmd.Wait()
		pty.Close()
	})
	return x
}

// text is what the terminal has shown since offset from.
func (x *terminal) text(from int) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()[from:]
}

// say types a text and waits until the terminal shows another.
func (x *terminal) say(typed, want string) {
	x.t.Helper()
	from := len(x.text(0))
	if _, err := x.pty.WriteString(typed); err != nil {
		x.t.Fatal(err)
	}
	x.expect(from, want)
}

func (x *terminal) expect(from int, want string) {
	x.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(x.text(from), want) {
			return
		}
	}
	x.t.Fatalf("the terminal does not show %q; it shows %q", want, x.text(from))
}

// end waits for the program to end, and returns its exit code.
func (x *terminal) end() int {
	x.t.Helper()
	done := make(chan error, 1)
	go func() { done <- x.cmd.Wait() }()
	select {
	case <-done:
		return x.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		x.t.Fatalf("the program does not end; the terminal shows %q", x.text(0))
		return -1
	}
}

const completionFiles = `
domain "example" {
  name   = "example.com"
  server = server.main
}

server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
}

user "staff" {
  for_each = toset(["bob smith"])
  domain   = domain.example
  name     = "bob"
}

user "secret" {
  domain        = domain.example
  name          = "secret"
  password_hash = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
}
`

// The line editor has a history, goes on over several lines and leaves the
// terminal as it was.
func TestScriptsOnATerminalOfTheConsole(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(completionFiles), 0o600); err != nil {
		t.Fatal(err)
	}
	x := onTerminal(t, dir, nil, binary, "console")
	x.expect(0, "> ")
	x.say("upper(\"abc\")\r", "\"ABC\"\r\n")
	x.say("[\r", "[\r\n")
	x.say("upper(\"d\")]\r", "\"D\",\r\n]")
	x.say("user.nobody\r", "There is no user \"nobody\"")
	x.say("user.secret\r", "password_hash = (sensitive value)")
	x.say("\x1b[A\x1b[A\r", "There is no user \"nobody\"")
	x.say("\x04", "\r\n")
	if code := x.end(); code != 0 {
		t.Errorf("the console ended with %d", code)
	}
	if strings.Contains(x.text(0), "aGFzaG") {
		t.Error("the terminal has shown a password hash")
	}
}

// In each shell, a word begun and a tab make a command that does what it says.
func TestScriptsOfShellsComplete(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(completionFiles), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []struct {
		name, start string
		args        []string
	}{
		{"bash", ". <(mailform completion bash)", []string{"--norc", "--noprofile", "-i"}},
		{"zsh", "autoload -Uz compinit; compinit -D -u; . <(mailform completion zsh)", []string{"-f", "-i"}},
	} {
		t.Run(shell.name, func(t *testing.T) {
			x := onTerminal(t, dir, []string{"PS1=ready> "}, need(t, shell.name), shell.args...)
			x.expect(0, "ready> ")
			x.say(shell.start+"; echo lo''aded\r", "loaded")
			x.say("mailform versi\t\r", "mailform v")
			x.say("mailform state sh\tuser.st\t\r", `There is no user.staff["bob smith"] in the state`)
			x.say("mailform state rm --dry-r\tdomain.e\t\r", "No matching objects found for domain.example")
			x.say("mailform plan -target=domain.e\t -lock-timeo\tnone\r", "invalid value")
			x.say("mailform fmt -check main\t; echo co''de $?\r", "code 0")
		})
	}
	t.Run("fish", func(t *testing.T) {
		cmd := exec.Command(need(t, "fish"), "--no-config", "-c", `mailform completion fish | source
			complete -C 'mailform versi'
			complete -C 'mailform state show user.st'
			complete -C 'mailform plan -target=domain.e'
			complete -C 'mailform fmt ma'`)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"version\n", "user.staff[\"bob smith\"]\n", "-target=domain.example\n", "main.mf.hcl"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("fish does not offer %q; it offers:\n%s", want, out)
			}
		}
	})
}

// Help of every command goes to standard output, with exit code 0, and tells of
// every option. Each option says what its value is.
func TestScriptsOfHelpTellAll(t *testing.T) {
	var all []string
	for _, c := range commands() {
		all = append(all, c.name)
		for _, sub := range subcommands(c.name) {
			all = append(all, c.name+" "+sub.name)
		}
	}
	for _, name := range all {
		for _, word := range []string{"-help", "--help", "-h"} {
			cmd := exec.Command(binary, append(strings.Fields(name), word)...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 || !strings.HasPrefix(string(out), "Usage: mailform "+name) {
				t.Errorf("mailform %s %s: %v, stderr %q, stdout %q", name, word, err, stderr.String(), out)
			}
			for _, line := range strings.Split(string(out), "\n") {
				if strings.HasPrefix(line, "  -") && strings.Contains(line, "=VALUE ") && !strings.Contains(line, "NAME=VALUE") {
					t.Errorf("mailform %s: an option does not say what its value is: %s", name, line)
				}
				if len(line) > 100 {
					t.Errorf("mailform %s: a long line of help: %s", name, line)
				}
			}
		}
	}
}
