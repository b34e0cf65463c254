package queue

import (
	"sync"
	"time"
)

const (
	// idleTime is how long a connection waits for the next message to its server.
	idleTime = 2 * time.Second
	// maxUses is how many messages go over one connection, maxLife how long it is
	// used: servers want to be rid of one now and then.
	maxUses = 100
	maxLife = 5 * time.Minute
	// maxIdle is how many connections wait for one server.
	maxIdle = 5
)

// A pool keeps connections for a moment after a message, for the next one.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*client
	closed bool
	wg     sync.WaitGroup // of those that wait or take leave
}

// take returns a connection that waits, or nil.
func (p *pool) take(key string) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	for list := p.idle[key]; len(list) > 0; list = p.idle[key] {
		c := list[len(list)-1]
		p.drop(key, len(list)-1)
		if c.expiry.Stop() {
			p.wg.Done()
			return c
		}
	}
	return nil
}

// put keeps a connection, or takes leave of its server.
func (p *pool) put(key string, c *client, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.uses++; p.closed || c.uses >= maxUses || now.Sub(c.since) >= maxLife || len(p.idle[key]) >= maxIdle {
		p.leave(c)
		return
	}
	if p.idle == nil {
		p.idle = map[string][]*client{}
	}
	p.idle[key] = append(p.idle[key], c)
	p.wg.Add(1)
	c.expiry = time.AfterFunc(idleTime, func() { p.expire(key, c) })
}

// expire takes out a connection that nobody wanted.
func (p *pool) expire(key string, c *client) {
	defer p.wg.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle[key] {
		if other == c {
			p.drop(key, i)
			p.leave(c)
			return
		}
	}
	// Whoever took it has seen that its time is up.
	p.leave(c)
}

func (p *pool) drop(key string, i int) {
	list := p.idle[key]
	if list = append(list[:i:i], list[i+1:]...); len(list) == 0 {
		delete(p.idle, key)
	} else {
		p.idle[key] = list
	}
}

// leave ends a connection, off the caller's goroutine.
func (p *pool) leave(c *client) {
	p.wg.Go(func() {
		c.quit()
		c.close()
	})
}

// close ends all connections that wait; those that come later end at once.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, list := range p.idle {
		for _, c := range list {
			if c.expiry.Stop() {
				p.wg.Done()
				p.leave(c)
			}
		}
	}
	p.idle = nil
	p.mu.Unlock()
	p.wg.Wait()
}
