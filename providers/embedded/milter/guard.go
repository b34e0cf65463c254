package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// maxPacket is the longest packet taken from a filter, in bytes. Those that hold
// a message's new body are no longer than 1 MiB (SMFIP_MDS_1M).
const maxPacket = 1<<20 + 16

var (
	errEmptyPacket = errors.New("it sent a packet without a command")
	errTooMuch     = errors.New("it answered with more than a message may have")
)

// A guard is the connection to a filter. It lets through whole packets that are
// not beyond measure: a packet is its length in four bytes, and a command byte
// with its data.
type guard struct {
	net.Conn
	deadline time.Time // of all that is read and written
	budget   int64     // bytes that may still be read

	head [4]byte
	have int   // of head, in bytes
	left int64 // of the packet that is being read
	out  int   // of head, handed over
}

// allow begins a step: how long it may take, and how much the filter may say.
func (g *guard) allow(deadline time.Time, budget int64) error {
	g.deadline, g.budget = deadline, budget
	return g.Conn.SetDeadline(deadline)
}

// SetReadDeadline and SetWriteDeadline do nothing: the step's is the one that
// counts, whatever comes in between.
func (g *guard) SetReadDeadline(time.Time) error  { return nil }
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// Read implements net.Conn.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if g.left == 0 && g.out == 0 {
		if err := g.begin(); err != nil {
			return 0, err
		}
	}
	if g.have == len(g.head) && g.out < len(g.head) {
		n := copy(p, g.head[g.out:])
		if g.out += n; g.out == len(g.head) && g.left > 0 {
			g.have = 0
		}
		return n, nil
	}
	p = p[:min(int64(len(p)), g.left)]
	n, err := g.Conn.Read(p)
	if g.left -= int64(n); g.left == 0 {
		g.out = 0
	}
	return n, err
}

// begin reads the length of the next packet, and judges it before anybody makes
// room for it.
func (g *guard) begin() error {
	for g.have = 0; g.have < len(g.head); {
		n, err := g.Conn.Read(g.head[g.have:])
		g.have += n
		if err != nil && g.have < len(g.head) {
			return err
		}
	}
	length := int64(binary.BigEndian.Uint32(g.head[:]))
	switch {
	case length == 0:
		return errEmptyPacket
	case length > maxPacket:
		return fmt.Errorf("it sent a packet of %d bytes", length)
	case length > g.budget:
		return errTooMuch
	}
	g.budget -= length + packetCost
	g.left = length
	return nil
}

// cut ends what is under way.
func (g *guard) cut() { g.Conn.SetDeadline(time.Unix(1, 0)) }

// packetCost is what a packet counts beyond its bytes: each takes some memory,
// however short it is.
const packetCost = 64

// A dialer connects with a guard, by a deadline.
type dialer struct {
	ctx     context.Context // that of the one step in which it connects
	timeout time.Duration
	budget  int64
	made    *guard
	stop    func() bool
}

// Dial implements milter.Dialer.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	deadline := time.Now().Add(d.timeout)
	c, err := (&net.Dialer{Deadline: deadline}).DialContext(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.made = &guard{Conn: c}
	err = d.made.allow(deadline, d.budget)
	d.stop = context.AfterFunc(d.ctx, d.made.cut)
	return d.made, err
}

// end is called at the end of the step.
func (d *dialer) end() {
	if d.stop != nil {
		d.stop()
	}
}
