package dns

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// FuzzStream sends any octets over a connection, in pieces of any length. Each whole
// message is answered, as it is over UDP but for what does not fit there, until one
// is no query.
func FuzzStream(f *testing.F) {
	frame := func(packets ...[]byte) (out []byte) {
		for _, p := range packets {
			out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
			out = append(out, p...)
		}
		return out
	}
	mx := pack(f, question("example.com.", "MX").SetEdns0(1232, false))
	for _, data := range [][]byte{
		frame(mx), frame(mx, mx, pack(f, question("nosuch.example.com.", "A"))), frame(mx)[:10], frame(nil, mx),
		append(frame(mx), 0xff, 0xff, 0), frame([]byte("GET / HTTP/1.0\r\n\r\n")), bytes.Repeat(frame(mx), 300),
	} {
		f.Add(data, uint16(0))
		f.Add(data, uint16(1))
		f.Add(data, uint16(len(mx)))
	}
	s := newServer(f, exampleCom())
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		c := &pieces{rest: data, piece: max(1, int(piece))}
		s.newStream(c).Run()
		if !c.closed {
			t.Fatalf("%x: the connection stays open", data)
		}
		r := s.newResponder()
		from := client{tcp: true}
		answers := 0
		for rest := data; len(rest) >= 2 && answers < tcpQueries; answers++ {
			length := int(binary.BigEndian.Uint16(rest))
			if len(rest) < 2+length {
				break
			}
			want := s.respond(r, rest[2:2+length], from)
			if want == nil {
				break
			}
			rest = rest[2+length:]
			got := c.take(t)
			if len(got) != len(want) || !bytes.Equal(got[:min(len(got), headerSize)], want[:min(len(want), headerSize)]) {
				t.Fatalf("%x: answer %d is %x, and by itself %x", data, answers, got, want)
			}
			unpack(t, got)
		}
		if len(c.written) > 0 {
			t.Fatalf("%x: after %d answers comes %x", data, answers, c.written)
		}
	})
}

// A pieces is a connection that hands out what it has in pieces, and then ends.
type pieces struct {
	rest, written []byte
	piece         int
	closed        bool
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// take takes the next message of what was written.
func (c *pieces) take(t *testing.T) []byte {
	if len(c.written) < 2 || len(c.written)-2 < int(binary.BigEndian.Uint16(c.written)) {
		t.Fatalf("an answer is missing or cut off: %x", c.written)
	}
	end := 2 + int(binary.BigEndian.Uint16(c.written))
	message := c.written[2:end]
	c.written = c.written[end:]
	return message
}

func (c *pieces) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}
func (c *pieces) Close() error                     { c.closed = true; return nil }
func (c *pieces) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }
func (c *pieces) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1024} }
func (c *pieces) SetDeadline(time.Time) error      { return nil }
func (c *pieces) SetReadDeadline(time.Time) error  { return nil }
func (c *pieces) SetWriteDeadline(time.Time) error { return nil }
