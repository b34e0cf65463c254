package transfer

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tsig"
)

// messageSize is about how long a message of a transfer gets, uncompressed: names
// can be pointed at only in its first 16 KiB.
const messageSize = 16 << 10

// Options make a Server.
type Options struct {
	// Keys are those that queries are signed with. The server fills it in.
	Keys *tsig.Ring
	// Retry are the times between attempts to tell a secondary of a change; nil:
	// from two seconds to an hour.
	Retry  []time.Duration
	Logger *slog.Logger
}

// A Server hands out zones. Its methods may be called from any goroutine.
type Server struct {
	o   Options
	log *slog.Logger

	mu     sync.RWMutex
	zones  map[string]*history
	allow  map[netip.Addr]bool // addresses that need no key
	copied bool                // somebody may copy
	tell   []*listener
	wakeUp chan struct{} // capacity 1: there may be somebody to tell
}

// New makes a server without zones.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Retry == nil {
		o.Retry = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	}
	return &Server{o: o, log: o.Logger, zones: map[string]*history{}, allow: map[netip.Addr]bool{}, wakeUp: make(chan struct{}, 1)}
}

// SetSecondaries says who may copy the zones, and who is told of changes: whoever is
// new, of all zones, since nobody knows what it has missed.
func (s *Server) SetSecondaries(list []store.Secondary) {
	var keys []tsig.Key
	allow := map[netip.Addr]bool{}
	var tell []*listener
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range list {
		var key *tsig.Key
		if one.KeyName != "" {
			key = &tsig.Key{Name: dns.CanonicalName(one.KeyName), Algorithm: one.KeyAlgorithm, Secret: one.Secret}
			keys = append(keys, *key)
		}
		if !one.Address.IsValid() {
			continue
		}
		if one.Unsigned {
			allow[one.Address.Addr().Unmap()] = true
		}
		l := newListener(one.Address, key)
		if i := slices.IndexFunc(s.tell, l.same); i >= 0 {
			l = s.tell[i]
		} else {
			for zone := range s.zones {
				l.expect(zone)
			}
		}
		tell = append(tell, l)
	}
	s.allow, s.tell, s.copied = allow, tell, len(list) > 0
	s.o.Keys.Set(keys)
	s.wake()
}

// Publish makes record sets the present version of a zone, and tells of it.
func (s *Server) Publish(zone string, sets []*dnssec.Set) {
	v := NewVersion(zone, sets)
	if v == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.zones[zone]
	if h == nil {
		h = &history{}
		s.zones[zone] = h
	}
	if h.now != nil && h.now.soa.Serial == v.soa.Serial {
		return // nothing that anybody would come for
	}
	// A copy: a transfer may be reading the journal of the other.
	next := &history{now: h.now, journal: h.journal[:len(h.journal):len(h.journal)]}
	next.publish(v, s.copied)
	s.zones[zone] = next
	for _, l := range s.tell {
		l.expect(zone)
	}
	s.wake()
}

// Remove forgets a zone.
func (s *Server) Remove(zone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zones, zone)
}

func (s *Server) history(zone string) *history {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.zones[zone]
}

// allowed reports whether an address needs no key.
func (s *Server) allowed(from netip.Addr) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.allow[from.Unmap()]
}

// Transfer answers a query for a zone that came over TCP from an address, by one
// message or more. The error is that of write.
func (s *Server) Transfer(packet []byte, from netip.Addr, write func([]byte) error) error {
	q := new(dns.Msg)
	if err := q.Unpack(packet); err != nil || len(q.Question) != 1 {
		return write(answerTo(packet, dns.RcodeFormatError))
	}
	signer, err := s.o.Keys.Check(packet, q)
	var refusal *tsig.Refusal
	switch {
	case errors.As(err, &refusal):
		s.log.Warn("transfer: a query is refused", "client", from.String(), "zone", q.Question[0].Name, "error", err)
		return write(refusal.Answer)
	case err != nil:
		return write(answerTo(packet, dns.RcodeFormatError))
	}
	out := &sender{query: q, signer: signer, write: write}
	h := s.history(dns.CanonicalName(q.Question[0].Name))
	switch {
	case q.Question[0].Qclass != dns.ClassINET, signer == nil && !s.allowed(from):
		s.log.Warn("transfer: a query is refused", "client", from.String(), "zone", q.Question[0].Name)
		return out.status(dns.RcodeRefused)
	case h == nil: // RFC 5936 §2.2.1
		return out.status(dns.RcodeNotAuth)
	case q.Question[0].Qtype == dns.TypeAXFR:
		return out.whole(h.now)
	}
	client, ok := serialOf(q)
	if !ok {
		return out.status(dns.RcodeFormatError)
	}
	if !older(client, h.now.soa.Serial) { // RFC 1995 §2
		out.add(h.now.soa)
		return out.flush()
	}
	if differences, known := h.since(client); known {
		return out.changes(h.now, differences)
	}
	return out.whole(h.now)
}

// answerTo answers what could not be read.
func answerTo(packet []byte, rcode int) []byte {
	m := new(dns.Msg)
	m.Response, m.Rcode = true, rcode
	if len(packet) > 1 {
		m.Id = uint16(packet[0])<<8 | uint16(packet[1])
	}
	wire, err := m.Pack()
	if err != nil { // a header alone can be packed
		return nil
	}
	return wire
}

// serialOf is the serial that a client of IXFR has (RFC 1995 §3).
func serialOf(q *dns.Msg) (uint32, bool) {
	for _, rr := range q.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial, true
		}
	}
	return 0, false
}

// A sender puts records into messages.
type sender struct {
	query  *dns.Msg
	signer *tsig.Signer
	write  func([]byte) error
	rrs    []dns.RR
	size   int
	later  bool // the first message has gone out
	err    error
}

func (o *sender) add(rr dns.RR) {
	if o.err != nil {
		return
	}
	n := dns.Len(rr)
	if o.size+n > messageSize && len(o.rrs) > 0 {
		o.err = o.flush()
	}
	o.rrs, o.size = append(o.rrs, rr), o.size+n
}

// whole sends a zone.
func (o *sender) whole(v *Version) error {
	o.add(v.soa)
	v.all(o.add)
	o.add(v.soa)
	return o.flush()
}

// changes sends what has changed (RFC 1995 §4).
func (o *sender) changes(v *Version, differences []*difference) error {
	o.add(v.soa)
	for _, d := range differences {
		o.add(d.from)
		for _, rr := range d.removed {
			o.add(rr)
		}
		o.add(d.to)
		for _, rr := range d.added {
			o.add(rr)
		}
	}
	o.add(v.soa)
	return o.flush()
}

func (o *sender) status(rcode int) error { return o.send(rcode) }

func (o *sender) flush() error {
	if o.err != nil {
		return o.err
	}
	return o.send(dns.RcodeSuccess)
}

// send sends what is gathered. Only the first message repeats the question (RFC 5936
// §2.2.1).
func (o *sender) send(rcode int) error {
	m := new(dns.Msg).SetRcode(o.query, rcode)
	m.Compress, m.Authoritative, m.Answer = true, rcode == dns.RcodeSuccess, o.rrs
	if o.later {
		m.Question = nil
	}
	if opt := o.query.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	var wire []byte
	var err error
	if o.signer != nil {
		wire, err = o.signer.Sign(m)
	} else {
		wire, err = m.Pack()
	}
	if err != nil {
		return err
	}
	o.rrs, o.size, o.later = o.rrs[:0], 0, true
	return o.write(wire)
}

// Run tells the secondaries of changes until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		next := s.round(ctx, &running)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.wakeUp:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// wake lets Run look at once.
func (s *Server) wake() {
	select {
	case s.wakeUp <- struct{}{}:
	default:
	}
}
