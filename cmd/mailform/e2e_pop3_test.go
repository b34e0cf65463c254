package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pop opens a POP3 session.
func (w *world) pop(user string) *session {
	w.t.Helper()
	s := dial(w.t, w.addr("pop3"))
	s.until("+OK")
	s.pop("USER "+user, "+OK")
	s.pop("PASS quickstart", "+OK")
	return s
}

// pop sends a command and expects the beginning of its answer's first line.
func (s *session) pop(cmd, want string) string {
	s.t.Helper()
	s.send(cmd)
	got := s.line()
	if !strings.HasPrefix(got, want) {
		s.t.Fatalf("%s was answered %q, want %s", cmd, got, want)
	}
	return got
}

// newestByPOP is the last message of a user, as POP3 gives it.
func (w *world) newestByPOP(user string) string {
	w.t.Helper()
	s := w.pop(user)
	defer s.pop("QUIT", "+OK")
	m := regexp.MustCompile(`^\+OK (\d+) \d+`).FindStringSubmatch(s.pop("STAT", "+OK"))
	if m == nil {
		w.t.Fatal("STAT tells no number")
	}
	s.pop("RETR "+m[1], "+OK")
	var text strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			w.t.Fatalf("RETR: %v", err)
		}
		if line == ".\r\n" {
			return text.String()
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
}

// Deleting is done at QUIT and only there; nobody else gets in meanwhile.
func TestPOP3DeletesOnlyAtQuit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	for _, subject := range []string{"one", "two", "three"} {
		w.deliver("alice@example.com", subject)
	}
	s := w.pop("alice@example.com")
	s.pop("DELE 1", "+OK")
	s.pop("DELE 3", "+OK")

	other := dial(t, w.addr("pop3"))
	other.until("+OK")
	other.pop("USER alice@example.com", "+OK")
	other.pop("PASS quickstart", "-ERR [IN-USE]")
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 3 {
		t.Errorf("before QUIT IMAP shows %v", got)
	}
	w.deliver("alice@example.com", "four")
	s.pop("STAT", "+OK 1 ")
	s.c.Close()

	// The lock goes with the connection.
	eventually(t, "the mailbox is free again", func() bool {
		s := dial(t, w.addr("pop3"))
		s.until("+OK")
		s.pop("USER alice@example.com", "+OK")
		s.send("PASS quickstart")
		defer s.c.Close()
		return strings.HasPrefix(s.line(), "+OK")
	})
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "one,two,three,four" {
		t.Errorf("after a connection that broke off: %v", got)
	}

	var in *session
	eventually(t, "the mailbox is free again", func() bool {
		in = dial(t, w.addr("pop3"))
		in.until("+OK")
		in.pop("USER alice@example.com", "+OK")
		in.send("PASS quickstart")
		return strings.HasPrefix(in.line(), "+OK")
	})
	in.pop("DELE 2", "+OK")
	in.pop("RSET", "+OK")
	in.pop("DELE 1", "+OK")
	in.pop("DELE 1", "-ERR")
	in.pop("QUIT", "+OK")
	in.ended()
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "two,three,four" {
		t.Errorf("after QUIT: %v", got)
	}
}

// fetchmail takes mail over: each message once, over TLS and without, kept on
// the server or not.
func TestFetchmailTakesEachMessageOnce(t *testing.T) {
	t.Parallel()
	fetchmail := need(t, "fetchmail")
	w := newHouse(t, "1MiB")
	ca := filepath.Join(w.dir, "mail", "tls", "ca.pem")
	for name, options := range map[string]struct{ service, more string }{
		"STARTTLS":     {"pop3", "sslproto 'TLS1+' sslcertck sslcertfile '" + ca + "'"},
		"implicit TLS": {"pop3s", "ssl sslcertck sslcertfile '" + ca + "'"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.deliver("pia@example.com", "one")
			w.deliver("pia@example.com", "two")
			dir := t.TempDir()
			rc, got := filepath.Join(dir, "rc"), filepath.Join(dir, "fetched")
			text := "poll localhost service " + strconv.Itoa(w.port[options.service]) + " protocol POP3 uidl\n" +
				"  username \"pia@example.com\" password \"quickstart\" " + options.more + " sslcommonname mail.example.com mda \"cat >> " + got + "\"\n"
			if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(args ...string) result {
				return w.run(fetchmail, append([]string{"-f", rc, "--nodetach", "--idfile", filepath.Join(dir, "ids"), "--pidfile", filepath.Join(dir, "pid")}, args...)...)
			}
			if r := run("--keep"); r.code != 0 || strings.Count(readFile(t, got), "\nSubject: ") != 2 {
				t.Fatalf("first: %v\n%s", r, readFile(t, got))
			}
			if r := run("--keep"); r.code != 1 {
				t.Errorf("second: want exit code 1 (no new mail), got %v", r)
			}
			w.deliver("pia@example.com", "three")
			if r := run("--keep"); r.code != 0 || strings.Count(readFile(t, got), "\nSubject: ") != 3 {
				t.Errorf("with a new message: %v", r)
			}
			if r := run("--nokeep", "--fetchall"); r.code != 0 {
				t.Errorf("to the end: %v", r)
			}
			s := w.pop("pia@example.com")
			s.pop("STAT", "+OK 0 0")
			s.pop("QUIT", "+OK")
		})
	}
}

// Message numbers and sizes are right, and UIDL names stay over a restart.
func TestPOP3NamesAndSizesAreTrue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	for i := range 3 {
		w.deliver("alice@example.com", fmt.Sprintf("message %d", i))
	}
	listing := func() []string {
		s := w.pop("alice@example.com")
		defer s.pop("QUIT", "+OK")
		var all []string
		for _, cmd := range []string{"UIDL", "LIST"} {
			s.pop(cmd, "+OK")
			all = append(all, s.until(".")...)
		}
		return all
	}
	before := listing()
	s := w.pop("alice@example.com")
	for i := range 3 {
		m := regexp.MustCompile(`^\+OK \d+ (\d+)$`).FindStringSubmatch(s.pop(fmt.Sprintf("LIST %d", i+1), "+OK"))
		if m == nil {
			t.Fatal("LIST tells no size")
		}
		s.pop(fmt.Sprintf("RETR %d", i+1), "+OK")
		n := 0
		for _, line := range s.until(".") {
			n += len(line) + len("\r\n")
		}
		if n -= len(".\r\n"); strconv.Itoa(n) != m[1] {
			t.Errorf("message %d has %d octets, LIST says %s", i+1, n, m[1])
		}
	}
	s.pop("RETR 4", "-ERR")
	s.pop("TOP 1 0", "+OK")
	s.until(".")
	s.pop("QUIT", "+OK")
	w.ok("stop")
	w.ok("start")
	if after := listing(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("after a restart:\n%v\nbefore:\n%v", after, before)
	}
}
