package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"

	"github.com/mailform/mailform/providers/embedded/store"
)

// Limits of TCP (RFC 7766 §6.2).
const (
	tcpIdle        = 10 * time.Second
	tcpQueries     = 1000 // on a connection, then it is closed
	tcpConnections = 1000 // on a listener, then the next has to wait
)

// udpReadSize is the longest query that is read over UDP.
const udpReadSize = 4096

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("dns: server closed")

// Options make a Server.
type Options struct {
	Logger *slog.Logger // nil: nothing is logged
}

// A Server answers for its zones on any number of sockets.
type Server struct {
	log       *slog.Logger
	zones     atomic.Pointer[zones]
	responses sync.Pool // of *response

	mu      sync.Mutex // held to replace zones, and for what follows
	closing bool
	pairs   map[*pair]struct{}
	running sync.WaitGroup
}

// New makes a server without zones.
func New(o Options) *Server {
	s := &Server{log: o.Logger, pairs: map[*pair]struct{}{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.zones.Store(&zones{})
	s.responses.New = func() any { return &response{buf: make([]byte, dns.DefaultMsgSize)} }
	return s
}

// SetZone adds a zone or replaces the one of that name. On an error, which names
// the record and its value, the old one goes on being served.
func (s *Server) SetZone(z store.Zone) error {
	compiled, err := compile(z)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.zones.Load())
	next[compiled.name] = compiled
	s.zones.Store(&next)
	return nil
}

// SetZones replaces all zones at once. Those that cannot be read stay as they
// were; the error joins what is wrong with them.
func (s *Server) SetZones(list []store.Zone) error {
	next := make(zones, len(list))
	var errs []error
	var bad []string
	for _, z := range list {
		compiled, err := compile(z)
		if err != nil {
			errs = append(errs, err)
			bad = append(bad, dns.CanonicalName(z.Name))
			continue
		}
		next[compiled.name] = compiled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range bad {
		if old := (*s.zones.Load())[name]; old != nil {
			next[name] = old
		}
	}
	s.zones.Store(&next)
	return errors.Join(errs...)
}

// RemoveZone takes a zone out; queries for its names are refused from then on.
func (s *Server) RemoveZone(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.zones.Load())
	delete(next, dns.CanonicalName(name))
	s.zones.Store(&next)
}

// A pair is what serves one address.
type pair struct{ udp, tcp *dns.Server }

// Serve answers on a UDP and a TCP socket until one of them is closed or the
// server shuts down. It closes both. The error is [ErrServerClosed], or
// net.ErrClosed where somebody else closed a socket.
func (s *Server) Serve(udp net.PacketConn, tcp net.Listener) error {
	tcpClosed := make(chan struct{})
	p := &pair{
		udp: &dns.Server{PacketConn: udp, Handler: s.handler(false), UDPSize: udpReadSize},
		tcp: &dns.Server{
			Listener:    &listener{netutil.LimitListener(tcp, tcpConnections), sync.OnceFunc(func() { close(tcpClosed) })},
			Handler:     s.handler(true),
			IdleTimeout: func() time.Duration { return tcpIdle }, MaxTCPQueries: tcpQueries,
		},
	}
	// A server that never got to its start leaves its socket open.
	defer func() { _, _ = udp.Close(), tcp.Close() }()
	onUDP, onTCP := start(p.udp), start(p.tcp)
	if s.watch(p) {
		defer s.unwatch(p)
	} else {
		p.stop()
	}
	select { // when one ends, the other has to
	case <-onUDP.ended:
	case <-onTCP.ended:
	case <-tcpClosed:
	}
	p.stop()
	<-onUDP.ended
	<-onTCP.ended
	if s.isClosing() {
		return ErrServerClosed
	}
	if err := errors.Join(unlessClosed(onUDP.err), unlessClosed(onTCP.err)); err != nil {
		return fmt.Errorf("serve %s: %w", tcp.Addr(), err)
	}
	return net.ErrClosed
}

// A run is a server at work.
type run struct {
	ended chan struct{}
	err   error // once it has ended
}

// start starts a server, and returns when it has started or ended: it cannot be
// shut down before.
func start(srv *dns.Server) *run {
	r := &run{ended: make(chan struct{})}
	started := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(started) }
	go func() {
		r.err = srv.ActivateAndServe()
		close(r.ended)
	}()
	select {
	case <-started:
	case <-r.ended:
	}
	return r
}

// A listener tells when it takes no more connections. The library would tell only
// when the last connection has ended.
type listener struct {
	net.Listener
	closed func()
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if errors.Is(err, net.ErrClosed) {
		l.closed()
	}
	return nc, err
}

// unlessClosed leaves out the error of a socket that was closed.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// stop closes both sockets and lets what is being answered go out. One that is
// stopped already says so, which is of no interest.
func (p *pair) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Serve waits, not this
	for _, srv := range []*dns.Server{p.udp, p.tcp} {
		_ = srv.ShutdownContext(ctx)
	}
}

func (s *Server) watch(p *pair) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.pairs[p] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) unwatch(p *pair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pairs, p)
	s.running.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown ends the service on all sockets. Queries that are being answered are
// answered; the error is that of ctx where it ends before.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for p := range s.pairs {
		p.stop()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handler answers queries that came over one kind of socket.
func (s *Server) handler(tcp bool) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		defer func() {
			if p := recover(); p != nil {
				// The mail runs in the same process.
				s.log.Error("dns: panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		r := s.responses.Get().(*response)
		wire, err := r.reply(*s.zones.Load(), q, tcp)
		if err == nil {
			_, err = w.Write(wire)
		}
		s.responses.Put(r)
		if err != nil {
			s.log.Debug("dns: a query is not answered", "client", w.RemoteAddr().String(), "error", err)
		}
	})
}
