package mailtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A SieveClient is sieve-connect, by which people look after their Sieve scripts.
// It speaks TLS with whom it finds, whatever the certificate says.
type SieveClient struct {
	// Addr is where ManageSieve listens.
	Addr string
	// Password of the users; empty: quickstart.
	Password string
}

// Run has a user's client carry out commands, one to a line, and returns what it
// says. The error is what goes wrong with any of them.
func (c SieveClient) Run(t testing.TB, user string, commands ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("sieve-connect")
	if err != nil {
		Missing(t, "sieve-connect", err)
	}
	host, port, err := net.SplitHostPort(c.Addr)
	must(t, err)
	password := c.Password
	if password == "" {
		password = "quickstart"
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "commands")
	must(t, os.WriteFile(script, []byte(strings.Join(append(commands, "quit"), "\n")+"\n"), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--server", host, "--port", port, "--user", user, "--nosslverify", "--nosrv", "--passwordfd", "0", "--exec", script)
	cmd.Stdin = strings.NewReader(password + "\n")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("sieve-connect: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "failed:") {
			return string(out), errors.New(strings.TrimSpace(line))
		}
	}
	return string(out), nil
}

// Must is Run where nothing may go wrong.
func (c SieveClient) Must(t testing.TB, user string, commands ...string) string {
	t.Helper()
	out, err := c.Run(t, user, commands...)
	if err != nil {
		t.Fatalf("sieve-connect as %s at %s: %v", user, c.Addr, err)
	}
	return out
}
