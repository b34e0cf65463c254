// Package proxy takes connections that come by way of a proxy, which says in front of
// each whose it is: the PROXY protocol, versions 1 and 2
// (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt). Start with [Listen].
//
// It is a matter of trust: who may speak for others has to be named. From such a peer
// a header has to come, and what comes from others is taken as it is.
package proxy

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// patience is how long a proxy may take for its header, and mostWaiting how many
// connections may be waiting for theirs.
const (
	patience    = 10 * time.Second
	mostWaiting = 1024
)

// Listen takes connections from l. from reports whether a peer is a proxy; it is asked
// for each connection. A connection of a proxy has the client's address for its remote
// one; one without a header is closed.
func Listen(l net.Listener, from func(netip.Addr) bool, log *slog.Logger) net.Listener {
	p := &listener{Listener: l, from: from, log: log, results: make(chan result), done: make(chan struct{}), waiting: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	return p
}

type result struct {
	c   net.Conn
	err error
}

type listener struct {
	net.Listener
	from    func(netip.Addr) bool
	log     *slog.Logger
	results chan result
	done    chan struct{}
	once    sync.Once
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	waiting map[net.Conn]struct{} // for their headers
}

// Accept implements net.Listener.
func (p *listener) Accept() (net.Conn, error) {
	select {
	case r := <-p.results:
		return r.c, r.err
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that wait for their header are closed.
func (p *listener) Close() error {
	err := p.Listener.Close()
	p.once.Do(func() {
		p.mu.Lock()
		p.closed = true
		for c := range p.waiting {
			_ = c.Close() // nothing was said that could be lost
		}
		p.mu.Unlock()
		close(p.done)
	})
	p.running.Wait()
	return err
}

// accept takes connections until the listener is closed.
func (p *listener) accept() {
	for {
		c, err := p.Listener.Accept()
		switch {
		case err != nil:
			if !p.hand(result{nil, err}) || errors.Is(err, net.ErrClosed) {
				return
			}
		case !p.from(peer(c)):
			p.hand(result{c, nil})
		case p.wait(c):
			p.running.Go(func() {
				r := p.introduce(c)
				p.mu.Lock()
				delete(p.waiting, c)
				p.mu.Unlock()
				if r != nil {
					p.hand(result{r, nil})
				}
			})
		default:
			p.log.Warn("connection refused: too many wait for the header of a proxy", "remote", c.RemoteAddr().String())
			_ = c.Close() // nothing was said that could be lost
		}
	}
}

// hand hands something to who accepts; false: nobody does any more.
func (p *listener) hand(r result) bool {
	select {
	case p.results <- r:
		return true
	case <-p.done:
		if r.c != nil {
			_ = r.c.Close() // nothing was said that could be lost
		}
		return false
	}
}

func (p *listener) wait(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.waiting) >= mostWaiting {
		return false
	}
	p.waiting[c] = struct{}{}
	return true
}

// introduce reads the header of a connection; nil: there is none, and the connection
// is closed.
func (p *listener) introduce(c net.Conn) net.Conn {
	err := c.SetReadDeadline(time.Now().Add(patience))
	var client netip.AddrPort
	if err == nil {
		client, err = read(c)
	}
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.log.Info("connection refused: it comes from a proxy, and does not say whose it is", "remote", c.RemoteAddr().String(), "error", err)
		_ = c.Close() // nothing was said that could be lost
		return nil
	}
	if !client.IsValid() {
		return c
	}
	return &conn{c, net.TCPAddrFromAddrPort(client)}
}

// A conn is a connection of somebody whom a proxy speaks for.
type conn struct {
	net.Conn
	client net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.client }

// CloseWrite ends what is written, as that of a TCP connection does.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// peer is the address at the other end.
func peer(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
