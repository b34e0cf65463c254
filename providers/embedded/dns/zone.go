package dns

import (
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
)

// zones is what the server answers from; it is replaced, never changed.
type zones struct {
	byName map[name]*zone
	// changed counts how often a zone came or went. What was made of several zones
	// holds as long as it stays.
	changed uint64
}

// enclosing finds the zone that a name lies in: the one with the longest name.
func (zs *zones) enclosing(n name) *zone {
	for {
		if z := zs.byName[n]; z != nil {
			return z
		}
		if n == root {
			return nil
		}
		n = n.parent()
	}
}

// A zone is compiled for answering; but for the bodies that are made on the way,
// it is never changed.
type zone struct {
	name name
	apex *node
	// soa is as it goes with a negative answer: its TTL is the smaller one of its
	// own and its minimum (RFC 2308 §3).
	soa *rrset
	// signed: there is more for a client that asks for DNSSEC (DO).
	signed bool
	// proofs finds what proves that something is not there, as places in chain.
	proofs *dnssec.Zone
	chain  []*rrset
	// read holds the sets as they were read, for the next version of the zone: of
	// 100,000 records one has changed, mostly.
	read map[source]*rrset
	// cut: there are delegations or DNAMEs.
	cut bool
	// answers is how many answers there may be to keep.
	answers int
	// prepared holds answers that have been given before.
	prepared prepared
	// empty and nothing are the answers that a name has not the type that was asked
	// for, and that there is no such name, without DNSSEC; signedEmpty and
	// signedNothing those with the signature of the SOA, which proofs follow.
	empty, nothing, signedEmpty, signedNothing *body
	// nodes holds every name of the zone, those that exist only because of names
	// below them (empty non-terminals) included.
	nodes map[name]*node
}

// A node is what a zone has at one name.
type node struct {
	name name
	sets []*rrset // by type
	// wildcard is the node of "*" right below.
	wildcard *node
	// above is the highest node, at or above this one and below the apex, with a
	// delegation or a DNAME: what lies below it is not the zone's to answer. At the
	// apex, only a DNAME counts.
	above *node
	// glue, at a delegation, holds the addresses of its name servers.
	glue []record
}

// An rrset is all records of one type. It does not know its zone, so that the
// next one can have it as well.
type rrset struct {
	// from is what the set was read from, where it was.
	from    store.RRset
	rrtype  uint16
	rrs     []dns.RR
	records []record
	// sigs are the signatures, for a client that asks for DNSSEC.
	sigs []record
}

// A source names a record set as the store does.
type source struct{ name, rrtype string }

// newRRset makes the records of a set ready for messages.
func newRRset(rrs []dns.RR) (*rrset, error) {
	s := &rrset{rrtype: rrs[0].Header().Rrtype, rrs: rrs, records: make([]record, len(rrs))}
	for i, rr := range rrs {
		var err error
		if s.records[i], err = newRecord(rr); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// set finds the records of a type; nil where there are none.
func (n *node) set(rrtype uint16) *rrset {
	for _, s := range n.sets {
		if s.rrtype == rrtype {
			return s
		}
	}
	return nil
}

// closest finds the node of a name in the zone, or of the nearest name above it
// that exists (the closest encloser of RFC 4592 §3.3.1).
func (z *zone) closest(n name) (_ *node, exact bool) {
	for at := n; ; at = at.parent() {
		if found := z.nodes[at]; found != nil {
			return found, len(at) == len(n)
		}
	}
}

// isDelegation reports whether a node is where a child zone begins.
func (z *zone) isDelegation(n *node) bool {
	return n != z.apex && n.set(dns.TypeNS) != nil
}

// delegates reports whether a child zone begins at a name.
func (z *zone) delegates(name name) bool {
	n := z.nodes[name]
	return n != nil && n.above == n && z.isDelegation(n)
}
