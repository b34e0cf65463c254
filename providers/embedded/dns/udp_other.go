//go:build !linux

package dns

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/mailform/mailform/providers/embedded/sessions"
)

func socketsPerAddress() int { return 1 }

func shareAddress(string, string, syscall.RawConn) error { return nil }

// serveUDP answers on a socket, packet by packet, until it is closed or its read
// deadline has come.
func (s *Server) serveUDP(c *net.UDPConn) error {
	// An answer goes out from the address that was asked, where the system can tell;
	// one of the two is of the wrong family.
	_ = ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	_ = ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	r := s.newResponder()
	buf := make([]byte, udpReadSize)
	for {
		n, session, err := dns.ReadFromSessionUDP(c, buf)
		switch {
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return net.ErrClosed
		case err != nil:
			// Of a client that is gone, mostly.
			s.log.Debug("dns: read", "address", c.LocalAddr().String(), "error", err)
			continue
		}
		if wire := s.respond(r, buf[:n], client{addr: sessions.Peer(session.RemoteAddr())}); wire != nil {
			if _, err := dns.WriteToSessionUDP(c, wire, session); err != nil {
				s.log.Debug("dns: write", "address", c.LocalAddr().String(), "error", err)
			}
		}
	}
}
