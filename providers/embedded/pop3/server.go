package pop3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("pop3: server closed")

// A Server serves POP3 on any number of listeners.
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
	perHost   map[netip.Addr]int
	running   sync.WaitGroup
}

// New makes a server that listens nowhere yet.
func New(opt Options) *Server {
	s := &Server{
		opt:       opt,
		limits:    opt.Limits.withDefaults(),
		log:       opt.Logger,
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perHost:   make(map[netip.Addr]int),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve takes connections from l until l is closed or the server shuts down.
// With implicitTLS they begin with a TLS handshake (port 995). It closes l. The
// error is [ErrServerClosed], or net.ErrClosed where somebody else closed l.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	// Whoever closes it first, it is closed.
	defer func() { _ = l.Close() }()
	if implicitTLS && s.opt.TLS == nil {
		return errors.New("pop3: implicit TLS without a TLS configuration")
	}
	if !s.watch(l) {
		return ErrServerClosed
	}
	defer s.unwatch(l)
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(nc, implicitTLS)
			continue
		}
		if s.isClosing() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of file descriptors, mostly: others will be closed.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Warn("pop3: accept failed", "listener", l.Addr().String(), "error", err)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return ErrServerClosed
		}
	}
}

func (s *Server) watch(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) unwatch(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// start runs a connection in its own goroutine, if there is room for it.
func (s *Server) start(nc net.Conn, implicitTLS bool) {
	c := newConn(s, nc)
	s.mu.Lock()
	full := len(s.conns) >= s.limits.Connections ||
		!c.loopback && s.perHost[c.host] >= s.limits.ConnectionsPerAddress
	if s.closing || full {
		s.mu.Unlock()
		refuse(nc, full && !implicitTLS)
		return
	}
	s.conns[c] = struct{}{}
	s.perHost[c.host]++
	s.running.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		defer s.forget(c)
		c.run(implicitTLS)
	}()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.perHost[c.host]--; s.perHost[c.host] == 0 {
		delete(s.perHost, c.host)
	}
}

// refuse says why, where it can be said, without waiting for a slow peer. What
// fails here has no further consequence.
func refuse(nc net.Conn, say bool) {
	if say {
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = fmt.Fprint(nc, "-ERR [SYS/TEMP] Too many connections\r\n")
	}
	_ = nc.Close()
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
// way is finished and answered, then the client reads a farewell. Messages that
// it has marked for deletion stay, since it did not come to QUIT. Where ctx ends
// before, the rest is cut off and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close() // Serve sees that it is closed
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
			_ = c.raw.Close() // run sees that it is closed
		}
		s.mu.Unlock()
	}
	s.cancel()
	<-done
	return err
}

// peerAddress is the IP address of a peer; the zero one where it has none.
func peerAddress(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
