package authd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/host"
)

// One of the password "quickstart", as crypt(3) has it.
const sha512 = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"

// serve runs a daemon with some users, for as long as the test.
func serve(t *testing.T, users ...authd.User) *authd.Control {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a")
	c := &authd.Control{Host: host.Local(), Dir: dir, Group: "0"}
	if os.Getuid() != 0 {
		c.Group = "" // nobody else's
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	replace(t, c, users...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- authd.Serve(ctx, dir, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; {
		if conn, err := net.Dial("unix", authd.Socket(dir)); err == nil {
			conn.Close()
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal("the daemon does not listen")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func replace(t *testing.T, c *authd.Control, users ...authd.User) {
	t.Helper()
	_, was, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), was, users); err != nil {
		t.Fatal(err)
	}
}

func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := auth.Hash([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAnswers(t *testing.T) {
	alice := authd.User{Address: "alice@example.com", Protocols: []string{"imap", "pop3"}, Verifiers: []string{hash(t, "quickstart")}}
	pia := authd.User{Address: "pia@example.com", Protocols: []string{"pop3"}, Verifiers: []string{sha512, hash(t, "other")}}
	none := authd.User{Address: "none@example.com", Protocols: []string{"imap"}}
	c := serve(t, alice, pia, none)
	program, err := exec.LookPath("testsaslauthd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("testsaslauthd is not installed; .ci/peers installs it")
		}
		t.Log("SKIPPED: testsaslauthd is not installed; the protocol is only tried with our own client")
	}
	for _, tt := range []struct {
		user, password, service string
		want                    bool
	}{
		{"alice@example.com", "quickstart", "imap", true},
		{"ALICE@Example.com", "quickstart", "pop", true},
		{"alice@example.com", "quickstart", "smtp", true},
		{"alice@example.com", "quickstart", "sieve", true},
		{"alice@example.com", "quickstar", "imap", false},
		{"alice@example.com", "", "imap", false},
		{"alice@example.com", "quickstart", "ftp", false},
		{"alice", "quickstart", "imap", false},
		{"pia@example.com", "quickstart", "pop", true},
		{"pia@example.com", "quickstart", "imap", false},
		{"none@example.com", "quickstart", "imap", false},
		{"nobody@example.com", "quickstart", "imap", false},
	} {
		got, err := authd.Ask(t.Context(), authd.Socket(c.Dir), tt.user, tt.password, tt.service)
		if err != nil || got != tt.want {
			t.Errorf("%s with %q at %s: %v, %v", tt.user, tt.password, tt.service, got, err)
		}
		if program == "" || tt.password == "" {
			continue
		}
		args := []string{"-f", authd.Socket(c.Dir), "-s", tt.service, "-p", tt.password, "-u", tt.user}
		if name, realm, ok := strings.Cut(tt.user, "@"); ok { // as libsasl2 asks
			args = append(args[:len(args)-1], name, "-r", realm)
		}
		out, err := exec.Command(program, args...).CombinedOutput()
		if (err == nil) != tt.want {
			t.Errorf("testsaslauthd, %s with %q at %s: %v: %s", tt.user, tt.password, tt.service, err, out)
		}
	}
	// Other users are known with the next question.
	replace(t, c, pia)
	if got, err := authd.Ask(t.Context(), authd.Socket(c.Dir), "alice@example.com", "quickstart", "imap"); err != nil || got {
		t.Errorf("a user that was taken away: %v, %v", got, err)
	}
	// A second daemon has no place.
	if err := authd.Serve(t.Context(), c.Dir, slog.New(slog.DiscardHandler)); !errors.Is(err, authd.ErrRuns) {
		t.Errorf("a second daemon: %v", err)
	}
	if pid, err := authd.PID(c.Dir); err != nil || pid != os.Getpid() {
		t.Errorf("the process is %d, %v", pid, err)
	}
}

func TestNonsenseIsNotAnswered(t *testing.T) {
	c := serve(t)
	for name, send := range map[string][]byte{
		"nothing":            nil,
		"half a length":      {0},
		"a string cut short": {0, 9, 'a'},
		"a huge string":      append(binary.BigEndian.AppendUint16(nil, 65535), bytes.Repeat([]byte("x"), 65535)...),
	} {
		conn, err := net.Dial("unix", authd.Socket(c.Dir))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(send) // it may be closed before all is there
		if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
			t.Log(err)
		}
		if answer, _ := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("%s was answered %q", name, answer)
		}
		conn.Close()
	}
	if _, err := authd.Ask(t.Context(), authd.Socket(c.Dir), "a@b", "c", "imap"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestUsersThatCannotStandInTheFile(t *testing.T) {
	for name, u := range map[string]authd.User{
		"a line break in the address": {Address: "a\nb@example.com"},
		"a tab in a verifier":         {Address: "a@example.com", Verifiers: []string{"$6$a\tb"}},
		"no address":                  {},
		"a comment":                   {Address: "#a@example.com"},
		"an empty verifier":           {Address: "a@example.com", Verifiers: []string{""}},
	} {
		if text, err := authd.Format([]authd.User{u}); err == nil {
			t.Errorf("%s: %q", name, text)
		} else if strings.Contains(err.Error(), "$6$") {
			t.Errorf("%s: the error shows the verifier: %v", name, err)
		}
	}
}

func FuzzUsers(f *testing.F) {
	f.Add([]byte("a@b\timap,pop3\t$6$x$y\nc@d\t\n"))
	f.Add([]byte("a\tb"))
	f.Fuzz(func(t *testing.T, text []byte) {
		users, err := authd.Parse(text)
		if err != nil {
			return
		}
		once, err := authd.Format(users)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := authd.Parse(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := authd.Format(again); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q, then %q, %v", once, twice, err)
		}
	})
}
