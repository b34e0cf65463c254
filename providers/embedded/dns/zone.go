package dns

import "github.com/miekg/dns"

// zones maps names to zones; it is replaced, never changed. Names are in
// canonical form: absolute and lower-case.
type zones map[string]*zone

// enclosing finds the zone that a name lies in: the one with the longest name.
func (zs zones) enclosing(name string) *zone {
	for {
		if z := zs[name]; z != nil {
			return z
		}
		if name == "." {
			return nil
		}
		name = parent(name)
	}
}

// parent is the name without its first label. That of the root is the root.
func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// A zone is compiled for answering; it is never changed.
type zone struct {
	name string
	apex *node
	// negative is the SOA as it goes with a negative answer: its TTL is the
	// smaller one of its own and its minimum (RFC 2308 §3).
	negative []dns.RR
	// nodes holds every name of the zone, those that exist only because of names
	// below them (empty non-terminals) included.
	nodes map[string]*node
}

// A node is what a zone has at one name.
type node struct {
	name string
	sets []rrset
	// wildcard is the node of "*" right below.
	wildcard *node
	// above is the highest node, at or above this one and below the apex, with a
	// delegation or a DNAME: what lies below it is not the zone's to answer. At the
	// apex, only a DNAME counts.
	above *node
}

// An rrset is all records of one type. No slice has room at its end, so that
// appending to one in an answer never changes the zone.
type rrset struct {
	rrtype uint16
	rrs    []dns.RR
	// extra holds the addresses of the names that the records point to.
	extra []dns.RR
}

// set finds the records of a type; nil where there are none.
func (n *node) set(rrtype uint16) *rrset {
	for i := range n.sets {
		if n.sets[i].rrtype == rrtype {
			return &n.sets[i]
		}
	}
	return nil
}

// closest finds the node of a name in the zone, or of the nearest name above it
// that exists (the closest encloser of RFC 4592 §3.3.1).
func (z *zone) closest(name string) (n *node, exact bool) {
	for at := name; ; at = parent(at) {
		if n := z.nodes[at]; n != nil {
			return n, at == name
		}
	}
}

// isDelegation reports whether a node is where a child zone begins.
func (z *zone) isDelegation(n *node) bool {
	return n != z.apex && n.set(dns.TypeNS) != nil
}

// delegates reports whether a child zone begins at a name.
func (z *zone) delegates(name string) bool {
	n := z.nodes[name]
	return n != nil && n.above == n && z.isDelegation(n)
}

// isBelow reports whether a canonical name lies below another one.
func isBelow(name, above string) bool {
	return name != above && dns.IsSubDomain(above, name)
}
