package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Options make a Resolver. The zero value of a field means its default.
type Options struct {
	// Servers are asked in this order: addresses with or without a port. None:
	// those of /etc/resolv.conf.
	Servers []string
	// Timeout of one question to one server; 3 s.
	Timeout time.Duration
	// Rounds through the servers before a question is given up; 2.
	Rounds int
	// Kept is how many answers are kept; 10,000.
	Kept int
	// Now is the clock of what is kept; nil: time.Now.
	Now func() time.Time
}

// systemFile says where the system's resolvers are, and systemFor is how long it
// is believed until it is read again.
const (
	systemFile = "/etc/resolv.conf"
	systemFor  = 30 * time.Second
)

// A Resolver asks recursive resolvers. It can be used by many goroutines.
type Resolver struct {
	o     Options
	cache cache

	mu      sync.Mutex
	servers []string // as told; none: the system's
	system  []string
	read    time.Time // when the system's were read
	asking  map[question]*call
}

type question struct {
	name string // absolute, lower case
	typ  uint16
}

// A call is a question that is under way.
type call struct {
	done   chan struct{}
	answer Answer
	err    error
}

// New makes a resolver.
func New(o Options) *Resolver {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Rounds <= 0 {
		o.Rounds = 2
	}
	if o.Kept <= 0 {
		o.Kept = 10000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Resolver{o: o, asking: map[question]*call{}, cache: cache{limit: o.Kept}}
	r.Set(o.Servers)
	return r
}

// Set takes other servers; none: the system's. What was kept is forgotten where
// they differ.
func (r *Resolver) Set(servers []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make([]string, len(servers))
	for i, s := range servers {
		next[i] = withPort(s)
	}
	if strings.Join(next, " ") != strings.Join(r.servers, " ") {
		r.cache.clear()
	}
	r.servers = next
}

// withPort gives an address the port of the DNS where it has none.
func withPort(s string) string {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53).String()
	}
	return s
}

// ask are the servers for a question.
func (r *Resolver) ask() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.servers) > 0 {
		return r.servers, nil
	}
	now := time.Now()
	if r.system == nil || now.Sub(r.read) > systemFor {
		conf, err := dns.ClientConfigFromFile(systemFile)
		switch {
		case err == nil:
			r.system = nil
			for _, s := range conf.Servers {
				r.system = append(r.system, withPort(s))
			}
		case !errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("read %s: %w", systemFile, err)
		}
		if len(r.system) == 0 {
			r.system = []string{"127.0.0.1:53", "[::1]:53"} // resolv.conf(5)
		}
		r.read = now
	}
	return r.system, nil
}

// An Answer is what the DNS has for a name and a type.
type Answer struct {
	// Records of the type asked for, at the end of whatever aliases there are.
	// None: the name is there and has none.
	Records []dns.RR
	// Authentic says that the resolver vouches for the whole answer by DNSSEC.
	Authentic bool
	// TTL is how long the answer holds.
	TTL time.Duration
}

// Query asks for the records of a type. The error is a *net.DNSError: with
// IsNotFound for a name that does not exist (the answer then still says whether
// that is authentic), with IsTemporary where nobody could say.
func (r *Resolver) Query(ctx context.Context, name string, typ uint16) (Answer, error) {
	q := question{strings.ToLower(dns.Fqdn(name)), typ}
	if _, ok := dns.IsDomainName(q.name); !ok {
		return Answer{}, &net.DNSError{Err: "not a domain name", Name: name, IsNotFound: true}
	}
	if a, err, ok := r.cache.get(q, r.o.Now()); ok {
		return a, err
	}
	for {
		r.mu.Lock()
		c, others := r.asking[q]
		if !others {
			c = &call{done: make(chan struct{})}
			r.asking[q] = c
		}
		r.mu.Unlock()
		if !others {
			c.answer, c.err = r.exchange(ctx, q)
			r.mu.Lock()
			delete(r.asking, q)
			r.mu.Unlock()
			close(c.done)
			return c.answer, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return Answer{}, temporary(q, ctx.Err())
		}
		// Who asked may have lost patience where we have not.
		if !(errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded)) || ctx.Err() != nil {
			return c.answer, c.err
		}
	}
}

// exchange asks the servers until one knows.
func (r *Resolver) exchange(ctx context.Context, q question) (Answer, error) {
	servers, err := r.ask()
	if err != nil {
		return Answer{}, temporary(q, err)
	}
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.typ)
	m.AuthenticatedData = true
	m.SetEdns0(1232, false)
	err = errors.New("no resolvers")
	for range r.o.Rounds {
		for _, s := range servers {
			var reply *dns.Msg
			if reply, err = r.exchangeWith(ctx, m, s); err == nil {
				a, aerr := answerOf(q, reply)
				r.cache.put(q, a, aerr, r.o.Now())
				return a, aerr
			}
			if ctx.Err() != nil {
				return Answer{}, temporary(q, ctx.Err())
			}
		}
	}
	return Answer{}, temporary(q, err)
}

// exchangeWith asks one server, over TCP where the answer is too long for UDP.
func (r *Resolver) exchangeWith(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	reply, err := r.exchangeOver(ctx, "udp", m, server)
	if err == nil && reply.Truncated {
		reply, err = r.exchangeOver(ctx, "tcp", m, server)
	}
	switch {
	case err != nil:
		return nil, err
	case reply.Truncated:
		return nil, fmt.Errorf("%s cuts off its answer over TCP", server)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s", server, dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

func (r *Resolver) exchangeOver(ctx context.Context, network string, m *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	m.Id = dns.Id()
	c := dns.Client{Net: network, Timeout: r.o.Timeout}
	reply, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && !answers(reply, m) {
		return nil, fmt.Errorf("%s answers another question", server)
	}
	return reply, err
}

func answers(reply, m *dns.Msg) bool {
	if !reply.Response || len(reply.Question) != 1 {
		return false
	}
	a, b := reply.Question[0], m.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// maxAliases is how many CNAMEs are followed.
const maxAliases = 10

// answerOf takes a reply apart.
func answerOf(q question, reply *dns.Msg) (Answer, error) {
	a := Answer{Authentic: reply.AuthenticatedData, TTL: longest}
	name := q.name
	for range maxAliases {
		next := ""
		for _, rr := range reply.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Class != dns.ClassINET {
				continue
			}
			switch {
			case h.Rrtype == q.typ:
				a.Records = append(a.Records, rr)
			case h.Rrtype == dns.TypeCNAME:
				next = rr.(*dns.CNAME).Target
			default:
				continue
			}
			a.TTL = min(a.TTL, time.Duration(h.Ttl)*time.Second)
		}
		if len(a.Records) > 0 || next == "" {
			break
		}
		name = next
	}
	if len(a.Records) > 0 {
		return a, nil
	}
	a.TTL = min(a.TTL, negativeTTL(reply))
	if reply.Rcode == dns.RcodeNameError {
		return a, &net.DNSError{Err: "no such host", Name: q.name, IsNotFound: true}
	}
	return a, nil
}

// negativeTTL is how long something is not there (RFC 2308 §5).
func negativeTTL(reply *dns.Msg) time.Duration {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(longestNot, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second)
		}
	}
	return 0
}

// An unanswered error keeps why there was no answer.
type unanswered struct {
	net.DNSError
	cause error
}

// Unwrap is for errors.As and errors.Is.
func (u *unanswered) Unwrap() []error { return []error{&u.DNSError, u.cause} }

func temporary(q question, cause error) error {
	var ne net.Error
	return &unanswered{net.DNSError{
		Err: cause.Error(), Name: q.name, IsTemporary: true,
		IsTimeout: errors.Is(cause, context.DeadlineExceeded) || errors.As(cause, &ne) && ne.Timeout(),
	}, cause}
}
