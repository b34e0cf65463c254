package pop3

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Real clients, where they are installed.

func program(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
}

func TestCurl(t *testing.T) {
	program(t, "curl")
	f := start(t, newFakeStore(first, second), Options{})
	_, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "curl", append([]string{
			"--silent", "--show-error", "--max-time", "100", "--user", "alice@example.com:secret word",
		}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	if got, want := curl("pop3://"+f.addr+"/"), fmt.Sprintf("1 %d\r\n2 %d\r\n", len(first), len(second)); got != want {
		t.Errorf("the list is %q, want %q", got, want)
	}
	if got := curl("pop3://" + f.addr + "/1"); got != first {
		t.Errorf("message 1 is %q, want %q", got, first)
	}
	got := curl("--ssl-reqd", "--cacert", f.ca, "--resolve", "mail.example.com:"+port+":127.0.0.1", "pop3://mail.example.com:"+port+"/2")
	if got != second {
		t.Errorf("message 2 over TLS is %q, want %q", got, second)
	}
}

func TestFetchmail(t *testing.T) {
	program(t, "fetchmail")
	st := newFakeStore(first, second)
	f := start(t, st, Options{})
	host, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	got := filepath.Join(home, "got")
	rc := fmt.Sprintf("poll %s protocol pop3 port %s uidl user \"alice@example.com\" password \"secret word\" sslproto '' mda \"cat >>%s\"\n", host, port, got)
	if err := os.WriteFile(filepath.Join(home, "fetchmailrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	// It exits with 0 where there was new mail, with 1 where there was none.
	fetch := func(want int, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "fetchmail", append([]string{"--nodetach", "--nosyslog", "--timeout", "100"}, args...)...)
		cmd.Env = append(os.Environ(), "FETCHMAILHOME="+home)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
			t.Fatalf("fetchmail %q: %v, want exit code %d: %s", args, err, want, out)
		}
	}
	fetch(0, "--keep")
	fetch(1, "--keep")
	data, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Subject: one", "Subject: two"} {
		if n := strings.Count(string(data), text); n != 1 {
			t.Errorf("%q came %d times", text, n)
		}
	}
	if _, expunged := st.state(); len(expunged) > 0 {
		t.Errorf("deleted though kept: %v", expunged)
	}
	fetch(0, "--nokeep", "--fetchall")
	if _, expunged := st.state(); len(expunged) == 0 {
		t.Error("nothing is deleted")
	}
}
