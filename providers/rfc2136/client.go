package rfc2136

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A client talks to one server, over TCP or TLS.
type client struct {
	server  string // host:port
	tls     *tls.Config
	timeout time.Duration
}

// An exchange is one message to the server and what comes back for it.
type exchange struct {
	msg *dns.Msg
	key *key // nil: not signed
	// take is handed each answer, until it says that this was the last one. Its
	// error ends the exchange.
	take func(*dns.Msg) (last bool, err error)
	// reset forgets what take was handed, before the message is sent once more.
	reset func()
	// once is set for what must not be sent a second time.
	once bool

	// What became of it.
	done bool
	err  error

	chain *chain
	sent  bool
}

// How many exchanges are under way at once on a connection. Of transfers there are
// fewer: BIND refuses more than ten at a time (its option transfers-out).
const (
	window         = 32
	transferWindow = 6
)

// run carries out exchanges over one connection, without one waiting for the
// other. A server that ends the connection after some of them is asked for the
// rest over another one. What became of each is in the exchange.
func (c *client) run(ctx context.Context, list []*exchange) {
	for {
		var left []*exchange
		for _, x := range list {
			if !x.done {
				left = append(left, x)
			}
		}
		if len(left) == 0 {
			return
		}
		err := c.connect(ctx, left)
		progress := false
		for _, x := range left {
			progress = progress || x.done
		}
		for _, x := range left {
			switch {
			case x.done:
			case ctx.Err() != nil:
				x.done, x.err = true, ctx.Err()
			case x.once && x.sent || !progress:
				x.done, x.err = true, err
			}
		}
	}
}

// connect makes a connection and carries out exchanges over it until all are
// done, or it ends.
func (c *client) connect(ctx context.Context, list []*exchange) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	w := &wire{conn: conn, timeout: c.timeout, waiting: map[uint16]*exchange{}}
	return w.carry(list)
}

func (c *client) dial(ctx context.Context) (net.Conn, error) {
	d := &net.Dialer{Timeout: c.timeout}
	if c.tls == nil {
		return d.DialContext(ctx, "tcp", c.server)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: d, Config: c.tls}).DialContext(ctx, "tcp", c.server)
}

// A wire is a connection with what is under way on it.
type wire struct {
	conn    net.Conn
	timeout time.Duration

	mu      sync.Mutex
	waiting map[uint16]*exchange // by the ID of the message
}

// carry sends and receives until all exchanges are done. Its error is why some
// are not.
func (w *wire) carry(list []*exchange) error {
	n := window
	if list[0].msg.Question[0].Qtype == dns.TypeAXFR {
		n = transferWindow
	}
	slots := make(chan struct{}, n)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	var sendErr error
	wg.Go(func() {
		for _, x := range list {
			select {
			case slots <- struct{}{}:
			case <-quit:
				return
			}
			if sendErr = w.send(x); sendErr != nil {
				w.conn.Close() // so that nobody waits for an answer
				return
			}
		}
	})
	err := w.receive(len(list), slots)
	close(quit)
	if err != nil {
		w.conn.Close()
	}
	wg.Wait()
	if sendErr != nil {
		err = sendErr
	}
	return err
}

// send writes one message. An exchange whose message cannot be made is done.
func (w *wire) send(x *exchange) error {
	w.mu.Lock()
	for {
		x.msg.Id = dns.Id()
		if _, taken := w.waiting[x.msg.Id]; !taken {
			break
		}
	}
	raw, chain, err := x.key.sign(x.msg)
	if err == nil && len(raw) > dns.MaxMsgSize {
		err = fmt.Errorf("the message has %d octets, and one has at most %d", len(raw), dns.MaxMsgSize)
	}
	if err != nil {
		w.mu.Unlock()
		return fmt.Errorf("make a message: %w", err)
	}
	if x.sent && x.reset != nil {
		x.reset()
	}
	x.chain = chain
	w.waiting[x.msg.Id] = x
	x.sent = true
	w.mu.Unlock()
	frame := make([]byte, 2, 2+len(raw))
	binary.BigEndian.PutUint16(frame, uint16(len(raw)))
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return gone(err)
	}
	if _, err := w.conn.Write(append(frame, raw...)); err != nil {
		return gone(err)
	}
	return nil
}

// receive reads answers until n exchanges are done.
func (w *wire) receive(n int, slots <-chan struct{}) error {
	var length [2]byte
	for n > 0 {
		if err := w.conn.SetReadDeadline(time.Now().Add(w.timeout)); err != nil {
			return gone(err)
		}
		if _, err := io.ReadFull(w.conn, length[:]); err != nil {
			return gone(err)
		}
		raw := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(w.conn, raw); err != nil {
			return gone(err)
		}
		if len(raw) < 12 {
			return fmt.Errorf("%w: a message of %d octets", ErrAnswer, len(raw))
		}
		id := binary.BigEndian.Uint16(raw)
		w.mu.Lock()
		x := w.waiting[id]
		w.mu.Unlock()
		if x == nil {
			return fmt.Errorf("%w: it is to no question of ours", ErrAnswer)
		}
		last, err := x.answer(raw)
		if !last && err == nil {
			continue
		}
		w.mu.Lock()
		delete(w.waiting, id)
		w.mu.Unlock()
		x.done, x.err = true, err
		n--
		<-slots
		if err != nil && !last && n > 0 {
			// More may come for it, which nobody could tell from nonsense.
			return err
		}
	}
	return nil
}

// answer takes in one message that came back. last says that no further one will
// come.
func (x *exchange) answer(raw []byte) (last bool, err error) {
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil {
		return false, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if !m.Response || m.Opcode != x.msg.Opcode {
		return false, fmt.Errorf("%w: it is no answer to what was asked", ErrAnswer)
	}
	if x.key != nil {
		if err := x.key.complaint(m); err != nil {
			return true, err
		}
	}
	if m.Truncated {
		return true, fmt.Errorf("%w: it is truncated", ErrAnswer)
	}
	last, err = x.take(m)
	if x.chain != nil {
		// What is not signed is not believed, whatever it says.
		if signature := x.chain.check(raw, m, last || err != nil); signature != nil {
			if m.Rcode != dns.RcodeSuccess && m.IsTsig() == nil {
				signature = fmt.Errorf("%w: %w", signature, err)
			}
			return err == nil && last, signature
		}
	}
	return last || err != nil && m.Rcode != dns.RcodeSuccess, err
}

// gone is the error of a connection that ended.
func gone(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: it does not answer in time", ErrGone)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: it ended the connection before it had answered", ErrGone)
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}
