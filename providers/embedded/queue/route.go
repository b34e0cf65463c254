package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/mtasts"
)

// A host is one server to try, with its addresses in order.
type host struct {
	name  string
	addrs []netip.AddrPort
}

// maxAddrs is how many addresses of a destination are tried in one attempt.
const maxAddrs = 10

// A route is the way of a job.
type route struct {
	// domain is that of the recipients; empty on the way to a relay.
	domain string
	relay  *Relay
	hosts  []host // best first
	// authentic: the hosts are known to be the domain's, by DNSSEC.
	authentic bool
	sts       *mtasts.Policy // nil: there is none
}

// route finds the way of a job. The outcome is set when there is none.
func (q *Queue) route(ctx context.Context, j *job) (*route, *outcome) {
	if j.relay != nil {
		hosts, none := q.relay(ctx, j.relay.Host)
		return &route{relay: j.relay, hosts: hosts}, none
	}
	rt := &route{domain: j.dest}
	var none *outcome
	if rt.hosts, none = q.exchangers(ctx, j.dest); none != nil {
		return nil, none
	}
	rt.authentic = q.authenticMX(ctx, j.dest)
	return rt, q.sts(ctx, rt)
}

// exchangers finds the hosts that take mail for a domain, best first.
func (q *Queue) exchangers(ctx context.Context, dest string) ([]host, *outcome) {
	s := q.o.Settings()
	if dest == "" || strings.HasPrefix(dest, "[") {
		return nil, &outcome{kind: failed, status: "5.1.2", text: "the address has no domain that mail can be sent to"}
	}
	mxs, err := q.o.Resolver.LookupMX(ctx, dest+".")
	// LookupMX returns what is usable together with an error about the rest.
	if len(mxs) == 0 && err != nil && !notFound(err) {
		return nil, &outcome{kind: deferred, status: "4.4.3", text: "MX records of " + dest + " cannot be looked up: " + err.Error()}
	}
	if len(mxs) == 1 && strings.TrimSuffix(mxs[0].Host, ".") == "" {
		// RFC 7505
		return nil, &outcome{kind: failed, status: "5.1.10", text: dest + " says that it takes no mail (null MX)"}
	}
	implicit := len(mxs) == 0
	if implicit {
		// RFC 5321 §5.1: the domain itself is its mail server.
		mxs = []*net.MX{{Host: dest + "."}}
	}
	return q.hosts(ctx, s, dest, mxs, implicit)
}

// hosts resolves MX records. Where this server is among them, only those that
// are preferred to it remain (RFC 5321 §5.1), since the others would send the
// mail back here.
func (q *Queue) hosts(ctx context.Context, s Settings, dest string, mxs []*net.MX, implicit bool) ([]host, *outcome) {
	mxs = slices.Clone(mxs)
	rand.Shuffle(len(mxs), func(i, j int) { mxs[i], mxs[j] = mxs[j], mxs[i] })
	slices.SortStableFunc(mxs, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var found []host
	var prefs []uint16
	var lookupErr error
	missing, self := 0, -1
	for _, mx := range mxs {
		name := strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		if strings.EqualFold(name, s.Hostname) {
			self = int(mx.Pref)
			break
		}
		ips, err := q.o.Resolver.LookupNetIP(ctx, "ip", name+".")
		if err != nil {
			lookupErr = err
			if notFound(err) {
				missing++
			}
			continue
		}
		h := host{name: name}
		for _, ip := range ips {
			ip = ip.Unmap()
			if slices.Contains(s.Addresses, ip.String()) {
				self = int(mx.Pref)
			}
			h.addrs = append(h.addrs, netip.AddrPortFrom(ip, smtpPort))
		}
		if self >= 0 {
			break
		}
		found, prefs = append(found, h), append(prefs, mx.Pref)
	}
	if self >= 0 {
		// Sorted by preference: cut off those equal to our own.
		for len(found) > 0 && int(prefs[len(prefs)-1]) >= self {
			found, prefs = found[:len(found)-1], prefs[:len(prefs)-1]
		}
		if len(found) == 0 {
			return nil, &outcome{kind: failed, status: "5.4.6", text: "mail for " + dest + " loops back to this server, which does not take it"}
		}
	}
	if len(found) == 0 {
		if implicit && missing > 0 {
			return nil, &outcome{kind: failed, status: "5.1.2", text: "domain " + dest + " does not exist or has no mail server"}
		}
		return nil, &outcome{kind: deferred, status: "4.4.4", text: "no mail server of " + dest + " can be looked up: " + lookupErr.Error()}
	}
	return found, nil
}

// relay resolves the smarthost.
func (q *Queue) relay(ctx context.Context, hostport string) ([]host, *outcome) {
	name, port, err := net.SplitHostPort(hostport)
	if err != nil {
		name, port = hostport, strconv.Itoa(smtpPort)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, &outcome{kind: deferred, status: "4.3.5", text: "the relay host's port " + strconv.Quote(port) + " is not a number"}
	}
	h := host{name: name}
	if ip, ok := isAddress(name); ok {
		h.addrs = []netip.AddrPort{netip.AddrPortFrom(ip, uint16(n))}
		return []host{h}, nil
	}
	ips, err := q.o.System.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, &outcome{kind: deferred, status: "4.4.4", text: "the relay host cannot be looked up: " + err.Error()}
	}
	for _, ip := range ips {
		h.addrs = append(h.addrs, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
	}
	return []host{h}, nil
}

// notFound says that a name does not exist or has no such records, as opposed
// to that nobody could tell.
func notFound(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}
