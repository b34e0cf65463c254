package main

// This file has the mail service that most end-to-end tests of mail share, and
// the sessions that they open with it.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// The house is a mail service in which every sort of recipient lives. All of
// them have the password "quickstart". What is not local goes to the relay, which
// is a program of the test's.
const house = `
server "main" {
  hostname           = "mail.example.com"
  addresses          = ["127.0.0.1"]
  message_size_limit = "LIMIT"
  retry              = ["1s", "1s", "1s"]

  smtp       { listen = ["127.0.0.1:2525"] }
  submission {
    listen     = ["127.0.0.1:2587"]
    listen_tls = ["127.0.0.1:2465"]
  }
  imap {
    listen     = ["127.0.0.1:2143"]
    listen_tls = ["127.0.0.1:2993"]
  }
  pop3 {
    listen     = ["127.0.0.1:2110"]
    listen_tls = ["127.0.0.1:2995"]
  }
  relay { host = "127.0.0.1:2626" }
}

nameserver "ns1" {
  hostname  = "ns1.example.com"
  addresses = ["127.0.0.1"]
  listen    = ["127.0.0.1:2053"]
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  postmaster = user.alice
  mx { server = server.main }
  dkim { selector = "s1" }
}

domain "second" {
  name       = "example.org"
  nameserver = nameserver.ns1
  catch_all  = user.bob
  mx { server = server.main }
  dkim {
    selector  = "k"
    algorithm = "ed25519"
  }
  dkim { selector = "r" }
}

locals {
  hash = "HASH"
}

user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = local.hash
  aliases       = ["al"]
}

user "bob" {
  domain        = domain.example
  name          = "bob"
  password_hash = local.hash
}

user "ivo" {
  domain        = domain.second
  name          = "ivo"
  password_hash = local.hash
}

user "pia" {
  domain        = domain.example
  name          = "pia"
  password_hash = local.hash
  protocols     = ["pop3"]
}

user "ida" {
  domain        = domain.example
  name          = "ida"
  password_hash = local.hash
  protocols     = ["imap"]
}

user "off" {
  domain        = domain.example
  name          = "off"
  password_hash = local.hash
  mail          = "disabled"
}

user "fwd" {
  domain        = domain.example
  name          = "fwd"
  password_hash = local.hash
  mail          = "forward"
  forward_to    = [user.alice, "away@elsewhere.test"]
}

user "both" {
  domain        = domain.example
  name          = "both"
  password_hash = local.hash
  mail          = "forward"
  forward_to    = ["away@elsewhere.test"]
  keep_copy     = true
}

user "tiny" {
  domain        = domain.example
  name          = "tiny"
  password_hash = local.hash
  quota         = "16KiB"
}

alias "team" {
  domain  = domain.example
  name    = "team"
  members = [user.alice, user.bob, user.both]
}

alias "outside" {
  domain  = domain.example
  name    = "outside"
  members = ["one@elsewhere.test", "two@elsewhere.test"]
}
`

// housePorts are those of the house that not every world has.
var housePorts = map[string]string{"smtps": "2465", "imaps": "2993", "pop3s": "2995", "relay": "2626"}

// newHouse applies the house with a limit for the size of messages.
func newHouse(t *testing.T, limit string) *world {
	t.Helper()
	w := newWorld(t, nil)
	text := strings.NewReplacer("HASH", hashInQuickstart(t), "LIMIT", limit).Replace(house)
	var ports []string
	for name, sample := range housePorts {
		w.port[name] = porttest.Port(t)
		ports = append(ports, "127.0.0.1:"+sample, w.addr(name))
	}
	// In one go: a port that was put in may begin as the next sample does.
	text = strings.NewReplacer(ports...).Replace(text)
	w.write("main.mf.hcl", text)
	w.apply()
	return w
}

// in is the world in a subtest.
func (w *world) in(t testing.TB) *world {
	sub := *w
	sub.t = t
	return &sub
}

// trust is the TLS configuration of a client that trusts the CA of the world.
func (w *world) trust() *tls.Config {
	w.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(readFile(w.t, filepath.Join(w.dir, "mail", "tls", "ca.pem")))) {
		w.t.Fatal("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "mail.example.com"}
}

// secure puts TLS over a connection.
func (s *session) secure(config *tls.Config) {
	s.t.Helper()
	c := tls.Client(s.c, config)
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	if err := c.Handshake(); err != nil {
		s.t.Fatalf("TLS handshake: %v", err)
	}
	s.c, s.r = c, bufio.NewReader(c)
}

// ended expects the server to have closed the connection, and returns what it
// still said.
func (s *session) ended() string {
	s.t.Helper()
	if err := s.c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	var said bytes.Buffer
	if _, err := said.ReadFrom(s.r); os.IsTimeout(err) {
		s.t.Errorf("the connection stays open after %q", said.String())
	}
	return said.String()
}

// expect sends commands and expects each answer to begin as said.
func (s *session) expect(steps ...string) {
	s.t.Helper()
	for i := 0; i+1 < len(steps); i += 2 {
		if got := s.smtp(steps[i]); !strings.HasPrefix(got, steps[i+1]) {
			s.t.Fatalf("%.80q was answered %q, want %q", steps[i], got, steps[i+1])
		}
	}
}

// greet opens an SMTP session.
func (w *world) greet() *session {
	w.t.Helper()
	s := dial(w.t, w.addr("smtp"))
	s.expect("", "220 mail.example.com", "EHLO client.example.net", "250-mail.example.com Hello client.example.net")
	return s
}

// submit opens a submission session in a user's name.
func (w *world) submit(user string) *session {
	w.t.Helper()
	s := dial(w.t, w.addr("smtps"))
	s.secure(w.trust())
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00quickstart"))
	s.expect("", "220", "EHLO client.example.net", "250", "AUTH PLAIN "+plain, "235")
	return s
}

// mailbox opens an IMAP session with a mailbox selected.
func (w *world) mailbox(user, mailbox string) *session {
	w.t.Helper()
	s := dial(w.t, w.addr("imap"))
	s.until("* OK")
	for _, cmd := range []string{"LOGIN " + user + " quickstart", "SELECT " + mailbox} {
		if got := s.imap("m", cmd); !strings.Contains(got, "m OK") {
			w.t.Fatalf("%s: %s", cmd, got)
		}
	}
	return s
}

// literal reads the literal that a FETCH of one message brings.
func (s *session) literal(tag, cmd string) string {
	s.t.Helper()
	s.send(tag + " " + cmd)
	first := s.line()
	m := regexp.MustCompile(`\{(\d+)\}$`).FindStringSubmatch(first)
	if m == nil {
		s.t.Fatalf("%s brought no literal: %q", cmd, first)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		s.t.Fatal(err)
	}
	b := make([]byte, n)
	for got := 0; got < n; {
		if err := s.c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			s.t.Fatal(err)
		}
		m, err := s.r.Read(b[got:])
		if err != nil {
			s.t.Fatalf("literal of %d bytes ends after %d: %v", n, got, err)
		}
		got += m
	}
	s.until(tag + " OK")
	return string(b)
}

// newest is the whole of the last message in a mailbox.
func (w *world) newest(user, mailbox string) string {
	w.t.Helper()
	s := w.mailbox(user, mailbox)
	defer s.c.Close()
	return s.literal("f", "FETCH * BODY.PEEK[]")
}

// send submits or delivers a message in an open session.
func (s *session) message(from, to, text string) string {
	s.t.Helper()
	s.expect("MAIL FROM:<"+from+">", "250", "RCPT TO:<"+to+">", "250", "DATA", "354")
	return s.smtp(text + "\r\n.")
}

// header is the part of a message before its first empty line.
func header(message string) string {
	h, _, _ := strings.Cut(message, "\r\n\r\n")
	return h
}

// reachable says whether somebody takes connections there.
func reachable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
