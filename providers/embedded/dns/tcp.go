package dns

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/sessions"
)

// Limits of TCP (RFC 7766 §6.2).
const (
	tcpIdle        = 10 * time.Second // until a query is there as a whole, and until an answer is taken
	tcpQueries     = 1000             // on a connection, then it is closed
	tcpConnections = 1000             // at once
	tcpPerAddress  = 100              // from one client that is not on this machine
)

// udpReadSize is the longest query that is read over UDP.
const udpReadSize = 2048

// tcpFlush is how much is gathered of answers to queries that came together, in
// bytes.
const tcpFlush = 16 << 10

// A stream is a TCP connection (RFC 7766): queries may come before the answers to
// those before them, and are answered in their order.
type stream struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	ending atomic.Bool
}

func (s *Server) newStream(c net.Conn) sessions.Session {
	return &stream{server: s, conn: c, in: bufio.NewReader(c)}
}

// Interrupt ends the stream when it has answered what it has read.
func (st *stream) Interrupt() {
	st.ending.Store(true)
	_ = st.conn.SetReadDeadline(time.Unix(0, 1)) // if that fails the connection is gone
}

// Run answers until the client has no more to ask, or takes too long.
func (st *stream) Run() {
	defer st.conn.Close()
	r := st.server.newResponder()
	from := client{addr: sessions.Peer(st.conn.RemoteAddr()), tcp: true}
	var packet []byte
	for range tcpQueries {
		if !st.ready() && st.flush() != nil {
			return
		}
		var err error
		if packet, err = st.read(packet); err != nil {
			break // it is gone, or idle
		}
		r.now = uint32(time.Now().Unix())
		if t := st.server.options.Transfers; t != nil && asksForZone(packet) {
			if st.flush() != nil || t.Transfer(packet, from.addr, st.send) != nil {
				return
			}
			continue
		}
		wire := st.server.respond(r, packet, from)
		if wire == nil {
			break // it does not speak this protocol
		}
		st.out = binary.BigEndian.AppendUint16(st.out, uint16(len(wire)))
		st.out = append(st.out, wire...)
		if len(st.out) >= tcpFlush && st.flush() != nil {
			return
		}
	}
	_ = st.flush() // as far as somebody is there
}

// ready reports whether a whole message has been read already.
func (st *stream) ready() bool {
	n := st.in.Buffered()
	if n < 2 {
		return false
	}
	length, err := st.in.Peek(2) // it is there
	return err == nil && n >= 2+int(binary.BigEndian.Uint16(length))
}

// read reads one message into a buffer that it may replace.
func (st *stream) read(packet []byte) ([]byte, error) {
	if err := st.conn.SetReadDeadline(time.Now().Add(tcpIdle)); err != nil {
		return packet, err
	}
	if st.ending.Load() { // it was set before that deadline
		return packet, net.ErrClosed
	}
	var length [2]byte
	if _, err := io.ReadFull(st.in, length[:]); err != nil {
		return packet, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > cap(packet) {
		packet = make([]byte, n)
	}
	packet = packet[:n]
	_, err := io.ReadFull(st.in, packet)
	return packet, err
}

// asksForZone reports whether a query is for a zone as a whole, or what has changed
// in it.
func asksForZone(packet []byte) bool {
	if len(packet) < headerSize || packet[2]&(bitQR|opcodes) != 0 {
		return false
	}
	end := endOfQuestion(packet)
	if end == 0 {
		return false
	}
	rrtype := binary.BigEndian.Uint16(packet[end-4:])
	return rrtype == dns.TypeAXFR || rrtype == dns.TypeIXFR
}

// send sends a message at once.
func (st *stream) send(message []byte) error {
	st.out = binary.BigEndian.AppendUint16(st.out, uint16(len(message)))
	st.out = append(st.out, message...)
	return st.flush()
}

// flush sends what is gathered.
func (st *stream) flush() error {
	if len(st.out) == 0 {
		return nil
	}
	if err := st.conn.SetWriteDeadline(time.Now().Add(tcpIdle)); err != nil {
		return err
	}
	_, err := st.conn.Write(st.out)
	st.out = st.out[:0]
	return err
}
