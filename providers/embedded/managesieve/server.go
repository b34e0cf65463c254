package managesieve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = sessions.ErrClosed

// A Store has the scripts. [store.Store] is one.
type Store interface {
	Scripts(ctx context.Context, account int64) ([]store.ScriptInfo, error)
	ScriptText(ctx context.Context, account int64, name string) (string, error)
	ScriptRoom(ctx context.Context, account int64, name string, size int64) error
	PutScript(ctx context.Context, account int64, name, text string) error
	ActivateScript(ctx context.Context, account int64, name string) error
	DeleteScript(ctx context.Context, account int64, name string) error
	RenameScript(ctx context.Context, account int64, old, name string) error
}

// An Authenticator checks passwords; package auth has it.
type Authenticator interface {
	Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error)
}

// Options are what a server needs. Store, Auth and Hostname are required.
type Options struct {
	Hostname string
	// TLS is asked for each new connection. With nil there is no STARTTLS.
	TLS    func() *tls.Config
	Store  Store
	Auth   Authenticator
	Logger *slog.Logger // nil: nothing is logged
	// Limits are asked for at each new connection; those that are zero are those of
	// [DefaultLimits]. Nil: all are.
	Limits func() Limits
	// Limited is told of the limit that a client was refused by; nil: nobody is.
	Limited func(limit string)
}

// Limits bound what clients can use up.
type Limits struct {
	sessions.Limits
	BadCommands int           // before the connection ends
	Idle        time.Duration // how long a client may be silent once it has logged in
}

// DefaultLimits are the limits of a server that sets none.
func DefaultLimits() Limits {
	return Limits{
		Limits:      sessions.Limits{Connections: 1000, ConnectionsPerClient: 50},
		BadCommands: 10,
		Idle:        30 * time.Minute, // RFC 5804 §1.2: at least that
	}
}

// Further bounds of what clients can use up.
const (
	maxFailed = 5 // wrong logins
	greeting  = 2 * time.Minute
	block     = time.Minute // to write an answer
)

// A Server serves ManageSieve on any number of listeners.
type Server struct {
	opt   Options
	log   *slog.Logger
	group *sessions.Group
}

// New makes a server that listens nowhere yet.
func New(opt Options) *Server {
	s := &Server{opt: opt, log: opt.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.group = sessions.New(sessions.Options{
		Limits: func() sessions.Limits { return s.limits().Limits }, Limited: opt.Limited, Refuse: refuse, Log: s.log,
	})
	return s
}

// limits are those of a connection that begins now.
func (s *Server) limits() Limits {
	d := DefaultLimits()
	if s.opt.Limits == nil {
		return d
	}
	l := s.opt.Limits()
	l.Connections, l.ConnectionsPerClient = cmp.Or(l.Connections, d.Connections), cmp.Or(l.ConnectionsPerClient, d.ConnectionsPerClient)
	l.BadCommands, l.Idle = cmp.Or(l.BadCommands, d.BadCommands), cmp.Or(l.Idle, d.Idle)
	return l
}

// Serve takes connections from l until l is closed or the server shuts down. With
// implicitTLS they begin with a TLS handshake. It closes l. The error is
// [ErrServerClosed], or net.ErrClosed where somebody else closed l.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	if implicitTLS && s.opt.TLS == nil {
		return errors.Join(errors.New("managesieve: implicit TLS without a TLS configuration"), l.Close())
	}
	return s.group.Serve(l, func(nc net.Conn) sessions.Session {
		c := newConn(s, nc)
		c.implicitTLS = implicitTLS
		return c
	})
}

func refuse(nc net.Conn) {
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprint(nc, "BYE (TRYLATER) \"Too many connections\"\r\n")
}

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.group.Len() }

// ConnectionsOf is how many of them came by a listener.
func (s *Server) ConnectionsOf(l net.Listener) int { return s.group.LenOf(l) }

// Shutdown closes the listeners and asks every session to end. Where ctx ends
// before, the rest is cut off and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error { return s.group.Shutdown(ctx) }
