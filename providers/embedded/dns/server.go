package dns

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
)

// Options make a Server.
type Options struct {
	Logger *slog.Logger // nil: nothing is logged
}

// A Server answers for its zones on any number of sockets.
type Server struct {
	log   *slog.Logger
	mu    sync.Mutex // held to replace zones
	zones atomic.Pointer[zones]
}

// New makes a server without zones.
func New(o Options) *Server {
	s := &Server{log: o.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.zones.Store(&zones{})
	return s
}

// SetZone adds a zone or replaces the one of that name. On an error the old one
// goes on being served.
func (s *Server) SetZone(z store.Zone) error {
	compiled, err := compile(z)
	if err != nil {
		return err
	}
	s.replace(func(zs zones) { zs[compiled.name] = compiled })
	return nil
}

// RemoveZone takes a zone out; queries for its names are refused from then on.
func (s *Server) RemoveZone(name string) {
	s.replace(func(zs zones) { delete(zs, dns.CanonicalName(name)) })
}

func (s *Server) replace(change func(zones)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.zones.Load())
	change(next)
	s.zones.Store(&next)
}

// Limits of TCP connections (RFC 7766).
const (
	tcpIdle    = 10 * time.Second
	tcpQueries = 1000 // on a connection, then it is closed
)

// Serve answers on a UDP and a TCP socket until they are closed.
func (s *Server) Serve(udp net.PacketConn, tcp net.Listener) error {
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, srv := range []*dns.Server{
		{PacketConn: udp, Handler: s.handler(false), UDPSize: 4096},
		{Listener: tcp, Handler: s.handler(true), IdleTimeout: func() time.Duration { return tcpIdle }, MaxTCPQueries: tcpQueries},
	} {
		wg.Go(func() {
			if err := srv.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs[i] = fmt.Errorf("serve %s: %w", tcp.Addr(), err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *Server) handler(tcp bool) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if err := w.WriteMsg(s.reply(q, tcp)); err != nil {
			s.log.Debug("answer a query", "client", w.RemoteAddr().String(), "error", err)
		}
	})
}
