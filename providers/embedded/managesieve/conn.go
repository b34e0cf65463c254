package managesieve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/embedded/store"
)

// Ways for a connection to end that are nobody's fault.
var (
	errLogout = errors.New("logout")
)

// A conn is one connection.
type conn struct {
	*sessions.Line
	limits      Limits // as they were when it began
	srv         *Server
	raw         net.Conn
	nc          net.Conn // raw, or TLS over it
	tls         bool
	implicitTLS bool
	log         *slog.Logger
	r           *bufio.Reader
	w           *bufio.Writer

	account *store.Account // nil: nobody has logged in
	bad     int
	failed  int
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Line: sessions.NewLine(nc), limits: s.limits(), srv: s, raw: nc}
	c.log = s.log.With("remote", nc.RemoteAddr().String())
	c.use(nc)
	return c
}

// use reads from and writes to a connection from now on. What was read before and
// not yet looked at is thrown away with the old reader.
func (c *conn) use(nc net.Conn) {
	c.nc = nc
	c.r = bufio.NewReaderSize(nc, 4096)
	c.w = bufio.NewWriterSize(sessions.DeadlineWriter{Conn: nc, Block: block}, 4096)
}

// Run serves the connection until it ends.
func (c *conn) Run() {
	defer func() {
		// The farewell has been sent; what goes wrong now nobody can mend.
		_ = c.nc.Close()
	}()
	defer func() {
		if p := recover(); p != nil {
			// One client must not take the others' server away.
			c.log.Error("managesieve: panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if c.implicitTLS {
		if err := c.startTLS(); err != nil {
			c.log.Debug("managesieve: TLS handshake failed", "error", err)
			return
		}
	}
	c.capabilities()
	c.ok("ManageSieve ready")
	err := c.commands()
	switch {
	case c.Interrupted():
		c.answer("BYE", "TRYLATER", "The server is shutting down")
	case !errors.Is(err, io.EOF) && !errors.Is(err, errLogout):
		c.answer("BYE", "", "Too many errors, or too long a silence")
		c.log.Debug("managesieve: connection ended", "error", err)
	}
	// A peer that is gone does not need the rest.
	_ = c.w.Flush()
}

func (c *conn) startTLS() error {
	tc, err := c.Handshake(c.srv.group.Context(), c.srv.opt.TLS(), greeting)
	if err != nil {
		return err
	}
	c.tls = true
	c.use(tc)
	return nil
}

// commands reads and carries out commands until the connection ends.
func (c *conn) commands() error {
	for {
		verb, args, err := c.read()
		var wrong syntaxError
		if errors.As(err, &wrong) {
			code := ""
			if wrong == errTooLong {
				code = "QUOTA/MAXSIZE"
			}
			err = c.wrong(code, string(wrong))
		} else if err == nil {
			err = c.command(verb, args)
		}
		if err != nil {
			return err
		}
	}
}

// read reads a command, and sends the answers before it waits.
func (c *conn) read() (string, []argument, error) {
	wait := c.limits.Idle
	if c.account == nil {
		wait = greeting
	}
	if err := c.Allow(wait); err != nil {
		return "", nil, err
	}
	if c.r.Buffered() == 0 {
		if err := c.w.Flush(); err != nil {
			return "", nil, err
		}
	}
	return readCommand(c.r)
}

// answer writes an answer. An error of writing comes back from the flush.
func (c *conn) answer(word, code, text string) {
	if code != "" {
		word += " (" + code + ")"
	}
	_, _ = c.w.WriteString(word + " " + quote(text) + "\r\n")
}

func (c *conn) ok(text string)       { c.answer("OK", "", text) }
func (c *conn) no(code, text string) { c.answer("NO", code, text) }

// wrong answers what is no command, or not now. The error ends the connection.
func (c *conn) wrong(code, text string) error {
	c.no(code, text)
	if c.bad++; c.bad >= c.limits.BadCommands {
		return errors.New("too many errors")
	}
	return nil
}

// capabilities says what the server can do now (RFC 5804 §1.7).
func (c *conn) capabilities() {
	mechanisms := ""
	if c.mayLogIn() && c.account == nil {
		mechanisms = strings.Join(auth.Mechanisms(c.srv.group.Context(), c.srv.opt.Auth, c.peer()), " ")
	}
	lines := [][2]string{
		{"IMPLEMENTATION", "mailform"}, {"SASL", mechanisms}, {"SIEVE", strings.Join(sieve.Extensions(), " ")},
		{"MAXREDIRECTS", fmt.Sprint(sieve.MaxRedirects)}, {"VERSION", "1.0"},
	}
	if c.account != nil {
		lines = append(lines, [2]string{"OWNER", c.account.Address})
	}
	for _, l := range lines {
		_, _ = c.w.WriteString(quote(l[0]) + " " + quote(l[1]) + "\r\n")
	}
	if c.mayStartTLS() {
		_, _ = c.w.WriteString("\"STARTTLS\"\r\n")
	}
	_, _ = c.w.WriteString("\"UNAUTHENTICATE\"\r\n")
}

// mayStartTLS reports whether STARTTLS is permitted now.
func (c *conn) mayStartTLS() bool {
	return c.srv.opt.TLS != nil && !c.tls && c.account == nil
}

// mayLogIn reports whether a password may come over this connection.
func (c *conn) mayLogIn() bool { return c.tls || sessions.Loopback(c.raw.RemoteAddr()) }
