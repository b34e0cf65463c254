package pop3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = sessions.ErrClosed

// A Server serves POP3 on any number of listeners.
type Server struct {
	opt    Options
	limits Limits
	log    *slog.Logger
	group  *sessions.Group
}

// New makes a server that listens nowhere yet.
func New(opt Options) *Server {
	s := &Server{opt: opt, limits: opt.Limits.withDefaults(), log: opt.Logger}
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
// With implicitTLS they begin with a TLS handshake (port 995). It closes l. The
// error is [ErrServerClosed], or net.ErrClosed where somebody else closed l.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	if implicitTLS && s.opt.TLS == nil {
		return errors.Join(errors.New("pop3: implicit TLS without a TLS configuration"), l.Close())
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
	_, _ = fmt.Fprint(nc, "-ERR [SYS/TEMP] Too many connections\r\n")
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
// way is finished and answered, then the client reads a farewell. Messages that
// it has marked for deletion stay, since it did not come to QUIT. Where ctx ends
// before, the rest is cut off and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error { return s.group.Shutdown(ctx) }
