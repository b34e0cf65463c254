package dns

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tsig"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("dns: server closed")

// Options make a Server.
type Options struct {
	Logger *slog.Logger // nil: nothing is logged
	// Transfers hands zones out; nil: nobody gets one.
	Transfers Transfers
	// Keys are those that queries may be signed with; nil: there are none.
	Keys *tsig.Ring
}

// Transfers answers queries for whole zones that have come over TCP.
type Transfers interface {
	// Transfer answers a query of type AXFR or IXFR by one message or more. Its error
	// is that of write.
	Transfer(packet []byte, from netip.Addr, write func(message []byte) error) error
}

// A Server answers for its zones on any number of sockets.
type Server struct {
	log     *slog.Logger
	options Options
	zones   atomic.Pointer[zones]
	secret  cookieSecret
	streams *sessions.Group

	mu      sync.Mutex // held to replace zones, and for what follows
	closing bool
	sockets map[*UDP]struct{}
	running sync.WaitGroup
}

// New makes a server without zones.
func New(o Options) *Server {
	s := &Server{log: o.Logger, options: o, sockets: map[*UDP]struct{}{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.streams = sessions.New(sessions.Options{
		Limits: func() sessions.Limits {
			return sessions.Limits{Connections: tcpConnections, ConnectionsPerClient: tcpPerAddress}
		},
		Refuse: func(net.Conn) {}, // there is nothing to say in this protocol
		Log:    s.log,
	})
	s.zones.Store(&zones{})
	_, _ = rand.Read(s.secret[:]) // it never fails
	return s
}

// SetZone adds a zone or replaces the one of that name. On an error, which names
// the record and its value, the old one goes on being served.
func (s *Server) SetZone(z store.Zone) error {
	compiled, err := s.compile(z)
	if err != nil {
		return err
	}
	s.change(func(next map[name]*zone) { next[compiled.name] = compiled })
	return nil
}

// SetDraft is SetZone for a zone that has been read, and with what signs it; nil
// for an unsigned one. The draft is of no more use afterwards.
func (s *Server) SetDraft(d *Draft, signed *dnssec.Zone) error {
	z := d.zone
	if signed != nil {
		if err := z.sign(signed); err != nil {
			return fmt.Errorf("zone %s: %w", z.name, err)
		}
	}
	z.finish()
	s.change(func(next map[name]*zone) { next[z.name] = z })
	return nil
}

// SetZones replaces all zones at once. Those that cannot be read stay as they
// were; the error joins what is wrong with them.
func (s *Server) SetZones(list []store.Zone) error {
	fresh := make(map[name]*zone, len(list))
	var errs []error
	var bad []name
	for _, z := range list {
		compiled, err := s.compile(z)
		if err != nil {
			errs = append(errs, err)
			if n, ok := parseName(z.Name); ok {
				bad = append(bad, n)
			}
			continue
		}
		fresh[compiled.name] = compiled
	}
	s.change(func(next map[name]*zone) {
		for _, n := range bad {
			if old := next[n]; old != nil && fresh[n] == nil {
				fresh[n] = old
			}
		}
		clear(next)
		maps.Copy(next, fresh)
	})
	return errors.Join(errs...)
}

// RemoveZone takes a zone out, named with or without the last dot; queries for
// its names are refused from then on.
func (s *Server) RemoveZone(zoneName string) {
	n, ok := parseName(dns.Fqdn(zoneName))
	if !ok {
		return
	}
	s.change(func(next map[name]*zone) { delete(next, n) })
}

// change replaces the zones by a changed copy. A query sees the old ones or the
// new ones.
func (s *Server) change(f func(next map[name]*zone)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.zones.Load()
	next := &zones{byName: maps.Clone(old.byName), changed: old.changed}
	if next.byName == nil {
		next.byName = map[name]*zone{}
	}
	f(next.byName)
	same := func(*zone, *zone) bool { return true }
	if !maps.EqualFunc(old.byName, next.byName, same) {
		next.changed++
	}
	s.zones.Store(next)
}

// Addr is the address of the sockets.
func (u *UDP) Addr() net.Addr { return u.address }

// Serve answers on UDP sockets and a TCP socket until one of them is closed or
// the server shuts down. It closes all. The limiter is for UDP; nil: there is no
// limit. The error is [ErrServerClosed], or
// net.ErrClosed where somebody else closed a socket.
func (s *Server) Serve(udp *UDP, tcp net.Listener, limiter *Limiter) error {
	// When one ends, the other has to. Whoever closes it first, it is closed.
	closeBoth := func() { _, _ = udp.Close(), tcp.Close() }
	defer closeBoth()
	if !s.watch(udp) {
		return ErrServerClosed
	}
	defer s.unwatch(udp)
	var running sync.WaitGroup
	var onUDP, onTCP error
	running.Go(func() {
		defer closeBoth()
		onUDP = udp.serve(s, limiter)
	})
	running.Go(func() {
		defer closeBoth()
		onTCP = s.streams.Serve(tcp, s.newStream)
	})
	running.Wait()
	if s.isClosing() {
		return ErrServerClosed
	}
	if err := errors.Join(unlessClosed(onUDP), unlessClosed(onTCP)); err != nil {
		return fmt.Errorf("serve %s: %w", tcp.Addr(), err)
	}
	return net.ErrClosed
}

// unlessClosed leaves out the error of a socket that was closed.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) watch(udp *UDP) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.sockets[udp] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) unwatch(udp *UDP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, udp)
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
	for u := range s.sockets {
		_ = u.Close() // whoever closes it first, it is closed
	}
	s.mu.Unlock()
	err := s.streams.Shutdown(ctx)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// respond is reply, but that a mistake of ours costs one answer only: the mail
// runs in the same process.
func (s *Server) respond(r *responder, packet []byte, from client) (wire []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("dns: panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			wire = nil
		}
	}()
	return r.reply(packet, from)
}

// newResponder makes a responder.
func (s *Server) newResponder() *responder { return &responder{server: s} }
