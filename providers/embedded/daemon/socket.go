package daemon

import (
	"context"
	"net"

	"github.com/mailform/mailform/providers/embedded/dns"
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
}

func (s *socket) close() {
	// Closing a listening socket can only fail if it is closed already.
	_ = s.stream.Close()
	if s.packet != nil {
		_ = s.packet.Close()
	}
}

// bind opens a socket.
func bind(ctx context.Context, id socketID, service string) (*socket, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", id.address)
	if err != nil {
		return nil, err
	}
	s := &socket{id: id, stream: l}
	if service == "dns" {
		if s.packet, err = dns.ListenUDP(ctx, id.address); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}
