package transfer

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/tsig"
)

const (
	// answerWait is how long an answer to a NOTIFY may take.
	answerWait = 5 * time.Second
	// atOnce is how many zones one secondary is told of at once.
	atOnce = 16
)

// A listener is told of changes.
type listener struct {
	address netip.AddrPort
	key     *tsig.Key

	mu      sync.Mutex
	pending map[string]*notice // by zone
	busy    int
}

// A notice is what a listener is still to be told.
type notice struct {
	attempts int
	next     time.Time // zero: at once
	running  bool
	again    bool // something has changed while it was told
}

func newListener(address netip.AddrPort, key *tsig.Key) *listener {
	return &listener{address: address, key: key, pending: map[string]*notice{}}
}

// same reports whether another listener is the same one.
func (l *listener) same(o *listener) bool {
	return l.address == o.address && (l.key == nil) == (o.key == nil) && (l.key == nil || *l.key == *o.key)
}

// expect notes that a zone has changed.
func (l *listener) expect(zone string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.pending[zone]
	if n == nil {
		l.pending[zone] = &notice{}
		return
	}
	n.attempts, n.next, n.again = 0, time.Time{}, n.running
}

// due takes the zones that are to be told now, as many as may be at once, and says
// when the next is due.
func (l *listener) due(now time.Time) (zones []string, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for zone, n := range l.pending {
		switch {
		case n.running:
		case n.next.After(now):
			if next.IsZero() || n.next.Before(next) {
				next = n.next
			}
		case l.busy < atOnce:
			n.running = true
			l.busy++
			zones = append(zones, zone)
		}
	}
	return zones, next
}

// told notes how it went.
func (l *listener) told(zone string, err error, retry []time.Duration) (givenUp bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	n := l.pending[zone]
	if n == nil {
		return false
	}
	n.running = false
	switch {
	case n.again:
		n.again = false
	case err == nil:
		delete(l.pending, zone)
	case n.attempts >= len(retry):
		delete(l.pending, zone)
		return true
	default:
		n.next = time.Now().Add(retry[n.attempts])
		n.attempts++
	}
	return false
}

// round tells whoever is to be told now. It says how long nothing else is due.
func (s *Server) round(ctx context.Context, running *sync.WaitGroup) time.Duration {
	s.mu.RLock()
	tell := s.tell
	s.mu.RUnlock()
	wait := time.Hour
	now := time.Now()
	for _, l := range tell {
		zones, next := l.due(now)
		if !next.IsZero() {
			wait = min(wait, max(0, next.Sub(now)))
		}
		for _, zone := range zones {
			running.Go(func() {
				err := s.notify(ctx, l, zone)
				if ctx.Err() != nil {
					return
				}
				if l.told(zone, err, s.o.Retry) {
					s.log.Warn("notify: a secondary does not answer", "zone", zone, "secondary", l.address.String(), "error", err)
				}
				s.wake()
			})
		}
	}
	return wait
}

// notify tells a secondary that a zone has changed, and waits for its answer. A
// zone that is gone needs no telling.
func (s *Server) notify(ctx context.Context, l *listener, zone string) error {
	h := s.history(zone)
	if h == nil {
		return nil
	}
	m := new(dns.Msg).SetNotify(zone)
	m.Answer = []dns.RR{h.now.soa} // a hint (RFC 1996 §3.7)
	var wire []byte
	var err error
	var signer *tsig.Signer
	if l.key != nil {
		signer = tsig.NewSigner(*l.key)
		wire, err = signer.Sign(m)
	} else {
		wire, err = m.Pack()
	}
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", l.address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(0, 1)) }) // if that fails the wait is five seconds
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return err
	}
	if _, err := conn.Write(wire); err != nil {
		return err
	}
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("wait for the answer: %w", err)
		}
		answer := new(dns.Msg)
		if answer.Unpack(buf[:n]) != nil || answer.Id != m.Id || !answer.Response || answer.Opcode != dns.OpcodeNotify {
			continue // not what was asked
		}
		if signer != nil && answer.IsTsig() != nil && signer.CheckAnswer(buf[:n]) != nil {
			continue
		}
		if answer.Rcode != dns.RcodeSuccess {
			return fmt.Errorf("it answers %s", dns.RcodeToString[answer.Rcode])
		}
		return nil
	}
}
