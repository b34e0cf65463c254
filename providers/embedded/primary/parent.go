package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

const (
	askTimeout = 5 * time.Second
	// maxAgents bounds how many servers of a parent are asked.
	maxAgents = 16
)

// AskParent asks the servers of a zone's parent for its DS records. All that answer
// have to say the same: caches may have got theirs from any of them. Those that are
// named have to answer; of those that are looked up, one.
func AskParent(ctx context.Context, zone string, agents []string) (dnssec.Parent, error) {
	named := len(agents) > 0
	if !named {
		var err error
		if agents, err = findAgents(ctx, zone); err != nil {
			return dnssec.Parent{}, err
		}
	}
	var out dnssec.Parent
	var errs []error
	for _, agent := range agents {
		p, err := askAgent(ctx, zone, agent)
		switch {
		case err != nil && named:
			return dnssec.Parent{}, err
		case err != nil:
			errs = append(errs, err)
		case out.Seen && !sameDS(out.DS, p.DS):
			return dnssec.Parent{}, fmt.Errorf("%s and %s have different DS records", agents[0], agent)
		default:
			p.TTL = max(p.TTL, out.TTL)
			out = p
		}
	}
	if !out.Seen {
		return dnssec.Parent{}, errors.Join(errs...)
	}
	return out, nil
}

// askAgent asks one server, which has to be one of the parent's own.
func askAgent(ctx context.Context, zone, agent string) (dnssec.Parent, error) {
	q := new(dns.Msg).SetQuestion(zone, dns.TypeDS)
	q.RecursionDesired = false
	q.SetEdns0(1232, false)
	m, err := exchange(ctx, q, agent)
	if err != nil {
		return dnssec.Parent{}, fmt.Errorf("ask %s for the DS of %s: %w", agent, zone, err)
	}
	if m.Rcode != dns.RcodeSuccess || !m.Authoritative {
		return dnssec.Parent{}, fmt.Errorf("ask %s for the DS of %s: it answers %s, and is not authoritative for it or does not know the zone",
			agent, zone, dns.RcodeToString[m.Rcode])
	}
	p := dnssec.Parent{Seen: true}
	for _, rr := range m.Answer {
		if ds, ok := rr.(*dns.DS); ok && dns.CanonicalName(ds.Hdr.Name) == zone {
			p.DS, p.TTL = append(p.DS, ds), max(p.TTL, ds.Hdr.Ttl)
		}
	}
	return p, nil
}

// exchange asks by UDP, and by TCP where that is not enough.
func exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c := &dns.Client{Timeout: askTimeout}
	m, _, err := c.ExchangeContext(ctx, q, server)
	if err == nil && m.Truncated {
		c.Net = "tcp"
		m, _, err = c.ExchangeContext(ctx, q, server)
	}
	return m, err
}

// findAgents looks up the servers of the zone above, by the machine's resolver.
func findAgents(ctx context.Context, zone string) ([]string, error) {
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(conf.Servers) == 0 {
		return nil, errors.New("the machine has no resolver in /etc/resolv.conf; name the parent's servers by parental_agents")
	}
	resolver := net.JoinHostPort(conf.Servers[0], conf.Port)
	for at := zone; at != "."; {
		i, end := dns.NextLabel(at, 0)
		if at = at[i:]; end {
			at = "."
		}
		m, err := exchange(ctx, new(dns.Msg).SetQuestion(at, dns.TypeNS), resolver)
		if err != nil {
			return nil, fmt.Errorf("look up the servers of %s: %w", at, err)
		}
		var agents []string
		for _, rr := range m.Answer {
			ns, ok := rr.(*dns.NS)
			if !ok {
				continue
			}
			ips, err := net.DefaultResolver.LookupHost(ctx, strings.TrimSuffix(ns.Ns, "."))
			if err != nil {
				continue // another one will do
			}
			for _, ip := range ips {
				agents = append(agents, net.JoinHostPort(ip, "53"))
			}
		}
		if len(agents) > 0 {
			return agents[:min(len(agents), maxAgents)], nil
		}
	}
	return nil, fmt.Errorf("the servers of the zone above %s are not found", zone)
}

func sameDS(a, b []*dns.DS) bool {
	texts := func(list []*dns.DS) []string {
		var out []string
		for _, ds := range list {
			out = append(out, fmt.Sprintf("%d %d %d %s", ds.KeyTag, ds.Algorithm, ds.DigestType, strings.ToLower(ds.Digest)))
		}
		slices.SortFunc(out, cmp.Compare[string])
		return out
	}
	return slices.Equal(texts(a), texts(b))
}
