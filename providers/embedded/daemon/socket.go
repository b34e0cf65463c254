package daemon

import (
	"context"
	"net"

	"github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
)

// A socketID names a socket: two listeners cannot have the same.
type socketID struct {
	address string // host:port
	tls     bool
}

// A socket is what a service listens on: TCP, and for DNS also UDP.
type socket struct {
	id     socketID
	stream net.Listener
	packet *dns.UDP // nil but for DNS
	// given are those of the service manager that it is made of, and pool where they
	// go when it is closed.
	given []*systemd.Given
	pool  *systemd.Pool
}

func (s *socket) close() {
	// Closing a listening socket can only fail if it is closed already.
	if s.stream != nil {
		_ = s.stream.Close()
	}
	if s.packet != nil {
		_ = s.packet.Close()
	}
	for _, g := range s.given {
		s.pool.Give(g)
	}
	s.given = nil // closed twice, it must not give back what another one has by now
}

// bind opens a socket of a listener, or takes the one that the service manager has
// opened for it.
func bind(ctx context.Context, pool *systemd.Pool, id socketID, l store.Listener) (*socket, error) {
	s := &socket{id: id, pool: pool}
	var err error
	if g := pool.Take("tcp", id.address, givenNames(id, l)...); g != nil {
		s.given = append(s.given, g)
		s.stream, err = g.Listen()
	} else {
		var lc net.ListenConfig
		s.stream, err = lc.Listen(ctx, "tcp", id.address)
	}
	if err == nil && l.Service == "dns" {
		s.packet, err = s.bindPackets(ctx, l)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) bindPackets(ctx context.Context, l store.Listener) (*dns.UDP, error) {
	g := s.pool.Take("udp", s.id.address, givenNames(s.id, l)...)
	if g == nil {
		return dns.ListenUDP(ctx, s.id.address)
	}
	s.given = append(s.given, g)
	c, err := g.Packet()
	if err != nil {
		return nil, err
	}
	return dns.GivenUDP(c), nil
}

// givenNames are the names by which a socket of the service manager is one for a
// listener, whatever its address: "main.imaps" or "imaps" for IMAP with TLS at the
// server "main".
func givenNames(id socketID, l store.Listener) []string {
	name := l.Service
	if id.tls {
		name += "s"
	}
	return []string{l.Owner + "." + name, name}
}
