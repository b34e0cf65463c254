package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/sessions"
)

const (
	// maxLine is the longest command line. RFC 2449 §4 has 255 octets; responses
	// of SASL may be longer (RFC 5034 §4), as tokens are.
	maxLine = 12 << 10
	// maxDrain is how much of a longer line is read and thrown away; who sends
	// more is cut off.
	maxDrain = 64 << 10
	// writeBuffer is how much is sent at once.
	writeBuffer = 32 << 10
)

// Ways for a connection to end that are nobody's fault.
var (
	errLineTooLong = errors.New("line too long")
	errQuit        = errors.New("quit")
)

// A conn is one connection.
type conn struct {
	*sessions.Line
	limits   Limits // as they were when it began
	srv      *Server
	raw      net.Conn
	nc       net.Conn // raw, or TLS over it
	tls      bool
	loopback bool
	// implicitTLS: the connection begins with a TLS handshake.
	implicitTLS bool
	log         *slog.Logger
	r           *bufio.Reader
	w           *bufio.Writer

	user         string    // as USER had it
	drop         *maildrop // not nil: logged in
	bad          int       // commands
	failedLogins int
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Line: sessions.NewLine(nc), srv: s, limits: s.currentLimits(), raw: nc, nc: nc, loopback: sessions.Loopback(nc.RemoteAddr())}
	c.log = s.log.With("remote", nc.RemoteAddr().String())
	c.use(nc)
	return c
}

// use reads from and writes to a connection from now on. What was read before and
// not yet looked at is thrown away with the old reader.
func (c *conn) use(nc net.Conn) {
	c.nc = nc
	c.r = bufio.NewReaderSize(nc, maxLine)
	c.w = bufio.NewWriterSize(sessions.DeadlineWriter{Conn: nc, Block: c.limits.Block}, writeBuffer)
}

// Run serves the connection until it ends.
func (c *conn) Run() {
	defer c.close()
	defer func() {
		if p := recover(); p != nil {
			// One client must not take the others' server away.
			c.log.Error("pop3: panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if c.implicitTLS {
		if err := c.startTLS(); err != nil {
			c.log.Debug("pop3: TLS handshake failed", "error", err)
			return
		}
	}
	c.ok("%s POP3 server ready", c.srv.opt.Hostname)
	err := c.commands()
	switch {
	case errors.Is(err, sessions.ErrInterrupted):
		c.err("[SYS/TEMP] The server is shutting down")
	case !errors.Is(err, io.EOF) && !errors.Is(err, errQuit):
		c.log.Debug("pop3: connection ended", "error", err)
	}
	// A peer that is gone does not need the rest.
	_ = c.w.Flush()
}

// close ends the session: nothing is deleted but at QUIT.
func (c *conn) close() {
	if c.drop != nil {
		c.drop.release()
	}
	// The farewell has been sent; what goes wrong now nobody can mend.
	_ = c.nc.Close()
}

func (c *conn) startTLS() error {
	tc, err := c.Handshake(c.srv.group.Context(), c.srv.opt.TLS(), c.limits.Greeting)
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
		line, err := c.readLine()
		if errors.Is(err, errLineTooLong) {
			err = c.badCommand("Line too long")
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := c.command(line); err != nil {
			return err
		}
	}
}

// readLine reads a line without its end. Answers are sent before it waits, so
// those to commands that came together go together (PIPELINING).
func (c *conn) readLine() (string, error) {
	idle := c.limits.Idle
	if c.drop == nil {
		idle = c.limits.Greeting
	}
	if err := c.Allow(idle); err != nil {
		return "", err
	}
	if c.r.Buffered() == 0 {
		if err := c.w.Flush(); err != nil {
			return "", err
		}
	}
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", c.drain()
	case err != nil && c.Interrupted():
		return "", sessions.ErrInterrupted
	case err != nil:
		return "", err
	}
	return string(bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))), nil
}

// drain reads the rest of a line that is too long.
func (c *conn) drain() error {
	// The answers wait: what has to be read comes from a client that is sending.
	for range maxDrain / maxLine {
		_, err := c.r.ReadSlice('\n')
		if err == nil {
			return errLineTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	return fmt.Errorf("a line of more than %d bytes", maxDrain)
}

// ok and err write an answer. An error of writing comes back from the flush.
func (c *conn) ok(format string, args ...any) {
	_, _ = fmt.Fprintf(c.w, "+OK "+format+"\r\n", args...)
}

func (c *conn) err(format string, args ...any) {
	_, _ = fmt.Fprintf(c.w, "-ERR "+format+"\r\n", args...)
}

// badCommand answers what is no command, or not in this state. The error ends
// the connection.
func (c *conn) badCommand(format string, args ...any) error {
	c.bad++
	if c.bad >= c.limits.BadCommands {
		c.err("Too many errors")
		return errors.New("too many errors")
	}
	c.err(format, args...)
	return nil
}

// A state is one of RFC 1939's; UPDATE is part of QUIT.
type state int

const (
	authorization state = 1 << iota
	transaction
)

// verbs are the commands, with their states and how many arguments they take.
// A maximum of -1 stands for the rest of the line, spaces and all.
var verbs = map[string]struct {
	states   state
	min, max int
	run      func(c *conn, args []string) error
}{
	"CAPA": {authorization | transaction, 0, 0, (*conn).capa},
	"QUIT": {authorization | transaction, 0, 0, (*conn).quit},
	"STLS": {authorization, 0, 0, (*conn).stls},
	"USER": {authorization, 1, -1, (*conn).userCommand},
	"PASS": {authorization, 1, -1, (*conn).pass},
	"AUTH": {authorization, 1, 2, (*conn).auth},
	"STAT": {transaction, 0, 0, (*conn).stat},
	"LIST": {transaction, 0, 1, (*conn).list},
	"UIDL": {transaction, 0, 1, (*conn).uidl},
	"RETR": {transaction, 1, 1, (*conn).retr},
	"TOP":  {transaction, 2, 2, (*conn).top},
	"DELE": {transaction, 1, 1, (*conn).dele},
	"RSET": {transaction, 0, 0, (*conn).rset},
	"NOOP": {transaction, 0, 0, (*conn).noop},
}

// command carries out one line. An error ends the connection.
func (c *conn) command(line string) error {
	verb, rest, hasArgs := strings.Cut(line, " ")
	v, known := verbs[strings.ToUpper(verb)]
	if !known {
		return c.badCommand("Unknown command")
	}
	in := authorization
	if c.drop != nil {
		in = transaction
	}
	if v.states&in == 0 {
		if in == authorization {
			return c.badCommand("Log in first")
		}
		return c.badCommand("Not after the login")
	}
	var args []string
	switch {
	case v.max < 0 && hasArgs && rest != "":
		args = []string{rest}
	case v.max >= 0:
		args = strings.Fields(rest)
	}
	if len(args) < v.min || v.max >= 0 && len(args) > v.max {
		return c.badCommand("Wrong number of arguments")
	}
	return v.run(c, args)
}

func (c *conn) capa([]string) error {
	c.ok("Capabilities follow")
	lines := []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"}
	if c.mayLogIn() {
		lines = append(lines, "USER", "SASL "+strings.Join(auth.Mechanisms(c.srv.group.Context(), c.srv.opt.Auth, c.peer()), " "))
	}
	if c.mayStartTLS() {
		lines = append(lines, "STLS")
	}
	lines = append(lines, "IMPLEMENTATION mailform", ".")
	for _, l := range lines {
		// An error of writing comes back from the flush.
		_, _ = c.w.WriteString(l + "\r\n")
	}
	return nil
}
