// Package sessions is what the protocol servers have in common: taking
// connections from any number of listeners, bounding how many there are, and
// ending all of them in good order.
//
// A server makes a [Group] and hands each listener to [Group.Serve], with a
// function that makes a [Session] of a connection.
package sessions

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/rate"
)

// A Session speaks with one client.
type Session interface {
	// Run speaks to the end and closes the connection.
	Run()
	// Interrupt asks a running session to end: to finish what it is doing and to
	// say farewell. It may be called from another goroutine, and does not wait.
	Interrupt()
}

// ErrClosed is returned by [Group.Serve] after [Group.Shutdown].
var ErrClosed = errors.New("server closed")

// Options of a Group.
type Options struct {
	// Limits are asked for at each new connection, so that they can change.
	Limits func() Limits
	// CountLoopback counts peers on a loopback address like others.
	CountLoopback bool
	// Refuse tells a client that there is no room for it. It must not block; the
	// connection is closed afterwards.
	Refuse func(net.Conn)
	// Limited is told of the limit that a client was refused by; nil: nobody is.
	Limited func(limit string)
	Log     *slog.Logger
}

// An accepted connection with the listener that it came by.
type accepted struct {
	net.Conn
	by net.Listener
}

// A Group is all sessions of one server.
type Group struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	sessions  map[Session]accepted
	perPeer   map[netip.Addr]int
	running   sync.WaitGroup
	begun     *rate.Counter // connections in a minute
}

// New makes a group without listeners.
func New(o Options) *Group {
	g := &Group{
		o:         o,
		listeners: map[net.Listener]struct{}{},
		sessions:  map[Session]accepted{},
		perPeer:   map[netip.Addr]int{},
		begun:     rate.New(time.Minute, nil),
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Context ends when sessions have to end at once: what they wait for is to be
// given up.
func (g *Group) Context() context.Context { return g.ctx }

// Len is the number of sessions.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// LenOf returns how many of them came by a listener.
func (g *Group) LenOf(l net.Listener) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, c := range g.sessions {
		if c.by == l {
			n++
		}
	}
	return n
}

// Serve takes connections from l until l is closed or the group shuts down, and
// runs a session for each in its own goroutine. It closes l; sessions go on. The
// error is [ErrClosed], or net.ErrClosed where somebody else closed l.
func (g *Group) Serve(l net.Listener, begin func(net.Conn) Session) error {
	// Whoever closes it first, it is closed.
	defer func() { _ = l.Close() }()
	if !g.watch(l) {
		return ErrClosed
	}
	defer g.unwatch(l)
	const firstPause, longestPause = 5 * time.Millisecond, time.Second
	pause := firstPause
	for {
		c, err := l.Accept()
		if err == nil {
			pause = firstPause
			g.start(accepted{c, l}, begin)
			continue
		}
		if g.Closing() {
			return ErrClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of file descriptors, mostly: others will be closed.
		g.o.Log.Warn("accept failed", "listener", l.Addr().String(), "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		case <-g.ctx.Done():
			return ErrClosed
		}
	}
}

func (g *Group) watch(l net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	g.listeners[l] = struct{}{}
	return true
}

func (g *Group) unwatch(l net.Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.listeners, l)
}

// limit is what stands against one more session of a peer; empty: nothing does.
// Callers hold mu.
func (g *Group) limit(a net.Addr, peer netip.Addr) string {
	l := g.o.Limits()
	if l.Connections > 0 && len(g.sessions) >= l.Connections {
		return "connections"
	}
	switch {
	case !g.o.CountLoopback && Loopback(a), l.Exempts(Peer(a)):
	case l.ConnectionsPerClient > 0 && g.perPeer[peer] >= l.ConnectionsPerClient:
		return "connections_per_client"
	case !g.begun.Take(peer, l.ConnectionsPerMinute):
		return "connections_per_minute"
	}
	return ""
}

// start runs a session, if there is room for it.
func (g *Group) start(c accepted, begin func(net.Conn) Session) {
	peer := Network(c.RemoteAddr())
	g.mu.Lock()
	limit := g.limit(c.RemoteAddr(), peer)
	if g.closing || limit != "" {
		g.mu.Unlock()
		if limit != "" {
			g.o.Log.Info("connection refused: too many", "remote", c.RemoteAddr().String(), "limit", limit)
			if g.o.Limited != nil {
				g.o.Limited(limit)
			}
			g.o.Refuse(c.Conn)
		}
		_ = c.Close() // nothing was said that could be lost
		return
	}
	s := begin(c.Conn)
	g.sessions[s] = c
	g.perPeer[peer]++
	g.running.Add(1)
	g.mu.Unlock()
	go func() {
		defer g.running.Done()
		defer g.forget(s, peer)
		s.Run()
	}()
}

func (g *Group) forget(s Session, peer netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
	if g.perPeer[peer]--; g.perPeer[peer] == 0 {
		delete(g.perPeer, peer)
	}
}

// Closing reports whether Shutdown was called.
func (g *Group) Closing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing
}

// Shutdown closes the listeners, interrupts all sessions and waits for them.
// Where ctx ends before, it cuts off the rest, and the error is that of ctx. No
// session is left when it returns.
func (g *Group) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.closing = true
	for l := range g.listeners {
		_ = l.Close() // Serve sees that it is closed
	}
	for s := range g.sessions {
		s.Interrupt()
	}
	g.mu.Unlock()

	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		g.cancel()
		g.mu.Lock()
		for _, c := range g.sessions {
			_ = c.Close() // the session sees that it is closed
		}
		g.mu.Unlock()
		<-done
	}
	g.cancel()
	return err
}

// Peer is the IP address of a peer; the zero one where it has none.
func Peer(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Network is what counts as one peer: an IPv4 address, or the /64 of an IPv6
// address, which one customer has for himself.
func Network(a net.Addr) netip.Addr {
	const customer = 64
	ip := Peer(a)
	if !ip.Is6() {
		return ip
	}
	p, err := ip.Prefix(customer)
	if err != nil {
		return ip
	}
	return p.Addr()
}

// Loopback reports whether a peer is on this machine.
func Loopback(a net.Addr) bool { return Peer(a).IsLoopback() }
