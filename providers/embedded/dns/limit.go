package dns

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Limits bound what is answered over UDP to who has not proved to be where it
// says: so that nobody can have this server throw more at a victim than is thrown
// at it (response rate limiting, as BIND and NSD have it). Over TCP, and with a
// cookie of ours (RFC 7873), there is no limit.
type Limits struct {
	// PerSecond is how many answers of a kind a network (/24 or /56) gets in a
	// second: for one name, or that there is nothing in a zone, or errors. All kinds
	// together get ten times as many. 0: any number.
	PerSecond int
	// Exempt are networks without a limit, besides this machine itself.
	Exempt []netip.Prefix
}

// DefaultPerSecond is the limit where none is set: more than any resolver asks for
// one name, as it keeps what it is told.
const DefaultPerSecond = 200

const (
	// Networks that count as one: what one customer has for himself, or little more.
	limitedIPv4, limitedIPv6 = 24, 56
	// limitWindow is how long a network that goes on asking gets nothing, in seconds,
	// as in BIND.
	limitWindow = 15
	// limitAll is how many times more answers of all kinds there may be.
	limitAll = 10
	// limitSlip: one in so many answers that are too many is cut down to "ask by TCP",
	// which is no longer than the question; the others are dropped. So a client that
	// is drowned in forged queries of its network gets through.
	limitSlip = 2
	// Sizes of the table of networks and kinds.
	limitSlots, limitLocks = 1 << 16, 1 << 8
)

// A verdict is what becomes of an answer.
type verdict int

const (
	send verdict = iota
	drop
	truncate
)

// A Limiter limits the answers of one name server, whatever it listens on.
type Limiter struct{ counter atomic.Pointer[counter] }

// NewLimiter makes a limiter.
func NewLimiter(limits Limits) *Limiter {
	l := &Limiter{}
	l.Set(limits)
	return l
}

// Set replaces the limits. All counting begins anew.
func (l *Limiter) Set(limits Limits) {
	if limits.PerSecond <= 0 {
		l.counter.Store(nil)
		return
	}
	l.counter.Store(&counter{limits: limits, seed: maphash.MakeSeed()})
}

// judge counts an answer of a kind about a name, and says what becomes of it. now
// is in seconds.
func (l *Limiter) judge(to netip.Addr, kind byte, about []byte, now uint32) verdict {
	if l == nil {
		return send
	}
	c := l.counter.Load()
	if c == nil {
		return send
	}
	return c.judge(to, kind, about, now)
}

// A counter counts answers.
type counter struct {
	limits Limits
	seed   maphash.Seed
	locks  [limitLocks]sync.Mutex
	slots  [limitSlots]limitSlot
}

// A limitSlot counts one kind of answer to one network.
type limitSlot struct {
	hash    uint32
	second  uint32 // of the last answer
	balance int32  // how many more there may be
	over    uint32 // how many there were too many
}

func (c *counter) judge(to netip.Addr, kind byte, about []byte, now uint32) verdict {
	to = to.Unmap()
	if to.IsLoopback() {
		return send
	}
	for _, p := range c.limits.Exempt {
		if p.Contains(to) {
			return send
		}
	}
	network := limitedIPv6
	if to.Is4() {
		network = limitedIPv4
	}
	p, err := to.WithZone("").Prefix(network)
	if err != nil {
		return drop
	}
	var buf [16 + 1 + maxName]byte
	address := p.Addr().As16()
	key := append(buf[:0], address[:]...)
	rate := int32(c.limits.PerSecond)
	if v := c.count(key, rate*limitAll, now); v != send {
		return v
	}
	return c.count(append(append(key, kind), about...), rate, now)
}

// count counts an answer.
func (c *counter) count(key []byte, rate int32, now uint32) verdict {
	hash := maphash.Bytes(c.seed, key)
	at, tag := hash%limitSlots, uint32(hash>>32)
	lock := &c.locks[at%limitLocks]
	lock.Lock()
	defer lock.Unlock()
	s := &c.slots[at]
	if s.hash != tag { // whoever was here has to be counted anew
		*s = limitSlot{hash: tag, second: now, balance: rate}
	}
	if passed := int64(int32(now - s.second)); passed > 0 {
		s.balance = int32(min(int64(rate), int64(s.balance)+passed*int64(rate)))
		s.second = now
	}
	s.balance = max(s.balance-1, -limitWindow*rate)
	if s.balance >= 0 {
		s.over = 0
		return send
	}
	if s.over++; s.over%limitSlip == 0 {
		return truncate
	}
	return drop
}

// Kinds of answers that are counted apart.
const (
	kindAnswer byte = iota
	kindNothing
	kindReferral
	kindError
)

// kindOf tells the kind of an answer.
func kindOf(wire []byte) byte {
	switch rcode := wire[3] & rcodeBits; {
	case rcode == dns.RcodeNameError:
		return kindNothing
	case rcode != dns.RcodeSuccess:
		return kindError
	case wire[6]|wire[7] != 0:
		return kindAnswer
	case wire[2]&bitAA == 0 && wire[8]|wire[9] != 0:
		return kindReferral
	}
	return kindNothing
}
