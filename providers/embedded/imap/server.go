package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// An Authenticator checks passwords; package auth has it. Errors that matter
// here are auth.ErrInvalid and auth.ErrDisabled.
type Authenticator interface {
	Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error)
}

// InsecureAuth says who may log in with a password over a connection without
// TLS.
type InsecureAuth int

const (
	// InsecureAuthLoopback: peers on a loopback address, whose bytes never leave
	// the machine. The default.
	InsecureAuthLoopback InsecureAuth = iota
	// InsecureAuthNever: nobody.
	InsecureAuthNever
	// InsecureAuthAlways: everybody. For networks that are safe by other means.
	InsecureAuthAlways
)

// Options are what a server needs. Store and Auth are required.
type Options struct {
	// Hostname for the greeting.
	Hostname string
	// Version is told to clients by ID once they are logged in; empty: not told.
	Version string
	// TLS is asked for each new connection, so that certificates can change. With
	// nil there is no STARTTLS.
	TLS   func() *tls.Config
	Store *store.Store
	Auth  Authenticator
	// InsecureAuth allows LOGIN and AUTHENTICATE without TLS.
	InsecureAuth InsecureAuth
	// Index narrows searches for text; nil: there is none.
	Index *fulltext.Index
	// Log takes what an administrator wants to know; nil: nothing is logged.
	Log *slog.Logger
	// Limits that are zero are those of [DefaultLimits].
	Limits Limits
	// LiveLimits are asked for at each new connection; those that are zero are those
	// of Limits. Nil: there are none.
	LiveLimits func() Limits
	// Limited is told of the limit that a client was refused by; nil: nobody is.
	Limited func(limit string)
	// MessageSize is asked for each message in the place of Limits.MessageSize, so
	// that it can change; nil or a result of 0: it is Limits.MessageSize.
	MessageSize func() int64
	// Zone is asked for the time zone of INTERNALDATE, and so of the days that SEARCH
	// compares; nil or a result of nil: it is UTC.
	Zone func() *time.Location
}

// Limits bound what clients can use up.
type Limits struct {
	// Connections at once, of all clients and of one; ConnectionsPerMinute are those
	// that one client begins, 0: any number. See [sessions.Limits].
	Connections, ConnectionsPerClient, ConnectionsPerMinute int
	// Exempt are networks whose clients are not counted; loopback addresses are not
	// either.
	Exempt []netip.Prefix
	// MessageSize is the largest message that APPEND takes, in bytes.
	MessageSize int64
	// Command is the size of a command in bytes, without the message of APPEND.
	// Before login it is at most 8 KiB.
	Command int64
	// BadCommands and FailedLogins end a connection.
	BadCommands, FailedLogins int
	// Idle is how long a client may be silent (RFC 9051 §5.4: at least 30
	// minutes), Greeting how long before it has logged in.
	Idle, Greeting time.Duration
	// Line is how long a command line may take once it has begun. Block is how
	// long 64 KiB of a message may take, in either direction.
	Line, Block time.Duration
	// Recheck is how often a session looks whether its account may still use IMAP.
	Recheck time.Duration
}

// DefaultLimits are the limits of a server that sets none.
func DefaultLimits() Limits {
	return Limits{
		Connections:          10000,
		ConnectionsPerClient: 200,
		MessageSize:          50 << 20,
		Command:              64 << 10,
		BadCommands:          30,
		FailedLogins:         5,
		Idle:                 30 * time.Minute,
		Greeting:             2 * time.Minute,
		Line:                 time.Minute,
		Block:                2 * time.Minute,
		Recheck:              30 * time.Second,
	}
}

func (l Limits) withDefaults() Limits { return l.or(DefaultLimits()) }

// bounds are those on connections.
func (l Limits) bounds() sessions.Limits {
	return sessions.Limits{
		Connections: l.Connections, ConnectionsPerClient: l.ConnectionsPerClient,
		ConnectionsPerMinute: l.ConnectionsPerMinute, Exempt: l.Exempt,
	}
}

// or takes those that are zero from others.
func (l Limits) or(d Limits) Limits {
	setDefault(&l.Connections, d.Connections)
	setDefault(&l.ConnectionsPerClient, d.ConnectionsPerClient)
	setDefault(&l.ConnectionsPerMinute, d.ConnectionsPerMinute)
	setDefault(&l.MessageSize, d.MessageSize)
	setDefault(&l.Command, d.Command)
	setDefault(&l.BadCommands, d.BadCommands)
	setDefault(&l.FailedLogins, d.FailedLogins)
	setDefault(&l.Idle, d.Idle)
	setDefault(&l.Greeting, d.Greeting)
	setDefault(&l.Line, d.Line)
	setDefault(&l.Block, d.Block)
	setDefault(&l.Recheck, d.Recheck)
	return l
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// messageSize is the largest message that APPEND takes now, in bytes.
func (s *Server) messageSize() int64 {
	if s.opt.MessageSize != nil {
		if size := s.opt.MessageSize(); size > 0 {
			return size
		}
	}
	return s.limits.MessageSize
}

// zone is that of INTERNALDATE.
func (s *Server) zone() *time.Location {
	if s.opt.Zone != nil {
		if zone := s.opt.Zone(); zone != nil {
			return zone
		}
	}
	return time.UTC
}

// wire returns the limits of the reader. Before login a peer is a stranger, who may
// have a token.
func (l Limits) wire(loggedIn bool) wire.Limits {
	const depth, strangerCommand, strangerDrain, drain = 50, 14 << 10, 64 << 10, 4 << 20
	w := wire.Limits{Command: l.Command, Depth: depth, Drain: drain, Line: l.Line, Block: l.Block}
	if !loggedIn {
		w.Command, w.Drain = min(w.Command, strangerCommand), strangerDrain
	}
	return w
}

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = sessions.ErrClosed

// A Server serves IMAP on any number of listeners.
type Server struct {
	opt    Options
	limits Limits
	log    *slog.Logger
	group  *sessions.Group
	recent recent
}

// New makes a server that listens nowhere yet.
func New(opt Options) *Server {
	s := &Server{opt: opt, limits: opt.Limits.withDefaults(), log: opt.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.group = sessions.New(sessions.Options{
		Limits:  func() sessions.Limits { return s.currentLimits().bounds() },
		Limited: s.opt.Limited,
		Refuse:  refuse,
		Log:     s.log,
	})
	return s
}

// Serve takes connections from l until l is closed or the server shuts down.
// With implicitTLS they begin with a TLS handshake (port 993). It closes l. The
// error is [ErrServerClosed], or net.ErrClosed where somebody else closed l.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	if implicitTLS && s.opt.TLS == nil {
		return errors.Join(errors.New("imap: implicit TLS without a TLS configuration"), l.Close())
	}
	return s.group.Serve(l, func(nc net.Conn) sessions.Session {
		c := newConn(s, nc)
		c.implicitTLS = implicitTLS
		return c
	})
}

// refuse says why, without waiting for a slow peer. To a client that begins with
// a TLS handshake it is an answer as good as none.
func refuse(nc net.Conn) {
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprint(nc, "* BYE [UNAVAILABLE] Too many connections\r\n")
}

// currentLimits are those of a connection that begins now.
func (s *Server) currentLimits() Limits {
	if s.opt.LiveLimits == nil {
		return s.limits
	}
	return s.opt.LiveLimits().or(s.limits)
}

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.group.Len() }

// ConnectionsOf is how many of them came by a listener.
func (s *Server) ConnectionsOf(l net.Listener) int { return s.group.LenOf(l) }

// Shutdown closes the listeners and asks every session to end: a command under
// way is finished and answered, a message that is still arriving is not stored,
// then the client reads BYE. Where ctx ends before, the rest is cut off and the
// error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error { return s.group.Shutdown(ctx) }
