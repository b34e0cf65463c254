// Package rate counts what clients do in a time: connections in a minute, messages
// in an hour.
//
// Start at [New] and [Counter.Take]. A client is a key that the caller makes, as a
// rule the network that one customer has (sessions.Network).
package rate

import (
	"net/netip"
	"sync"
	"time"
)

// maxClients bounds the memory of a counter: some 10 MiB. Who comes when so many are
// counted already is not counted, so that the many who are no trouble get through.
const maxClients = 100_000

// A Counter counts for each client over a time that slides: what happened in the
// period before the present one counts by the share of it that is still within. It
// can be used by many goroutines.
type Counter struct {
	period time.Duration
	now    func() time.Time

	mu      sync.Mutex
	clients map[netip.Addr]count
	swept   int64 // the period in which old clients were last forgotten
}

// A count is that of one client.
type count struct {
	period       int64 // the number of the present one
	before, here int   // in the period before it, and in it
}

// New makes a counter over a period. now is the clock; nil: time.Now.
func New(period time.Duration, now func() time.Time) *Counter {
	if now == nil {
		now = time.Now
	}
	return &Counter{period: period, now: now, clients: map[netip.Addr]count{}}
}

// Take counts one more of a client, unless it has had most within the period: then it
// returns false and counts nothing. With most of 0 there is no limit, and nothing is
// counted.
func (c *Counter) Take(client netip.Addr, most int) bool {
	if most <= 0 {
		return true
	}
	now := c.now().UnixNano()
	period := now / int64(c.period)
	left := 1 - float64(now%int64(c.period))/float64(c.period)
	c.mu.Lock()
	defer c.mu.Unlock()
	one, counted := c.clients[client]
	switch one.period {
	case period:
	case period - 1:
		one.before, one.here = one.here, 0
	default:
		one.before, one.here = 0, 0
	}
	one.period = period
	if float64(one.here)+float64(one.before)*left > float64(most-1) {
		return false
	}
	if !counted && !c.room(period) {
		return true
	}
	one.here++
	c.clients[client] = one
	return true
}

// room says whether one more client can be counted; once in a period it forgets those
// of whom nothing counts any more.
func (c *Counter) room(period int64) bool {
	if len(c.clients) < maxClients {
		return true
	}
	if c.swept == period {
		return false
	}
	c.swept = period
	for client, one := range c.clients {
		if one.period < period-1 {
			delete(c.clients, client)
		}
	}
	return len(c.clients) < maxClients
}
