package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// conn is one connection with its session. All fields but those under mu belong
// to the goroutine of the connection; while it waits in IDLE, view and w belong
// to the goroutine that writes the news.
type conn struct {
	limits   Limits // as they were when it began
	srv      *Server
	raw      net.Conn // the socket
	nc       net.Conn // what is read and written: raw, or TLS over it
	r        *wire.Reader
	w        *wire.Writer
	log      *slog.Logger
	tls      bool
	loopback bool
	// implicitTLS: the connection begins with a TLS handshake.
	implicitTLS bool

	account *store.Account // nil before login
	checked time.Time      // when the account was last seen to be in order
	view    *view          // nil while no mailbox is selected

	// Switched on by the client.
	rev2, condstore, qresync bool

	bad, failedLogins int
	bye               string // reason to end after the current command; "" to go on
	done              bool   // LOGOUT

	mu     sync.Mutex
	ending bool // reading is over: every deadline has passed
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv:      s,
		limits:   s.currentLimits(),
		raw:      nc,
		loopback: sessions.Loopback(nc.RemoteAddr()),
		log:      s.log.With("remote", nc.RemoteAddr().String()),
	}
	c.attach(nc)
	return c
}

// attach reads and writes through nc from now on. Bytes that came before and
// were not read yet are gone with the old reader.
func (c *conn) attach(nc net.Conn) {
	c.nc = nc
	c.w = wire.NewWriter(&deadlineWriter{nc, c.limits.Block})
	c.r = wire.NewReader(&source{nc, c}, c.limits.wire(c.account != nil), func() error {
		c.w.Line("+ OK")
		return c.w.Flush()
	})
}

// source is the reading side of a connection. A deadline set after the session
// was asked to end has passed already.
type source struct {
	net.Conn
	c *conn
}

func (s *source) SetReadDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.ending {
		t = time.Unix(1, 0)
	}
	return s.Conn.SetReadDeadline(t)
}

// Interrupt wakes the connection from reading, so that it ends by itself.
func (c *conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	c.raw.SetReadDeadline(time.Unix(1, 0))
}

func (c *conn) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// deadlineWriter gives each piece that is sent its own time.
type deadlineWriter struct {
	net.Conn
	timeout time.Duration
}

func (w *deadlineWriter) Write(p []byte) (int, error) {
	if err := w.Conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// Run serves the connection to its end and closes it.
func (c *conn) Run() {
	defer c.raw.Close()
	defer c.leave()
	// A mistake of ours in one session must not end the others.
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
		}
	}()
	if c.implicitTLS {
		if err := c.startTLS(); err != nil {
			c.log.Debug("imap: TLS handshake failed", "error", err)
			return
		}
	}
	c.w.Line("* OK [CAPABILITY " + c.capabilities() + "] " + c.srv.opt.Hostname + " IMAP server ready")
	if err := c.w.Flush(); err != nil {
		return
	}
	err := c.loop(c.srv.group.Context())
	if reason := c.farewell(err); reason != "" {
		c.w.Line("* BYE " + reason)
		c.w.Flush()
	}
	if c.w.Err() == nil {
		c.lingeringClose()
	}
}

func (c *conn) logPanic(v any) {
	c.log.Error("imap: panic in a session", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// loop reads and carries out commands until the session ends; the error says
// why, io.EOF for a client that is done.
func (c *conn) loop(ctx context.Context) error {
	for {
		idle := c.limits.Idle
		if c.account == nil {
			idle = c.limits.Greeting
		}
		if c.isEnding() {
			return ErrServerClosed
		}
		if err := c.r.Next(idle); err != nil {
			return err
		}
		if err := c.command(ctx); err != nil {
			return err
		}
		if err := c.r.Finish(); err != nil {
			return err
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
		if c.bye != "" || c.done {
			return io.EOF
		}
	}
}

// farewell is what BYE says about the end of the session; empty where the
// client has gone or has been told already.
func (c *conn) farewell(err error) string {
	var timeout net.Error
	switch {
	case c.done, c.w.Err() != nil:
		return ""
	case c.bye != "":
		return c.bye
	case c.isEnding():
		return "[UNAVAILABLE] Server is shutting down"
	case errors.Is(err, wire.ErrDesync):
		return "[TOOBIG] Command is too long"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "Autologout; idle for too long"
	}
	return ""
}

// lingeringClose lets the last line arrive although the client is still
// sending: closing with unread bytes would reset the connection.
func (c *conn) lingeringClose() {
	if tc, ok := c.nc.(*tls.Conn); ok && tc.CloseWrite() != nil {
		return
	}
	tcp, ok := c.raw.(interface {
		net.Conn
		CloseWrite() error
	})
	if !ok || tcp.CloseWrite() != nil {
		return
	}
	tcp.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	io.CopyN(io.Discard, tcp, 1<<20)
}

// command parses and answers one command. An error ends the connection.
func (c *conn) command(ctx context.Context) error {
	cmd, err := command.Parse(c.r, c.w.UTF8)
	if err != nil {
		return c.syntaxError(cmd, err)
	}
	if err := c.recheckAccount(ctx); err != nil {
		return c.finish(cmd, result{}, err)
	}
	if err := c.recheckRights(ctx); err != nil {
		return c.finish(cmd, result{}, err)
	}
	if c.bye != "" {
		return nil
	}
	if cmd.States&c.state() == 0 {
		c.countBad()
		return c.finish(cmd, result{}, badState(c.state()))
	}
	res, err := c.dispatch(ctx, cmd)
	if res.answered {
		return err
	}
	if err == nil && c.view != nil && cmd.States&command.Selected != 0 {
		err = c.poll(ctx, mayExpunge(cmd))
	}
	return c.finish(cmd, res, err)
}

func (c *conn) state() command.State {
	switch {
	case c.account == nil:
		return command.NotAuthenticated
	case c.view == nil:
		return command.Authenticated
	}
	return command.Selected
}

func badState(s command.State) error {
	switch s {
	case command.NotAuthenticated:
		return bad("Log in first")
	case command.Authenticated:
		return bad("Not valid without a selected mailbox")
	}
	return bad("Not valid in this state")
}

// syntaxError answers a command that could not be parsed.
func (c *conn) syntaxError(cmd *command.Command, err error) error {
	var syntax *wire.SyntaxError
	var big *wire.TooBigError
	tag := cmd.Tag
	if tag == "" {
		tag = "*"
	}
	switch {
	case errors.As(err, &syntax):
		c.countBad()
		c.w.Line(tag + " BAD " + sentence(syntax.Msg))
	case errors.As(err, &big):
		c.countBad()
		c.w.Line(tag + " NO [TOOBIG] " + sentence(big.Error()))
	default:
		return err
	}
	return nil
}

func (c *conn) countBad() {
	limit := c.limits.BadCommands
	if c.account == nil {
		limit = max(limit/3, 1) // what comes first is often no IMAP at all
	}
	if c.bad++; c.bad >= limit {
		c.bye = "Too many bad commands"
	}
}

// recheckAccount ends a session whose account was closed, or may not use IMAP
// any more, since it logged in.
func (c *conn) recheckAccount(ctx context.Context) error {
	if c.account == nil || time.Since(c.checked) < c.limits.Recheck {
		return nil
	}
	a, err := c.srv.opt.Store.AccountByID(ctx, c.account.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (!a.IMAP || a.Mail == "disabled"):
		c.bye = "[AUTHORIZATIONFAILED] Account is not available any more"
		return nil
	case err != nil:
		return fmt.Errorf("look up account: %w", err)
	}
	lasts, err := auth.Lasts(ctx, c.srv.opt.Auth, c.account)
	if err != nil {
		return fmt.Errorf("look after the login: %w", err)
	}
	if !lasts {
		c.bye = "[AUTHORIZATIONFAILED] What you have logged in with is not good any more"
		return nil
	}
	a.Via = c.account.Via
	c.account, c.checked = a, time.Now()
	return nil
}

// leave lets go of the selected mailbox.
func (c *conn) leave() {
	if c.view != nil {
		c.view.watch.Close()
		c.view.forget()
		c.srv.recent.put(c.view.mailbox.ID, c.view.msgs, c.view.modseq)
		c.view = nil
	}
}

// startTLS makes the connection a TLS one.
func (c *conn) startTLS() error {
	tc := tls.Server(c.raw, c.srv.opt.TLS())
	deadline := time.Now().Add(30 * time.Second)
	ctx, cancel := context.WithDeadline(c.srv.group.Context(), deadline)
	defer cancel()
	if err := (&source{c.raw, c}).SetReadDeadline(deadline); err != nil {
		return err
	}
	if err := c.raw.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	c.tls = true
	c.attach(tc)
	return nil
}

// result is how a command that succeeded is answered.
type result struct {
	code string // response code without brackets
	text string // empty: "NAME completed"
	// answered: the tagged response has been sent already.
	answered bool
}

// finish writes the tagged response for err, nil being OK. An error that is not
// about the command ends the connection.
func (c *conn) finish(cmd *command.Command, res result, err error) error {
	var status *imap.Error
	var fatal *fatalError
	switch {
	case err == nil:
		text := res.text
		if text == "" {
			text = cmd.Name + " completed"
		}
		c.status(cmd.Tag, "OK", res.code, text)
	case errors.As(err, &status):
		c.status(cmd.Tag, string(status.Type), string(status.Code), status.Text)
	case errors.As(err, &fatal):
		c.log.Debug("imap: connection lost", "command", cmd.Name, "error", err)
		return err
	default:
		no := storeError(err)
		if no == nil {
			c.log.Error("imap: command failed", "command", cmd.Name, "error", err)
			no = &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeServerBug, Text: "Internal error, try again later"}
		}
		c.status(cmd.Tag, string(no.Type), string(no.Code), no.Text)
	}
	return nil
}

func (c *conn) status(tag, kind, code, text string) {
	c.w.Raw(tag).Raw(" ").Raw(kind).Raw(" ")
	if code != "" {
		c.w.Raw("[").Raw(code).Raw("] ")
	}
	c.w.Line(text)
}
