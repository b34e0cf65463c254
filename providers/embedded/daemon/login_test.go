package daemon

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// A dialect is how a protocol talks about TLS and logins.
type dialect struct {
	ready    string // how the last line of a greeting begins
	hello    string // what a client says first; empty: nothing
	heard    string // how the last line of the answer to that begins
	starttls string
	goAhead  string
	login    string // with %s for mechanism and initial response
	// ask is around a challenge, say around a response, in is how the answer to a
	// login that went well begins, out that to one that did not.
	ask, say [2]string
	in, out  string
	noop     string // what anybody may say before a login
}

var dialects = map[string]dialect{
	"submission": {"220 ", "EHLO client.example.net", "250 ", "STARTTLS", "220 ", "AUTH %s %s", [2]string{"334 ", ""}, [2]string{}, "235 ", "535 5.7.8 ", "NOOP"},
	"imap":       {"* OK ", "c CAPABILITY", "c OK ", "s STARTTLS", "s OK ", "a AUTHENTICATE %s %s", [2]string{"+ ", ""}, [2]string{}, "a OK ", "a NO [AUTHENTICATIONFAILED] ", "n NOOP"},
	"pop3":       {"+OK ", "CAPA", ".", "STLS", "+OK ", "AUTH %s %s", [2]string{"+ ", ""}, [2]string{}, "+OK ", "-ERR [AUTH] ", "CAPA"},
	"managesieve": {"OK ", "CAPABILITY", "OK ", "STARTTLS", "OK ", `AUTHENTICATE "%s" "%s"`, [2]string{`"`, `"`}, [2]string{`"`, `"`},
		"OK ", "NO ", "NOOP"},
}

// A front is the outside of a daemon: where its services are.
type front struct {
	*running
	at map[string]string
}

// newFront runs a daemon whose users have these verifiers.
func newFront(t *testing.T, users map[string][]string) front {
	t.Helper()
	f := front{runIn(t, t.TempDir()), map[string]string{}}
	f.must(create("setting", "main", setting(1<<20)), create("maildomain", "example.com", `{"name":"example.com"}`))
	for address, hashes := range users {
		list, err := json.Marshal(hashes)
		if err != nil {
			t.Fatal(err)
		}
		f.must(create("mailbox", address, fmt.Sprintf(`{"address":%q,"password_hash":%s,"quota":0,"protocols":["imap","pop3"],"mail":"enabled"}`, address, list)))
	}
	at := addresses(t, len(dialects))
	i := 0
	for service := range dialects {
		f.at[service] = at[i]
		f.must(create("listener", "main/"+service, listenerText(service, at[i])))
		i++
	}
	return f
}

// A caller speaks with one service.
type caller struct {
	t *testing.T
	dialect
	conn net.Conn
	r    *bufio.Reader
	tls  *tls.ConnectionState
	// heard is what the service has said of itself last.
	said string
}

func (f front) call(t *testing.T, service string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", f.at[service])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	c := &caller{t: t, dialect: dialects[service], conn: conn, r: bufio.NewReader(conn)}
	c.until(c.ready)
	c.hear()
	return c
}

func (c *caller) send(line string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) line() string {
	c.t.Helper()
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return strings.TrimRight(l, "\r\n")
}

// until reads lines to the one that begins so, and returns all.
func (c *caller) until(prefix string) string {
	c.t.Helper()
	for all := ""; ; {
		l := c.line()
		all += l + "\n"
		if strings.HasPrefix(l, prefix) {
			return all
		}
	}
}

func (c *caller) hear() {
	c.t.Helper()
	c.send(c.hello)
	c.said = c.until(c.heard)
}

func (c *caller) handshake(config *tls.Config) {
	c.t.Helper()
	config.InsecureSkipVerify, config.ServerName = true, "mail.example.com"
	tc := tls.Client(c.conn, config)
	if err := tc.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	state := tc.ConnectionState()
	c.conn, c.r, c.tls = tc, bufio.NewReader(tc), &state
	if c.ready == "OK " { // ManageSieve greets again: RFC 5804 §2.2
		c.until(c.ready)
	}
}

func (c *caller) startTLS(config *tls.Config) {
	c.t.Helper()
	c.send(c.starttls)
	c.until(c.goAhead)
	c.handshake(config)
	c.hear()
}

// authenticate logs in by SCRAM and returns the last line.
func (c *caller) authenticate(mechanism string, talk *scram.ClientConversation) string {
	c.t.Helper()
	encode := base64.StdEncoding.EncodeToString
	first, err := talk.Step("")
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(fmt.Sprintf(c.login, mechanism, encode([]byte(first))))
	for {
		l := c.line()
		challenge, ok := strings.CutPrefix(l, c.ask[0])
		if !ok || strings.HasPrefix(l, c.in) {
			return l
		}
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(challenge, c.ask[1]))
		if err != nil {
			c.t.Fatalf("challenge %q: %v", l, err)
		}
		say, err := talk.Step(string(raw))
		if err != nil {
			c.t.Fatalf("challenge %q: %v", raw, err)
		}
		c.send(c.say[0] + encode([]byte(say)) + c.say[1])
	}
}

func verifier(t *testing.T, password string) string {
	t.Helper()
	h, err := auth.HashSCRAM([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSCRAMAtEveryService(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": {verifier(t, "secret")}, "pia@example.com": {verifier(t, "pia's")}, "closed@example.com": nil})
	talk := func(password string) *scram.Client {
		user := "alice@example.com"
		if password == "pia's" { // POP3 lets one session at a time into a mailbox
			user = "pia@example.com"
		}
		c, err := scram.SHA256.NewClient(user, password, "")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	exporter := func(s *tls.ConnectionState) scram.ChannelBinding {
		b, err := scram.NewTLSExporterBinding(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for service, d := range dialects {
		for version, config := range map[string]*tls.Config{"TLS 1.2": {MaxVersion: tls.VersionTLS12}, "TLS 1.3": {MinVersion: tls.VersionTLS13}} {
			t.Run(service+" over "+version, func(t *testing.T) {
				secure := func() *caller {
					c := f.call(t, service)
					c.startTLS(config.Clone())
					return c
				}
				c, other := secure(), secure()
				for _, m := range []string{auth.SCRAM, auth.SCRAMPlus, auth.Plain} {
					if !strings.Contains(c.said, m) {
						t.Errorf("%s is not offered:\n%s", m, c.said)
					}
				}
				for _, tc := range []struct {
					name, mechanism, want string
					talk                  *scram.ClientConversation
				}{
					{"a wrong password", auth.SCRAMPlus, d.out, talk("x").NewConversationWithChannelBinding(exporter(c.tls))},
					{"another's connection", auth.SCRAMPlus, d.out, talk("secret").NewConversationWithChannelBinding(exporter(other.tls))},
					{"a list of mechanisms that was tampered with", auth.SCRAM, d.out, talk("secret").NewConversationAdvertisingChannelBinding()},
					{"the right password, bound", auth.SCRAMPlus, d.in, talk("secret").NewConversationWithChannelBinding(exporter(c.tls))},
				} {
					if got := c.authenticate(tc.mechanism, tc.talk); !strings.HasPrefix(got, tc.want) {
						t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
					}
				}
				if got := other.authenticate(auth.SCRAM, talk("pia's").NewConversation()); !strings.HasPrefix(got, d.in) {
					t.Errorf("the right password, not bound: %q", got)
				}
			})
		}
	}
	t.Run("the password itself is as good", func(t *testing.T) {
		c := f.call(t, "imap")
		c.startTLS(&tls.Config{})
		c.send("a LOGIN alice@example.com secret")
		if got := c.line(); !strings.HasPrefix(got, "a OK ") {
			t.Error(got)
		}
	})
	t.Run("nobody without a verifier may be there", func(t *testing.T) {
		h, err := auth.Hash([]byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"address":"bob@example.com","password_hash":[%q],"quota":0,"protocols":["imap"],"mail":"enabled"}`, h)
		f.must(create("mailbox", "bob@example.com", text))
		c := f.call(t, "imap")
		c.startTLS(&tls.Config{})
		if strings.Contains(c.said, "SCRAM") {
			t.Errorf("SCRAM is offered, and bob would fail:\n%s", c.said)
		}
		f.must(change("delete", "mailbox", "bob@example.com", ""))
		if c.hear(); !strings.Contains(c.said, "AUTH=SCRAM-SHA-256 ") {
			t.Errorf("SCRAM is not offered again:\n%s", c.said)
		}
	})
}

func TestGsaslLogsInBySCRAM(t *testing.T) {
	t.Parallel()
	gsasl, err := exec.LookPath("gsasl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gsasl is not there: .ci/peers installs it")
		}
		t.Skip("gsasl is not there: .ci/peers installs it")
	}
	f := newFront(t, map[string][]string{"alice@example.com": {verifier(t, "secret")}})
	for _, service := range []string{"submission", "imap"} {
		for how, options := range map[string][]string{
			"not bound":            {"--mechanism=" + auth.SCRAM, "--no-cb"}, // it has no "y"
			"bound with TLS 1.3":   {"--mechanism=" + auth.SCRAMPlus},
			"bound with TLS 1.2":   {"--mechanism=" + auth.SCRAMPlus, "--priority=NORMAL:-VERS-TLS1.3"},
			"with password itself": {"--mechanism=" + auth.Plain},
		} {
			for password, good := range map[string]bool{"secret": true, "wrong": false} {
				t.Run(service+" "+how+" "+password, func(t *testing.T) {
					speak := map[string]string{"submission": "--smtp", "imap": "--imap"}[service]
					args := append([]string{speak, "--connect=" + f.at[service], "--starttls", "--verbose", "--x509-ca-file=" + filepath.Join(f.dir, "tls", "ca.pem"),
						"--authentication-id=alice@example.com", "--authorization-id=", "--password=" + password}, options...)
					cmd := exec.Command(gsasl, args...)
					out, err := cmd.CombinedOutput()
					var exit *exec.ExitError
					if err != nil && !errors.As(err, &exit) {
						t.Fatal(err)
					}
					if (err == nil) != good {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
		}
	}
}

func TestWhatIsSaidBeforeTLSIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": {verifier(t, "secret")}})
	for service := range dialects {
		t.Run(service, func(t *testing.T) {
			c := f.call(t, service)
			// Somebody in between puts a command behind STARTTLS, in the same packet
			// (CVE-2011-0411), and a login that could be taken for the client's.
			login := fmt.Sprintf(c.login, auth.Plain, base64.StdEncoding.EncodeToString([]byte("\x00alice@example.com\x00secret")))
			c.send(c.starttls + "\r\n" + c.noop + "\r\n" + login)
			c.until(c.goAhead)
			c.handshake(&tls.Config{})
			// The answer to the next command is the first thing that comes.
			c.send(c.hello)
			if got := c.until(c.heard); service == "submission" && !strings.Contains(got, "AUTH ") || strings.Contains(got, c.in+"Logged in") {
				t.Errorf("after the handshake it says:\n%s", got)
			}
			c.send(login)
			if got := c.line(); !strings.HasPrefix(got, c.in) {
				t.Errorf("the client's own login is answered %q: another one has gone before", got)
			}
		})
	}
}

func TestNobodyIsSlowedDownAtTheStart(t *testing.T) {
	t.Parallel()
	r := runIn(t, t.TempDir())
	if list, err := r.Slowed(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if who, err := r.Unlock(t.Context(), []string{"192.0.2.7"}); err != nil || len(who) != 0 {
		t.Errorf("unlocked %v, %v", who, err)
	}
}
