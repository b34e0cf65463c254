package statetest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands between a client and a server, and cuts connections off.
type Proxy struct {
	server string
	l      net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	cut   func() (up, down int64)
	conns map[net.Conn]bool
	cuts  int
}

// NewProxy starts a proxy before a server. It ends with the test.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: server, l: l, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.Cut(nil)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.wg.Wait()
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Cut says after how many bytes from the client (up) or from the server (down) each
// connection from now on is cut off; below 0: never. Connections that are open
// are cut at once. Nil cuts none from now on.
func (p *Proxy) Cut(after func() (up, down int64)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = after
	for c := range p.conns {
		c.Close()
	}
}

// Cuts is how many connections were cut off for having had enough.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		up, down := int64(-1), int64(-1)
		if p.cut != nil {
			up, down = p.cut()
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.forward(server, client, up) })
		p.wg.Go(func() { p.forward(client, server, down) })
	}
}

// forward copies until one side ends or has had enough, and closes both.
func (p *Proxy) forward(to, from net.Conn, limit int64) {
	var err error
	if limit < 0 {
		_, err = io.Copy(to, from)
	} else if _, err = io.CopyN(to, from, limit); err == nil {
		p.mu.Lock()
		p.cuts++
		p.mu.Unlock()
	}
	_ = errors.Join(err, to.Close(), from.Close()) // that is what it is for
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	p.mu.Unlock()
}
