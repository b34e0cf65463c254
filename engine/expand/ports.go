package expand

import (
	"net"
	"net/netip"

	"github.com/hashicorp/hcl/v2"
)

// portUse says who listens on a port of a machine.
type portUse struct {
	exact map[netip.Addr]portClaim
	// wild are the claims on all addresses, of one family or of both.
	wild []portClaim
}

type portClaim struct {
	listen string // as in the listener
	addr   netip.Addr
	who    string // server.main.smtp
	rng    hcl.Range
}

// covers reports whether a claim on all addresses holds an address. A socket
// on [::] takes IPv4 too, and so does one without an address.
func (c portClaim) covers(a netip.Addr) bool {
	return !c.addr.IsValid() || c.addr.Is6() || a.Is4()
}

// claimPort notes who listens where, and refuses a second claim. target is the
// provider that listens: what it runs on is a machine of its own where it is
// reached by a connection.
func (e *expander) claimPort(listen, who, target string, v value) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return // reported where it was parsed
	}
	c := portClaim{listen: listen, who: who, rng: v.rng()}
	if host != "" {
		if c.addr, err = netip.ParseAddr(host); err != nil {
			return
		}
	}
	place := [2]string{e.machine(target), port}
	u := e.ports[place]
	if u == nil {
		u = &portUse{exact: map[netip.Addr]portClaim{}}
		e.ports[place] = u
	}
	if other, clash := u.find(c); clash {
		e.errorAt(c.rng, "Two services on one address",
			"%s cannot listen on %s: %s listens on %s already (%s).", who, listen, other.who, other.listen, at(other.rng))
		return
	}
	if c.wildcard() {
		u.wild = append(u.wild, c)
	} else {
		u.exact[c.addr] = c
	}
}

func (c portClaim) wildcard() bool { return !c.addr.IsValid() || c.addr.IsUnspecified() }

// find looks for a claim that stands in the way of another.
func (u *portUse) find(c portClaim) (portClaim, bool) {
	for _, w := range u.wild {
		if c.wildcard() || w.covers(c.addr) {
			return w, true
		}
	}
	if !c.wildcard() {
		other, ok := u.exact[c.addr]
		return other, ok
	}
	var first portClaim
	for _, x := range u.exact {
		// The map has no order, and the text of an error must have one.
		if c.covers(x.addr) && (first.who == "" || x.addr.Less(first.addr)) {
			first = x
		}
	}
	return first, first.who != ""
}
