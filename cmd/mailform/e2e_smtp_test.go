package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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
	for name, sample := range housePorts {
		w.port[name] = freePort(t)
		text = strings.ReplaceAll(text, "127.0.0.1:"+sample, w.addr(name))
	}
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
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
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
	if err := s.c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
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
		if err := s.c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
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

// Who is there is told at RCPT, and nobody relays, however it is written.
func TestEveryRecipientHasItsAnswer(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	for name, tc := range map[string]struct{ rcpt, want string }{
		"a user":                          {"<alice@example.com>", "250 "},
		"a user in capitals":              {"<ALICE@EXAMPLE.COM>", "250 "},
		"another name of a user":          {"<al@example.com>", "250 "},
		"a user with a quoted local part": {`<"alice"@example.com>`, "250 "},
		"an alias":                        {"<team@example.com>", "250 "},
		"an alias to elsewhere":           {"<outside@example.com>", "250 "},
		"a forwarded user":                {"<fwd@example.com>", "250 "},
		"a disabled user":                 {"<off@example.com>", "550 5.2.1"},
		"nobody":                          {"<nosuch@example.com>", "550 5.1.1"},
		"nobody, with a subaddress":       {"<nosuch+tag@example.com>", "550 5.1.1"},
		"anybody of a catch-all domain":   {"<whoever@example.org>", "250 "},
		"the postmaster":                  {"<postmaster@example.com>", "250 "},
		"the postmaster in capitals":      {"<PostMaster@Example.com>", "250 "},
		"the bare postmaster":             {"<postmaster>", "250 "},
		"the second domain's postmaster":  {"<postmaster@example.org>", "250 "},
		"somebody elsewhere":              {"<b@other.test>", "550 5.7.1"},
		"a percent route":                 {"<b%other.test@example.com>", "550 5.7.1"},
		"a quoted address":                {`<"b@other.test"@example.com>`, "550 5.7.1"},
		"a quoted address, catch-all":     {`<"b@other.test"@example.org>`, "550 5.7.1"},
		"a percent route, catch-all":      {"<b%other.test@example.org>", "550 5.7.1"},
		"a bang path":                     {"<other.test!b@example.com>", "550 5.7.1"},
		"a source route to elsewhere":     {"<@example.com:b@other.test>", "550 5.7.1"},
		"an address literal elsewhere":    {"<b@[192.0.2.1]>", "550 5.7.1"},
		"our own address literal":         {"<b@[127.0.0.1]>", "550 5.7.1"},
		"a subdomain":                     {"<alice@sub.example.com>", "550 5.7.1"},
		"a domain that ends like ours":    {"<alice@notexample.com>", "550 5.7.1"},
		"no domain":                       {"<alice>", "501"},
		"no address":                      {"<>", "501"},
		"a line in the address":           {"<alice\x0b@example.com>", "501"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			s := w.greet()
			s.expect("MAIL FROM:<a@remote.test>", "250")
			if got := s.smtp("RCPT TO:" + tc.rcpt); !strings.HasPrefix(got, tc.want) {
				t.Errorf("RCPT TO:%s was answered %q, want %s", tc.rcpt, got, tc.want)
			}
		})
	}
}

// What is accepted comes to where it belongs, once, and nowhere else.
func TestMailComesToWhereItBelongs(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	sink := w.sink(nil)
	for name, tc := range map[string]struct {
		to    string
		local []string // accounts that get it
		away  []string // addresses elsewhere that get it
	}{
		"catch-all":              {"whoever@example.org", []string{"bob@example.com"}, nil},
		"not the catch-all":      {"ivo@example.org", []string{"ivo@example.org"}, nil},
		"alias to several":       {"team@example.com", []string{"alice@example.com", "bob@example.com", "both@example.com"}, []string{"away@elsewhere.test"}},
		"alias to outside":       {"outside@example.com", nil, []string{"one@elsewhere.test", "two@elsewhere.test"}},
		"forward without a copy": {"fwd@example.com", []string{"alice@example.com"}, []string{"away@elsewhere.test"}},
		"forward with a copy":    {"both@example.com", []string{"both@example.com"}, []string{"away@elsewhere.test"}},
		"postmaster":             {"postmaster@example.com", []string{"alice@example.com"}, nil},
		"postmaster, catch-all":  {"postmaster@example.org", []string{"bob@example.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.deliver(tc.to, name)
			for _, user := range []string{"alice@example.com", "bob@example.com", "both@example.com", "fwd@example.com", "ivo@example.org"} {
				want := strings.Count(" "+strings.Join(tc.local, " ")+" ", " "+user+" ")
				got := 0
				for _, subject := range w.subjects(user, "INBOX") {
					if subject == name {
						got++
					}
				}
				if got != want {
					t.Errorf("%s has it %d times, want %d", user, got, want)
				}
			}
			for _, to := range tc.away {
				eventually(t, "the relay has a copy for "+to, func() bool { return sink.count(name, to) == 1 })
			}
		})
	}
	eventually(t, "the queue is empty", w.queueIsEmpty)
	for _, m := range sink.messages() {
		if !strings.Contains(m, "X-Mail-Args: <sender@example.net>") {
			t.Errorf("a forwarded message has another sender:\n%s", m)
		}
		if strings.Contains(m, "Return-Path:") {
			t.Errorf("a forwarded message has a Return-Path, which is for the last hop:\n%s", m)
		}
	}
}

// A trace says how the message came.
func TestTheTraceOfADelivery(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	w := newHouse(t, "1MiB")
	r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--ehlo", "client.remote.test", "--to", "alice@example.com", "--from", "probe@remote.test",
		"--add-header", "Return-Path: <forged@remote.test>", "--add-header", "Authentication-Results: mail.example.com; spf=pass")
	m := regexp.MustCompile(`(?m)^<~  250 2\.0\.0 .*queued as (\w+)$`).FindStringSubmatch(r.stdout)
	if r.code != 0 || m == nil {
		t.Fatalf("swaks: %v", r)
	}
	h := header(w.newest("alice@example.com", "INBOX"))
	for want, n := range map[string]int{
		`(?m)^Return-Path: <probe@remote\.test>\r$`:                  1,
		`(?mi)^Return-Path:`:                                         1,
		`(?mi)^Authentication-Results: mail\.example\.com; spf=pass`: 0,
		`(?ms)^Received: from client\.remote\.test \(\[127\.0\.0\.1\]\)\r\n\tby mail\.example\.com with ESMTPS \(TLS1\.3 \w+\)\r\n\tid ` + m[1] + ` for <alice@example\.com>; `: 1,
	} {
		if got := len(regexp.MustCompile(want).FindAllString(h, -1)); got != n {
			t.Errorf("%s matches %d times, want %d:\n%s", want, got, n, h)
		}
	}
}

// What a server may offer depends on TLS and on the port.
func TestNothingIsOfferedThatMustNotBe(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	w := newHouse(t, "1MiB")
	for name, tc := range map[string]struct {
		port       string
		args       []string
		has, lacks []string
	}{
		"public port, before TLS":     {"smtp", nil, []string{"STARTTLS", "SIZE 1048576", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"}, []string{"AUTH"}},
		"public port, within TLS":     {"smtp", []string{"-tls"}, []string{"SIZE 1048576"}, []string{"AUTH", "STARTTLS"}},
		"submission port, before TLS": {"submission", nil, []string{"STARTTLS"}, []string{"AUTH"}},
		"submission port, within TLS": {"submission", []string{"-tls"}, []string{"AUTH PLAIN LOGIN"}, []string{"STARTTLS"}},
		"submissions port":            {"smtps", []string{"-tlsc"}, []string{"AUTH PLAIN LOGIN"}, []string{"STARTTLS"}},
	} {
		r := w.run(swaks, append([]string{"--server", w.addr(tc.port), "--quit-after", "EHLO"}, tc.args...)...)
		if r.code != 0 {
			t.Errorf("%s: %v", name, r)
		}
		offers := r.stdout
		if i := strings.LastIndex(offers, "> EHLO"); i >= 0 {
			offers = offers[i:]
		}
		for _, ext := range tc.has {
			if !regexp.MustCompile(`(?m)^<[-~] +250[ -]` + ext + `\b`).MatchString(offers) {
				t.Errorf("%s: no %s in\n%s", name, ext, offers)
			}
		}
		for _, ext := range tc.lacks {
			if regexp.MustCompile(`(?m)^<[-~] +250[ -]` + ext + `\b`).MatchString(offers) {
				t.Errorf("%s: %s is offered:\n%s", name, ext, offers)
			}
		}
	}
}

func TestSubmissionAsksWhoYouAre(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	plain := func(user, password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))
	}
	clear := dial(t, w.addr("submission"))
	clear.expect("", "220", "EHLO x", "250",
		"MAIL FROM:<alice@example.com>", "530 5.7.0",
		plain("alice@example.com", "quickstart"), "538 5.7.11",
		"STARTTLS", "220")
	clear.secure(w.trust())
	clear.expect("EHLO x", "250", "MAIL FROM:<alice@example.com>", "530 5.7.0")

	guess := func(user string) string {
		s := dial(t, w.addr("smtps"))
		s.secure(w.trust())
		s.expect("", "220", "EHLO x", "250")
		got := s.smtp(plain(user, "wrong"))
		for range 3 {
			s.expect(plain(user, "wrong"), "535 5.7.8")
		}
		s.expect(plain(user, "wrong"), "535 5.7.8")
		s.send(plain(user, "quickstart"))
		if rest := s.ended(); !strings.HasPrefix(rest, "421 4.7.0") {
			t.Errorf("a sixth try as %s was answered %q", user, rest)
		}
		return got
	}
	known, unknown, closed := guess("alice@example.com"), guess("nosuch@example.com"), guess("off@example.com")
	if known != unknown || known != closed {
		t.Errorf("a wrong password is answered %q, an unknown user %q, a disabled one %q", known, unknown, closed)
	}

	s := w.submit("alice@example.com")
	for from, want := range map[string]string{
		"alice@example.com": "250", "al@example.com": "250", "": "250",
		"bob@example.com": "553 5.7.1", "alice@example.org": "553 5.7.1", "alice@elsewhere.test": "553 5.7.1",
	} {
		s.expect("MAIL FROM:<"+from+">", want, "RSET", "250")
	}
	if got := s.message("alice@example.com", "bob@example.com", "From: bob@example.com\r\nSubject: forged\r\n\r\nx"); !strings.HasPrefix(got, "550 5.7.1") {
		t.Errorf("a From of another local user is answered %q", got)
	}
	// Users with either protocol, or none for the moment, send all the same.
	w.submit("pia@example.com")
	w.submit("ida@example.com")
}

// A message that is too large is refused as early as can be, and the session
// stays in step.
func TestTooLargeMessagesAreRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "64KiB")
	s := w.greet()
	s.expect("MAIL FROM:<a@remote.test> SIZE=65537", "552 5.3.4", "MAIL FROM:<a@remote.test> SIZE=65536", "250", "RSET", "250")

	line := strings.Repeat("x", 70) + "\r\n"
	text := "Subject: large\r\n\r\n" + strings.Repeat(line, 1000)
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "552 5.3.4") {
		t.Errorf("%d bytes of DATA: %q", len(text), got)
	}
	s.expect("NOOP", "250")
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250")
	if got := s.smtp(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n"))); !strings.HasPrefix(got, "552 5.3.4") {
		t.Errorf("%d bytes by BDAT: %q", len(text), got)
	}
	s.expect("NOOP", "250")
	fits := "Subject: fits\r\n\r\n" + strings.Repeat(line, 900)
	if got := s.message("a@remote.test", "alice@example.com", fits); !strings.HasPrefix(got, "250") {
		t.Errorf("%d bytes of DATA: %q", len(fits), got)
	}
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "fits" {
		t.Errorf("alice has %v", got)
	}

	// The limit can be changed without ending anybody's session; then APPEND knows
	// it as well.
	imap := w.mailbox("alice@example.com", "INBOX")
	w.edit("main.mf.hcl", `"64KiB"`, `"128KiB"`)
	w.apply()
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "250") {
		t.Errorf("%d bytes after the limit was raised: %q", len(text), got)
	}
	for name, s := range map[string]*session{"a session from before": imap, "a new session": w.mailbox("alice@example.com", "INBOX")} {
		if got := s.imap("a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text)); !strings.Contains(got, "a OK") {
			t.Errorf("APPEND in %s after the limit was raised: %.200q", name, got)
		}
	}
}

// Bytes that look like the end of a message to some servers, and a second
// message after them, never make two messages (SMTP smuggling).
func TestNothingIsSmuggledIn(t *testing.T) {
	t.Parallel()
	need(t, "nc")
	w := newHouse(t, "1MiB")
	inner := "MAIL FROM:<evil@remote.test>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
	for _, end := range []string{"\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n"} {
		for _, way := range []string{"DATA", "BDAT"} {
			t.Run(fmt.Sprintf("%s %q", way, end), func(t *testing.T) {
				w := w.in(t)
				before := len(w.subjects("alice@example.com", "INBOX"))
				content := "Subject: outer\r\n\r\nfirst" + end + inner
				send := "EHLO x\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.com>\r\n"
				if way == "DATA" {
					// All in one: what comes back tells whether the second MAIL was run.
					send += "DATA\r\n" + content
				} else {
					content += "\r\n"
					send += fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content)
				}
				send += "QUIT\r\n"
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				cmd := w.command(ctx, need(t, "nc"), "-N", "-w", "20", "127.0.0.1", strconv.Itoa(w.port["smtp"]))
				cmd.Stdin = strings.NewReader(send)
				out, err := cmd.Output()
				if err != nil && ctx.Err() != nil {
					t.Fatalf("the session does not end: %s", out)
				}
				if n := strings.Count(string(out), "354 "); n > 1 {
					t.Errorf("DATA was accepted %d times:\n%s", n, out)
				}
				if n := strings.Count(string(out), "queued as"); n > 1 {
					t.Errorf("%d messages were accepted:\n%s", n, out)
				}
				got := w.subjects("alice@example.com", "INBOX")[before:]
				if strings.Contains(strings.Join(got, ","), "smuggled") || len(got) > 1 {
					t.Errorf("alice got %v:\n%s", got, out)
				}
			})
		}
	}
}

// A client that goes away within a message leaves nothing behind, and nothing of
// what it sent is run.
func TestAMessageThatIsNotFinishedIsNotDelivered(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	for name, content := range map[string]string{
		"DATA":                   "DATA\r\nSubject: half\r\n\r\nfirst line\r\nMAIL FROM:<i@j.test>\r\n",
		"DATA, all but the LF":   "DATA\r\nSubject: half\r\n\r\nfirst line\r\n.\r",
		"BDAT":                   "BDAT 500 LAST\r\nSubject: half\r\n\r\nfirst line\r\n",
		"BDAT without the last":  "BDAT 17\r\nSubject: half\r\n\r\n",
		"BDAT, the last half in": "BDAT 17\r\nSubject: half\r\n\r\nBDAT 100 LAST\r\nhalf",
	} {
		s := w.greet()
		s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250")
		if _, err := fmt.Fprint(s.c, content); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(content, "DATA") {
			s.until("354")
		}
		s.c.Close()
		t.Logf("%s: hung up", name)
	}
	w.deliver("alice@example.com", "whole")
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "whole" {
		t.Errorf("alice has %v", got)
	}
}

// What a message holds comes out as it went in.
func TestContentIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	var all strings.Builder
	for i := 1; i < 256; i++ {
		if i != '\r' && i != '\n' {
			all.WriteByte(byte(i))
		}
	}
	for name, body := range map[string]string{
		"every octet but NUL": all.String() + "\r\n",
		"UTF-8":               "Grüße aus 東京 \U0001F4EC\r\n",
		"broken UTF-8":        "\xff\xfe\xc3\x28 \x80\r\n",
		"a long line":         strings.Repeat("long ", 20000) + "\r\n",
		"dots":                ".\r\n..\r\n.hidden\r\n...\r\n",
		"empty lines":         "\r\n\r\n\r\n",
		"white space":         " \t \r\n\t\r\nx  \r\n",
		"no body":             "",
	} {
		for _, way := range []string{"DATA", "BDAT", "APPEND"} {
			t.Run(name+" by "+way, func(t *testing.T) {
				w := w.in(t)
				text := "From: a@remote.test\r\nSubject: =?utf-8?q?x?= Grüße\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body
				switch way {
				case "DATA":
					s := w.greet()
					s.expect("MAIL FROM:<a@remote.test> BODY=8BITMIME", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354")
					stuffed := strings.ReplaceAll(text, "\r\n.", "\r\n..")
					s.expect(stuffed+".", "250")
				case "BDAT":
					s := w.greet()
					s.expect("MAIL FROM:<a@remote.test> BODY=8BITMIME", "250", "RCPT TO:<alice@example.com>", "250")
					head, rest := text[:20], text[20:]
					if _, err := fmt.Fprintf(s.c, "BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(head), head, len(rest), rest); err != nil {
						t.Fatal(err)
					}
					s.expect("", "250", "", "250")
				case "APPEND":
					s := w.mailbox("alice@example.com", "INBOX")
					if got := s.imap("a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text)); !strings.Contains(got, "a OK") {
						t.Fatalf("APPEND: %s", got)
					}
				}
				if got := w.newest("alice@example.com", "INBOX"); !strings.HasSuffix(got, text) {
					t.Errorf("IMAP gives\n%.400q\nwant at the end\n%.400q", got, text)
				}
				if got := w.newestByPOP("alice@example.com"); !strings.HasSuffix(got, text) {
					t.Errorf("POP3 gives\n%.400q\nwant at the end\n%.400q", got, text)
				}
			})
		}
	}
}

// IMAP cannot give NUL to anybody (RFC 9051: a literal is of CHAR8, %x01-ff), so
// a message with it is not taken either.
func TestNULIsRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	text := "Subject: nul\r\n\r\none\x00two\r\n"
	s := w.greet()
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "550 5.6.0") {
		t.Errorf("DATA with NUL is answered %q", got)
	}
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250",
		fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n")), "550 5.6.0",
		"NOOP", "250")
	imap := w.mailbox("alice@example.com", "INBOX")
	for cmd, want := range map[string]string{"APPEND INBOX {%d+}": "a BAD", "APPEND INBOX ~{%d+}": "a NO [UNKNOWN-CTE]"} {
		if got := imap.imap("a", fmt.Sprintf(cmd, len(text))+"\r\n"+text); !strings.Contains(got, want) {
			t.Errorf("%s with NUL is answered %q", cmd, got)
		}
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 0 {
		t.Errorf("alice has %v", got)
	}
}

// A sink is a server that takes mail for elsewhere and writes it to files.
type sink struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
}

// sink runs smtp-sink as the relay of the house.
func (w *world) sink(args []string) *sink {
	w.t.Helper()
	s := &sink{t: w.t, dir: w.t.TempDir()}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	args = append(args, "-d", filepath.Join(s.dir, "m."), w.addr("relay"), "100")
	s.cmd = exec.Command(need(w.t, "smtp-sink"), args...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.end)
	eventually(w.t, "the sink listens", func() bool { return reachable(w.addr("relay")) })
	return s
}

func (s *sink) end() {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

// messages are those that have come so far, with what smtp-sink puts on top.
func (s *sink) messages() []string {
	files, err := filepath.Glob(filepath.Join(s.dir, "m.*"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, readFile(s.t, f))
	}
	return all
}

// count is how many messages of a subject have come for a recipient.
func (s *sink) count(subject, to string) int {
	n := 0
	for _, m := range s.messages() {
		if strings.Contains(m, "\nSubject: "+subject+"\n") && strings.Contains(m, "X-Rcpt-Args: <"+to+">") {
			n++
		}
	}
	return n
}

func (w *world) queued() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, err := w.admin().Status(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return int64(st.Queued)
}

func (w *world) queueIsEmpty() bool { return w.queued() == 0 }

// What a user sends elsewhere is completed, signed so that anybody can verify it
// with the key that the zone publishes, and tells nobody of the Bcc.
func TestSubmittedMailIsSigned(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's modules
	if err := exec.Command(python, "-c", "import dkim, nacl").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: python3-dkim is not installed")
	}
	need(t, "dig")
	w := newHouse(t, "1MiB")
	sink := w.sink(nil)
	for user, signatures := range map[string][]string{
		"alice@example.com": {`d=example\.com;.*?s=s1;`},
		"ivo@example.org":   {`d=example\.org;.*?s=k;`, `d=example\.org;.*?s=r;`},
	} {
		t.Run(user, func(t *testing.T) {
			w := w.in(t)
			subject := "signed by " + user
			got := w.submit(user).message(user, "friend@elsewhere.test",
				"From: Me <"+user+">\r\nTo: friend@elsewhere.test\r\nBcc: secret@elsewhere.test,\r\n hidden@elsewhere.test\r\nSubject: "+subject+"\r\n\r\nHello,  Grüße\r\n..dots\r\n\r\n")
			if !strings.HasPrefix(got, "250") {
				t.Fatal(got)
			}
			var m string
			eventually(t, "the relay has the message", func() bool {
				for _, m = range sink.messages() {
					if strings.Contains(m, "Subject: "+subject) && strings.Contains(m, "dots") {
						return true
					}
				}
				return false
			})
			h, _, _ := strings.Cut(m, "\n\n")
			for _, field := range []string{"Date", "Message-ID", "From", "To"} {
				if n := strings.Count(h, "\n"+field+": "); n != 1 {
					t.Errorf("%d fields %s:\n%s", n, field, h)
				}
			}
			if strings.Contains(strings.ToLower(h), "bcc") || strings.Contains(h, "secret@") || strings.Contains(h, "hidden@") {
				t.Errorf("the Bcc is still there:\n%s", h)
			}
			for _, want := range signatures {
				if !regexp.MustCompile(`(?s)DKIM-Signature: .*` + want).MatchString(h) {
					t.Errorf("no signature %s:\n%s", want, h)
				}
			}
			// The verifier is dkimpy; it asks our own name server.
			script := `
import dkim, subprocess, sys
def txt(name, timeout=5):
    out = subprocess.check_output(["dig", "+short", "@127.0.0.1", "-p", sys.argv[1], name.decode() if isinstance(name, bytes) else name, "TXT"]).decode()
    return "".join(out.strip().split('"')[1::2]).encode()
message = sys.stdin.buffer.read()
d = dkim.DKIM(message)
n = sum(1 for k, v in d.headers if k.lower() == b"dkim-signature")
for i in range(n):
    print("signature", i, d.verify(idx=i, dnsfunc=txt), d.selector.decode(), d.domain.decode())
t = dkim.DKIM(message.replace(b"Hello", b"Hallo"))
try:
    print("tampered", t.verify(dnsfunc=txt))
except dkim.DKIMException as e:
    print("tampered False")
`
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := w.command(ctx, python, "-c", script, strconv.Itoa(w.port["dns"]))
			cmd.Stdin = strings.NewReader(m)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), " True ") != len(signatures) || !strings.Contains(string(out), "tampered False") {
				t.Errorf("dkimpy says %v:\n%s\nof\n%s", err, out, m)
			}
		})
	}
}

// A peer that is busy gets the message later, once; one that refuses it makes a
// report to the sender; one that is away for good as well.
func TestTheQueueGoesOnUntilItKnows(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	send := func(from, subject string) {
		t.Helper()
		s := w.submit("alice@example.com")
		if got := s.message(from, "friend@elsewhere.test", "From: alice@example.com\r\nSubject: "+subject+"\r\n\r\nx"); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	busy := w.sink([]string{"-r", "RCPT"})
	send("alice@example.com", "later")
	eventually(t, "the message is deferred", func() bool { return strings.Contains(w.log(), "delivery deferred") })
	busy.end()
	w.ok("stop")
	w.ok("start")
	if n := w.queued(); n != 1 {
		t.Errorf("%d messages in the queue after a restart, want 1", n)
	}
	good := w.sink(nil)
	eventually(t, "the relay has the message", func() bool { return good.count("later", "friend@elsewhere.test") == 1 })
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if n := len(good.messages()); n != 1 {
		t.Errorf("the relay has %d messages", n)
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 0 {
		t.Errorf("alice got %v", got)
	}
	good.end()

	w.sink([]string{"-f", "RCPT"})
	send("alice@example.com", "refused")
	send("", "refused, without a sender")
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Fatalf("alice got %v, want one report", got)
	}
	report := w.newest("alice@example.com", "INBOX")
	for _, want := range []string{
		"Return-Path: <>\r\n",
		"Content-Type: multipart/report; report-type=delivery-status;",
		"Final-Recipient: rfc822; friend@elsewhere.test\r\n",
		"Action: failed\r\n", "Status: 5.", "Diagnostic-Code: smtp; 500 ",
		"Subject: refused\r\n", "Auto-Submitted: auto-replied\r\n",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
}

// Two servers hand each other mail over TLS; what one refuses comes back to the
// sender with its words.
func TestTwoServersTalk(t *testing.T) {
	t.Parallel()
	near := newHouse(t, "1MiB")
	far := newWorld(t, map[string]string{"main.mf.hcl": `
server "far" {
  hostname = "mx.elsewhere.test"
  smtp { listen = ["127.0.0.1:2525"] }
  imap { listen = ["127.0.0.1:2143"] }
  message_size_limit = "32KiB"
}

domain "far" {
  name = "elsewhere.test"
  mx { server = server.far }
}

user "friend" {
  domain        = domain.far
  name          = "friend"
  password_hash = "` + hashInQuickstart(t) + `"
}
`})
	far.apply()
	near.edit("main.mf.hcl", `relay { host = "`+near.addr("relay"), `relay { host = "`+far.addr("smtp"))
	near.apply()
	s := near.submit("alice@example.com")
	text := "From: alice@example.com\r\nTo: friend@elsewhere.test\r\nSubject: =?utf-8?q?x?=\r\n\r\nGrüße\r\n.\r\n"
	s.expect("MAIL FROM:<alice@example.com> BODY=8BITMIME", "250", "RCPT TO:<friend@elsewhere.test>", "250",
		"RCPT TO:<nosuch@elsewhere.test>", "250", "DATA", "354", strings.ReplaceAll(text, "\r\n.", "\r\n..")+".", "250")
	eventually(t, "the friend has the message", func() bool { return len(far.subjects("friend@elsewhere.test", "INBOX")) == 1 })
	got := far.newest("friend@elsewhere.test", "INBOX")
	if !strings.HasSuffix(got, text) {
		t.Errorf("the message arrives as\n%s\nwant at the end\n%s", got, text)
	}
	for _, want := range []string{
		`(?m)^Return-Path: <alice@example\.com>\r$`,
		`Received: from mail\.example\.com \(\[127\.0\.0\.1\]\)\r\n\tby mx\.elsewhere\.test with ESMTPS \(TLS1\.3 `,
		`Received: from client\.example\.net \(\[127\.0\.0\.1\]\)\r\n\tby mail\.example\.com with ESMTPSA `,
		`DKIM-Signature: `,
	} {
		if n := len(regexp.MustCompile(want).FindAllString(header(got), -1)); n != 1 {
			t.Errorf("%s matches %d times:\n%s", want, n, got)
		}
	}
	eventually(t, "alice has a report", func() bool { return len(near.subjects("alice@example.com", "INBOX")) == 1 })
	report := near.newest("alice@example.com", "INBOX")
	for _, want := range []string{"Final-Recipient: rfc822; nosuch@elsewhere.test\r\n", "Status: 5.1.1\r\n", "Remote-MTA: dns; ", "Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "friend@elsewhere.test>:") {
		t.Errorf("the report names a recipient who got it:\n%s", report)
	}

	// What is too large for the other side comes back, too.
	if got := s.message("alice@example.com", "friend@elsewhere.test", "From: alice@example.com\r\nSubject: large\r\n\r\n"+strings.Repeat(strings.Repeat("z", 70)+"\r\n", 1000)); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	eventually(t, "alice has another report", func() bool { return len(near.subjects("alice@example.com", "INBOX")) == 2 })
	if report := near.newest("alice@example.com", "INBOX"); !strings.Contains(report, "Status: 5.3.4\r\n") {
		t.Errorf("the report:\n%s", report)
	}
}

// When the relay stays away, the sender hears of it at the end of the schedule.
func TestTheQueueGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	s := w.submit("alice@example.com")
	if got := s.message("alice@example.com", "friend@elsewhere.test", "From: alice@example.com\r\nSubject: into the void\r\n\r\nx"); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	w.deliver("outside@example.com", "for others")
	eventually(t, "alice has a report", func() bool { return len(w.subjects("alice@example.com", "INBOX")) == 1 })
	report := w.newest("alice@example.com", "INBOX")
	if !strings.Contains(report, "Action: failed\r\n") || !strings.Contains(report, "Status: 4.4.1\r\n") {
		t.Errorf("the report:\n%s", report)
	}
	// The report to the other sender cannot be delivered either: no report of that.
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("alice got %v", got)
	}
	if n := strings.Count(w.log(), "delivery deferred"); n < 3 {
		t.Errorf("%d attempts before it gave up, want 3:\n%s", n, w.log())
	}
}

// A large message goes in and out by every door, and the daemon stays small.
func TestALargeMessageDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	swaks, curl := need(t, "swaks"), need(t, "curl")
	w := newHouse(t, "50MiB")
	const size = 40 << 20
	line := strings.Repeat("0123456789abcde ", 4) + "0123456789ab\r\n"
	text := "From: a@remote.test\r\nSubject: large\r\n\r\n" + strings.Repeat(line, size/len(line))
	file := filepath.Join(w.dir, "large.eml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.peakMemory()
	if r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--to", "alice@example.com", "--from", "a@remote.test", "--data", "@"+file, "--suppress-data", "--hide-all"); r.code != 0 {
		t.Fatalf("swaks: %v", r)
	}
	t.Logf("SMTP: %d KiB at most, was %d", w.peakMemory(), before)
	if r := w.run(curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+w.addr("imap")+"/INBOX", "-T", file); r.code != 0 {
		t.Fatalf("curl APPEND: %v", r)
	}
	t.Logf("APPEND: %d KiB at most", w.peakMemory())
	for _, url := range []string{
		"imap://" + w.addr("imap") + "/INBOX;MAILINDEX=1", "imap://" + w.addr("imap") + "/INBOX;MAILINDEX=2",
		"pop3://" + w.addr("pop3") + "/1", "pop3://" + w.addr("pop3") + "/2",
	} {
		out := filepath.Join(w.dir, "out.eml")
		if r := w.run(curl, "-sS", "-u", "alice@example.com:quickstart", url, "-o", out); r.code != 0 {
			t.Fatalf("curl %s: %v", url, r)
		}
		if got := readFile(t, out); !strings.Contains(got, text) {
			t.Errorf("%s gives %d bytes, not the message of %d", url, len(got), len(text))
		}
		t.Logf("%s: %d KiB at most", url[:4], w.peakMemory())
	}
	s := w.mailbox("alice@example.com", "INBOX")
	for _, cmd := range []string{"FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])", `SEARCH BODY "nothing like it"`, "COPY 1 Trash"} {
		if got := s.imap("s", cmd); !strings.Contains(got, "s OK") {
			t.Errorf("%s: %s", cmd, got)
		}
	}
	// What the store keeps in its cache is there now. Several at a time show
	// whether each needs memory of its own.
	once := w.peakMemory()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, args := range [][]string{
				{"imap://" + w.addr("imap") + "/INBOX;MAILINDEX=1"}, {"imap://" + w.addr("imap") + "/INBOX", "-T", file},
			} {
				cmd := exec.Command(curl, append([]string{"-sS", "-u", "alice@example.com:quickstart", "-o", os.DevNull}, args...)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("curl %v: %v: %s", args, err, out)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("daemon: %d KiB at the start, %d after one at a time, %d after four at a time", before, once, w.peakMemory())
	if once > before+128<<10 || w.peakMemory() > once+32<<10 {
		t.Errorf("the daemon took %d KiB at the start, %d for one large message at a time, %d for four", before, once, w.peakMemory())
	}
}

// peakMemory is the most that the daemon has had in memory, in KiB.
func (w *world) peakMemory() int {
	w.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid()))
	if err != nil {
		w.t.Skipf("SKIPPED: %v", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		w.t.Fatalf("no VmHWM in %s", b)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// reachable says whether somebody takes connections there.
func reachable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
