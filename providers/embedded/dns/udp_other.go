//go:build !linux

package dns

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/mailform/mailform/providers/embedded/sessions"
)

// UDP is the UDP socket of an address.
type UDP struct {
	address net.Addr
	conn    *net.UDPConn
}

// ListenUDP opens the UDP socket of an address.
func ListenUDP(ctx context.Context, address string) (*UDP, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return GivenUDP(pc.(*net.UDPConn)), nil
}

// GivenUDP is the UDP of a socket that somebody else has opened.
func GivenUDP(c *net.UDPConn) *UDP {
	// An answer goes out from the address that was asked, where the system can tell;
	// one of the two is of the wrong family.
	_ = ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	_ = ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	return &UDP{address: c.LocalAddr(), conn: c}
}

// Close closes the socket.
func (u *UDP) Close() error { return u.conn.Close() }

// serve answers, packet by packet, until the socket is closed.
func (u *UDP) serve(s *Server, limiter *Limiter) error {
	r := s.newResponder()
	buf := make([]byte, udpReadSize)
	for {
		n, session, err := dns.ReadFromSessionUDP(u.conn, buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Of a client that is gone, mostly.
			s.log.Debug("dns: read", "address", u.address.String(), "error", err)
			continue
		}
		r.now = uint32(time.Now().Unix())
		if wire := s.respond(r, buf[:n], client{addr: sessions.Peer(session.RemoteAddr()), limiter: limiter}); wire != nil {
			if _, err := dns.WriteToSessionUDP(u.conn, wire, session); err != nil {
				s.log.Debug("dns: write", "address", u.address.String(), "error", err)
			}
		}
	}
}
