package imap_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/store"
)

func TestLogin(t *testing.T) {
	w := newWorld(t)
	plain := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := map[string]struct{ command, want string }{
		"the right password":              {"LOGIN alice@example.com secret", "OK [CAPABILITY "},
		"a name in any case":              {`LOGIN "Alice@Example.COM" "secret"`, "OK [CAPABILITY "},
		"a wrong password":                {"LOGIN alice@example.com wrong", "NO [AUTHENTICATIONFAILED] Wrong user or password"},
		"a user that does not exist":      {"LOGIN nobody@example.com wrong", "NO [AUTHENTICATIONFAILED] Wrong user or password"},
		"a user without IMAP":             {"LOGIN pia@example.com secret", "NO [AUTHORIZATIONFAILED] "},
		"who is told so only if he is it": {"LOGIN pia@example.com wrong", "NO [AUTHENTICATIONFAILED] Wrong user or password"},
		"a user who is disabled":          {"LOGIN off@example.com secret", "NO [AUTHORIZATIONFAILED] "},
		"SASL PLAIN at once":              {"AUTHENTICATE PLAIN " + plain("\x00alice@example.com\x00secret"), "OK [CAPABILITY "},
		"SASL PLAIN with one's own name":  {"AUTHENTICATE PLAIN " + plain("alice@example.com\x00alice@example.com\x00secret"), "OK [CAPABILITY "},
		"SASL PLAIN for somebody else":    {"AUTHENTICATE PLAIN " + plain("off@example.com\x00alice@example.com\x00secret"), "NO [AUTHENTICATIONFAILED] Wrong user or password"},
		"SASL PLAIN that is no base64":    {"AUTHENTICATE PLAIN !!", "BAD "},
		"SASL PLAIN with too few parts":   {"AUTHENTICATE PLAIN " + plain("alice"), "BAD "},
		"a mechanism that is not there":   {"AUTHENTICATE CRAM-MD5", "NO [CANNOT] "},
		"a command that needs a login":    {"SELECT INBOX", "BAD Log in first"},
		"a command that nobody has":       {"XYZZY", "BAD Unknown command"},
		"ID before the login":             {`ID ("name" "test")`, "OK "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w.dial().refused(tt.command, tt.want)
		})
	}
}

func TestAuthenticateStepByStep(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct {
		mechanism string
		steps     [][2]string // challenge, response
		want      string
	}{
		"PLAIN": {"PLAIN", [][2]string{{"+ ", "\x00alice@example.com\x00secret"}}, "a OK "},
		"LOGIN": {"LOGIN", [][2]string{{"+ VXNlcm5hbWU6", "alice@example.com"}, {"+ UGFzc3dvcmQ6", "secret"}}, "a OK "},
		"LOGIN with a wrong password": {"LOGIN", [][2]string{{"+ VXNlcm5hbWU6", "alice@example.com"}, {"+ UGFzc3dvcmQ6", "wrong"}},
			"a NO [AUTHENTICATIONFAILED] "},
		"a client that gives up": {"PLAIN", [][2]string{{"+ ", "*"}}, "a BAD "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := w.dial()
			c.send("a AUTHENTICATE " + tt.mechanism + "\r\n")
			for _, step := range tt.steps {
				if got := c.line(); got != step[0] {
					t.Fatalf("challenge is %q, want %q", got, step[0])
				}
				response := step[1]
				if response != "*" {
					response = base64.StdEncoding.EncodeToString([]byte(response))
				}
				c.send(response + "\r\n")
			}
			if got := c.line(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("answer is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTooManyMistakesEndTheConnection(t *testing.T) {
	w := newWorld(t)
	for name, command := range map[string]string{
		"wrong passwords": "LOGIN alice@example.com wrong",
		"no IMAP at all":  "Host: mail.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dial()
			for range 20 {
				c.conn.Write([]byte("a " + command + "\r\n"))
			}
			lines := c.ended()
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "* BYE ") || len(lines) > 12 {
				t.Errorf("%d lines, the last one %q", len(lines), last)
			}
		})
	}
}

func TestCapabilitiesAreWhatWorks(t *testing.T) {
	conf, _ := certificate(t)
	withTLS := func(o *imap.Options) { o.TLS = func() *tls.Config { return conf } }
	never := func(o *imap.Options) { o.InsecureAuth = imap.InsecureAuthNever }
	tests := map[string]struct {
		change  []func(*imap.Options)
		has     []string
		hasNot  []string
		loginOK bool
	}{
		"without TLS on the loopback":    {nil, []string{"AUTH=PLAIN"}, []string{"STARTTLS", "LOGINDISABLED", "IDLE"}, true},
		"with TLS on the loopback":       {[]func(*imap.Options){withTLS}, []string{"AUTH=PLAIN", "STARTTLS"}, []string{"LOGINDISABLED"}, true},
		"with TLS and without passwords": {[]func(*imap.Options){withTLS, never}, []string{"LOGINDISABLED", "STARTTLS"}, []string{"AUTH=PLAIN", "AUTH=LOGIN"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newWorld(t, tt.change...).dial()
			caps := strings.Fields(c.ok("CAPABILITY")[0])
			for _, want := range tt.has {
				if !slices.Contains(caps, want) {
					t.Errorf("%s is not in %q", want, caps)
				}
			}
			for _, not := range tt.hasNot {
				if slices.Contains(caps, not) {
					t.Errorf("%s is in %q", not, caps)
				}
			}
			want := "NO [PRIVACYREQUIRED] "
			if tt.loginOK {
				want = "OK "
			}
			c.refused("LOGIN alice@example.com secret", want)
		})
	}
}

// TestStartTLSDropsWhatWasInjected sends a command behind STARTTLS in the same
// packet, as somebody in between could.
func TestStartTLSDropsWhatWasInjected(t *testing.T) {
	conf, pool := certificate(t)
	w := newWorld(t, func(o *imap.Options) { o.TLS = func() *tls.Config { return conf } })
	c := w.dial()
	c.send("a STARTTLS\r\nb LOGIN alice@example.com secret\r\n")
	if got := c.line(); !strings.HasPrefix(got, "a OK ") {
		t.Fatalf("STARTTLS: %q", got)
	}
	tc := tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: "mail.example.com"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.conn, c.br = tc, bufio.NewReader(tc)
	if lines := c.do("CAPABILITY"); len(lines) != 2 || strings.Contains(lines[0], "STARTTLS") {
		t.Errorf("after STARTTLS: %q", lines)
	}
	c.refused("STARTTLS", "BAD ")
	c.refused("SELECT INBOX", "BAD Log in first")
	c.ok("LOGIN alice@example.com secret")
}

func TestImplicitTLS(t *testing.T) {
	conf, pool := certificate(t)
	w := newWorld(t, func(o *imap.Options) { o.TLS = func() *tls.Config { return conf } })
	tc, err := tls.Dial("tcp", w.listen(true), &tls.Config{RootCAs: pool, ServerName: "mail.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer tc.Close()
	c := &wireClient{t: t, conn: tc, br: bufio.NewReader(tc)}
	c.until("* OK [CAPABILITY ")
	c.ok("LOGIN alice@example.com secret")
	if lines := c.do("LOGOUT"); len(lines) != 2 || !strings.HasPrefix(lines[0], "* BYE ") {
		t.Errorf("LOGOUT: %q", lines)
	}
	c.ended()
}

func TestShutdownSaysBye(t *testing.T) {
	w := newWorld(t)
	sessions := map[string]*wireClient{
		"a client that has not logged in": w.dial(),
		"a client that does nothing":      w.login("alice"),
	}
	idle := w.login("alice")
	idle.ok("SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.until("+ ")
	sessions["a client that idles"] = idle
	appending := w.login("alice")
	appending.send("p APPEND INBOX {100}\r\n")
	appending.until("+ ")
	appending.send("half a message")
	sessions["a client that is sending a message"] = appending
	if n := w.srv.Connections(); n != len(sessions) {
		t.Errorf("%d connections, want %d", n, len(sessions))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.srv.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for name, c := range sessions {
		if lines := c.ended(); len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "* BYE ") {
			t.Errorf("%s reads %q", name, lines)
		}
	}
	if n := w.srv.Connections(); n != 0 {
		t.Errorf("%d connections after the shutdown", n)
	}
	if n := w.count("INBOX"); n != 0 {
		t.Errorf("half a message is stored")
	}
}

// A message that comes in the moment clients end their IDLE is told then, or with
// the next command.
func TestNoNewsIsLostWithTheEndOfIdle(t *testing.T) {
	w := newWorld(t)
	clients := make([]*wireClient, 30)
	for i := range clients {
		clients[i] = w.login("alice")
		clients[i].ok("SELECT INBOX")
	}
	for n := 1; n <= 20; n++ {
		for _, c := range clients {
			c.send("i IDLE\r\n")
			c.until("+ ")
		}
		delivered := make(chan struct{})
		go func() {
			defer close(delivered)
			w.deliver("INBOX", mail("news"))
		}()
		for _, c := range clients {
			c.send("DONE\r\n")
		}
		<-delivered
		for _, c := range clients {
			lines := append(c.until("i "), c.do("SEARCH ANSWERED")...) // NOOP always looks
			if want := fmt.Sprintf("* %d EXISTS", n); !slices.Contains(lines, want) {
				t.Fatalf("%q lacks %q", lines, want)
			}
		}
	}
}

func TestShutdownCutsOffWhoDoesNotRead(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", strings.Repeat(mail("large"), 200_000))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.send("f FETCH 1 BODY[]\r\n") // and read no more than its beginning
	if _, err := c.br.Peek(1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := w.srv.Shutdown(ctx); err == nil {
		t.Error("shutdown waited for nobody")
	}
	if d := time.Since(start); d > patience/2 {
		t.Errorf("shutdown took %v", d)
	}
}

func TestSilenceEndsTheConnection(t *testing.T) {
	// Whoever says something after the server has closed is told by the system alone
	// that it has: then the server's limits were too short for this machine.
	worlds := map[time.Duration]*world{}
	for limit := 30 * time.Millisecond; limit < time.Minute; limit *= 6 {
		worlds[limit] = newWorld(t, func(o *imap.Options) {
			o.Limits = imap.Limits{Greeting: limit, Idle: limit, Line: limit, Block: limit}
		})
	}
	for name, said := range map[string]string{
		"nothing":             "",
		"half a command":      "a NO",
		"a login and nothing": "a LOGIN alice@example.com secret\r\n",
		"IDLE for too long":   "a LOGIN alice@example.com secret\r\nb IDLE\r\n",
		"half a message":      "a LOGIN alice@example.com secret\r\nb APPEND INBOX {10+}\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for limit := 30 * time.Millisecond; worlds[limit] != nil; limit *= 6 {
				c := worlds[limit].dial()
				_, _ = io.WriteString(c.conn, said)
				lines = nil
				for {
					line, err := c.tryLine()
					if err == nil {
						lines = append(lines, line)
					} else if errors.Is(err, io.EOF) && len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], "* BYE Autologout") {
						return
					} else {
						break
					}
				}
			}
			t.Errorf("read %q", lines)
		})
	}
}

func TestAccountThatIsTakenAway(t *testing.T) {
	w := newWorld(t, func(o *imap.Options) { o.Limits.Recheck = time.Nanosecond })
	c := w.login("alice")
	w.apply("delete", "mailbox", "alice@example.com", nil)
	w.dial().refused("LOGIN alice@example.com secret", "NO [AUTHENTICATIONFAILED] ")
	c.send("a NOOP\r\n")
	if lines := c.ended(); len(lines) != 1 || !strings.HasPrefix(lines[0], "* BYE [AUTHORIZATIONFAILED] ") {
		t.Errorf("the open session reads %q", lines)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	w := newWorld(t, func(o *imap.Options) { o.Limits.Connections = 1 })
	w.dial()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	second := &wireClient{t: t, conn: nc, br: bufio.NewReader(nc)}
	if lines := second.ended(); len(lines) != 1 || !strings.HasPrefix(lines[0], "* BYE [UNAVAILABLE] ") {
		t.Errorf("the second connection reads %q", lines)
	}
}

// careless panics for one user, as a mistake of ours would.
type careless struct{ imap.Authenticator }

func (a careless) Login(ctx context.Context, address, pass, service string, remote net.Addr) (*store.Account, error) {
	if address == "boom" {
		panic("boom")
	}
	return a.Authenticator.Login(ctx, address, pass, service, remote)
}

func TestPanicEndsOneSessionAlone(t *testing.T) {
	w := newWorld(t, func(o *imap.Options) { o.Auth = careless{o.Auth} })
	other := w.login("alice")
	c := w.dial()
	c.send("a LOGIN boom boom\r\n")
	c.ended()
	other.ok("NOOP")
	w.login("alice").ok("NOOP")
}
