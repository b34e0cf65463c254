package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
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
	// Log takes what an administrator wants to know; nil: nothing is logged.
	Log *slog.Logger
	// Limits that are zero are those of [DefaultLimits].
	Limits Limits
	// MessageSize is asked for each message in the place of Limits.MessageSize, so
	// that it can change; nil or a result of 0: it is Limits.MessageSize.
	MessageSize func() int64
}

// Limits bound what clients can use up.
type Limits struct {
	// Connections at once, and from one address that is not a loopback one.
	Connections, ConnectionsPerAddress int
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
		Connections:           10000,
		ConnectionsPerAddress: 200,
		MessageSize:           50 << 20,
		Command:               64 << 10,
		BadCommands:           30,
		FailedLogins:          5,
		Idle:                  30 * time.Minute,
		Greeting:              2 * time.Minute,
		Line:                  time.Minute,
		Block:                 2 * time.Minute,
		Recheck:               30 * time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	setDefault(&l.Connections, d.Connections)
	setDefault(&l.ConnectionsPerAddress, d.ConnectionsPerAddress)
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

// wire returns the limits of the reader. Before login a peer is a stranger.
func (l Limits) wire(loggedIn bool) wire.Limits {
	const depth, strangerCommand, strangerDrain, drain = 50, 8 << 10, 64 << 10, 4 << 20
	w := wire.Limits{Command: l.Command, Depth: depth, Drain: drain, Line: l.Line, Block: l.Block}
	if !loggedIn {
		w.Command, w.Drain = min(w.Command, strangerCommand), strangerDrain
	}
	return w
}

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("imap: server closed")

// A Server serves IMAP on any number of listeners.
type Server struct {
	opt    Options
	limits Limits
	log    *slog.Logger

	ctx    context.Context // ends when connections have to end at once
	cancel context.CancelFunc

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perHost   map[string]int
	running   sync.WaitGroup
}

// New makes a server that listens nowhere yet.
func New(opt Options) *Server {
	s := &Server{
		opt:       opt,
		limits:    opt.Limits.withDefaults(),
		log:       opt.Log,
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perHost:   make(map[string]int),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve takes connections from l until l is closed or the server shuts down.
// With implicitTLS they begin with a TLS handshake (port 993). It closes l. The
// error is [ErrServerClosed], or net.ErrClosed where somebody else closed l.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	defer l.Close()
	if implicitTLS && s.opt.TLS == nil {
		return errors.New("imap: implicit TLS without a TLS configuration")
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()

	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.isClosing() {
				return ErrServerClosed
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, mostly: others will be closed.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("imap: accept failed", "listener", l.Addr().String(), "error", err)
			select {
			case <-time.After(pause):
				continue
			case <-s.ctx.Done():
				return ErrServerClosed
			}
		}
		pause = 0
		s.start(nc, implicitTLS)
	}
}

// start runs a connection in its own goroutine, if there is room for it.
func (s *Server) start(nc net.Conn, implicitTLS bool) {
	c := newConn(s, nc)
	host := ""
	if !c.loopback {
		host = hostOf(nc.RemoteAddr())
	}
	s.mu.Lock()
	full := len(s.conns) >= s.limits.Connections ||
		host != "" && s.perHost[host] >= s.limits.ConnectionsPerAddress
	if s.closing || full {
		s.mu.Unlock()
		refuse(nc, full && !implicitTLS)
		return
	}
	s.conns[c] = struct{}{}
	if host != "" {
		s.perHost[host]++
	}
	s.running.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
			if host == "" {
				return
			}
			if s.perHost[host]--; s.perHost[host] == 0 {
				delete(s.perHost, host)
			}
		}()
		c.run(implicitTLS)
	}()
}

// refuse says why, where it can be said, without waiting for a slow peer.
func refuse(nc net.Conn, say bool) {
	if say {
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		fmt.Fprint(nc, "* BYE [UNAVAILABLE] Too many connections\r\n")
	}
	nc.Close()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown closes the listeners and asks every session to end: a command under
// way is finished and answered, a message that is still arriving is not stored,
// then the client reads BYE. Where ctx ends before, the rest is cut off and the
// error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.interrupt()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		s.mu.Lock()
		for c := range s.conns {
			c.raw.Close()
		}
		s.mu.Unlock()
	}
	s.cancel()
	<-done
	return err
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

func isLoopback(a net.Addr) bool {
	ip := net.ParseIP(hostOf(a))
	return ip != nil && ip.IsLoopback()
}
