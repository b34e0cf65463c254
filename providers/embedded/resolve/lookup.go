package resolve

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// LookupTXT returns the texts of a name, each with its parts joined. The error
// says IsNotFound where there is none.
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return collect(ctx, r, name, dns.TypeTXT, func(rr *dns.TXT) string { return unescape(strings.Join(rr.Txt, "")) })
}

// unescape undoes what the DNS library does to bytes that are not printable.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case i+3 < len(s) && digits(s[i+1:i+4]):
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		default:
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// LookupMX returns the mail exchangers of a name, the most preferred first.
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mxs, err := collect(ctx, r, name, dns.TypeMX, func(rr *dns.MX) *net.MX { return &net.MX{Host: rr.Mx, Pref: rr.Preference} })
	slices.SortStableFunc(mxs, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	return mxs, err
}

// LookupNetIP returns the addresses of a host; network is "ip", "ip4" or "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	type found struct {
		addrs []netip.Addr
		err   error
	}
	var asked []chan found
	ask := func(f func() ([]netip.Addr, error)) {
		c := make(chan found, 1)
		asked = append(asked, c)
		go func() {
			addrs, err := f()
			c <- found{addrs, err}
		}()
	}
	if network != "ip6" {
		ask(func() ([]netip.Addr, error) {
			return collect(ctx, r, host, dns.TypeA, func(rr *dns.A) netip.Addr { a, _ := netip.AddrFromSlice(rr.A.To4()); return a })
		})
	}
	if network != "ip4" {
		ask(func() ([]netip.Addr, error) {
			return collect(ctx, r, host, dns.TypeAAAA, func(rr *dns.AAAA) netip.Addr { a, _ := netip.AddrFromSlice(rr.AAAA.To16()); return a })
		})
	}
	var addrs []netip.Addr
	var failed error
	for _, c := range asked {
		f := <-c
		addrs = append(addrs, f.addrs...)
		if f.err != nil && (failed == nil || notFound(failed)) {
			failed = f.err
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	return nil, failed
}

// LookupIPAddr returns all addresses of a host.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	out := make([]net.IPAddr, len(addrs))
	for i, a := range addrs {
		out[i] = net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	}
	return out, err
}

// LookupAddr returns the names of an address.
func (r *Resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	name, err := dns.ReverseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: "not an address", Name: addr, IsNotFound: true}
	}
	return collect(ctx, r, name, dns.TypePTR, func(rr *dns.PTR) string { return rr.Ptr })
}

// collect asks for records of a type and takes from each what is wanted of it.
func collect[RR dns.RR, T any](ctx context.Context, r *Resolver, name string, typ uint16, take func(RR) T) ([]T, error) {
	a, err := r.Query(ctx, name, typ)
	if err != nil {
		var de *net.DNSError
		if errors.As(err, &de) {
			return nil, de // bare: libraries look at the type
		}
		return nil, err
	}
	out := make([]T, 0, len(a.Records))
	for _, rr := range a.Records {
		if t, ok := rr.(RR); ok {
			out = append(out, take(t))
		}
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no such record", Name: name, IsNotFound: true}
	}
	return out, nil
}

func notFound(err error) bool {
	var de *net.DNSError
	return errors.As(err, &de) && de.IsNotFound
}
