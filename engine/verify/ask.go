package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// Queries over UDP are lost now and then: each is sent a second time before it
// counts as not answered.
const tries = 2

// An asker sends queries.
type asker struct {
	timeout time.Duration
	world   *world
	// resolvers are asked for what no name server of ours holds; host:port.
	resolvers []string
}

// ask puts a question to one server: over UDP, and over TCP where the answer is
// too long.
func (a *asker) ask(ctx context.Context, server, name string, rrtype uint16, change func(*dns.Msg)) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), rrtype)
	m.SetEdns0(1232, false)
	if change != nil {
		change(m)
	}
	var err error
	for range tries {
		var in *dns.Msg
		c := &dns.Client{Timeout: a.timeout}
		if in, _, err = c.ExchangeContext(ctx, m, server); err == nil && in.Truncated {
			c.Net = "tcp"
			in, _, err = c.ExchangeContext(ctx, m, server)
		}
		if err == nil {
			return in, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// home is where a name is asked for: the name servers of the longest zone of ours
// that it lies in, or else the resolvers.
func (a *asker) home(name string) (servers []string, ours bool) {
	var best *zone
	for _, z := range a.world.zones {
		if len(z.servers) > 0 && rdata.Name(dns.CanonicalName(name)).In(z.name) && (best == nil || len(z.name) > len(best.name)) {
			best = z
		}
	}
	if best != nil {
		return best.servers, true
	}
	return a.resolvers, false
}

// errNoResolver says that there is nobody to ask.
var errNoResolver = errors.New("no resolver is known that could be asked; -resolver names one")

// lookup finds records by a name, through CNAME records, wherever they lie. There
// being none is no error.
func (a *asker) lookup(ctx context.Context, name string, rrtype uint16) ([]dns.RR, error) {
	for range 8 {
		servers, _ := a.home(name)
		if len(servers) == 0 {
			return nil, fmt.Errorf("%s: %w", name, errNoResolver)
		}
		var in *dns.Msg
		var err error
		for _, s := range servers {
			if in, err = a.ask(ctx, s, name, rrtype, nil); err == nil {
				break
			}
		}
		if err != nil {
			return nil, err
		}
		if in.Rcode != dns.RcodeSuccess && in.Rcode != dns.RcodeNameError {
			return nil, &net.DNSError{Err: "the answer is " + dns.RcodeToString[in.Rcode], Name: name, Server: servers[0], IsTemporary: in.Rcode == dns.RcodeServerFailure}
		}
		var found []dns.RR
		next := ""
		for _, rr := range in.Answer {
			switch {
			case rr.Header().Rrtype == rrtype:
				found = append(found, rr)
			case rr.Header().Rrtype == dns.TypeCNAME:
				next = rr.(*dns.CNAME).Target
			}
		}
		if len(found) > 0 || next == "" {
			return found, nil
		}
		name = next
	}
	return nil, fmt.Errorf("%s: more than eight CNAME records in a row", name)
}

func (a *asker) texts(ctx context.Context, name string) ([]string, error) {
	rrs, err := a.lookup(ctx, name, dns.TypeTXT)
	var out []string
	for _, rr := range rrs {
		if t, ok := rr.(*dns.TXT); ok {
			_, v, err := rdata.Value(t)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, err
}

func (a *asker) addresses(ctx context.Context, host string) ([]net.IP, error) {
	var out []net.IP
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
		rrs, err := a.lookup(ctx, host, t)
		if err != nil {
			return nil, err
		}
		for _, rr := range rrs {
			switch rr := rr.(type) {
			case *dns.A:
				out = append(out, rr.A)
			case *dns.AAAA:
				out = append(out, rr.AAAA)
			}
		}
	}
	return out, nil
}

// hosts are the MX hosts of a domain, without trailing dot.
func (a *asker) hosts(ctx context.Context, domain string) ([]*net.MX, error) {
	rrs, err := a.lookup(ctx, domain, dns.TypeMX)
	var out []*net.MX
	for _, rr := range rrs {
		if mx, ok := rr.(*dns.MX); ok && mx.Mx != "." {
			out = append(out, &net.MX{Host: strings.TrimSuffix(mx.Mx, "."), Pref: mx.Preference})
		}
	}
	return out, err
}

// A spfResolver answers the questions that SPF has. What is not there is an error
// of its own to it.
type spfResolver struct{ *asker }

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (r spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	out, err := r.texts(ctx, name)
	if err == nil && len(out) == 0 {
		err = notFound(name)
	}
	return out, err
}

func (r spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	out, err := r.hosts(ctx, name)
	if err == nil && len(out) == 0 {
		err = notFound(name)
	}
	return out, err
}

func (r spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	ips, err := r.addresses(ctx, host)
	if err == nil && len(ips) == 0 {
		err = notFound(host)
	}
	var out []net.IPAddr
	for _, ip := range ips {
		out = append(out, net.IPAddr{IP: ip})
	}
	return out, err
}

func (r spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	name, err := dns.ReverseAddr(addr)
	if err != nil {
		return nil, err
	}
	rrs, err := r.lookup(ctx, name, dns.TypePTR)
	var out []string
	for _, rr := range rrs {
		if ptr, ok := rr.(*dns.PTR); ok {
			out = append(out, ptr.Ptr)
		}
	}
	if err == nil && len(out) == 0 {
		err = notFound(name)
	}
	return out, err
}
