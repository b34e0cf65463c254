package dns

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema/rdata"
)

// A zone is compiled for answering; it is never changed.
type zone struct {
	name string // lower-case, with trailing dot
	soa  *dns.SOA
	// negative is the SOA as it goes with a negative answer: its TTL is the
	// smaller one of its own and its minimum (RFC 2308 §5).
	negative dns.RR
	// nodes holds every name of the zone, those that exist only because of names
	// below them (empty non-terminals) included.
	nodes map[string]*node
}

// A node is what a zone has at one name.
type node struct {
	sets map[uint16][]dns.RR
}

// compile makes a zone ready for answering. The error names the record that is
// wrong.
func compile(z store.Zone) (*zone, error) {
	name := dns.CanonicalName(z.Name)
	soa := &dns.SOA{
		Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: z.NegativeTTL},
		Ns:  z.Primary, Mbox: z.Contact, Serial: z.Serial,
		Refresh: z.Refresh, Retry: z.Retry, Expire: z.Expire, Minttl: z.NegativeTTL,
	}
	out := &zone{name: name, soa: soa, negative: soa, nodes: map[string]*node{}}
	out.node(name).sets[dns.TypeSOA] = []dns.RR{soa}
	for _, set := range z.RRsets {
		for _, v := range set.Values {
			rr, err := rdata.RR(rdata.Name(dns.CanonicalName(set.Name)), set.TTL, set.Type, v)
			if err != nil {
				return nil, fmt.Errorf("zone %s: %s %s %q: %w", z.Name, set.Name, set.Type, v, err)
			}
			owner := rr.Header().Name
			if !dns.IsSubDomain(name, owner) {
				return nil, fmt.Errorf("zone %s: %s lies outside", z.Name, owner)
			}
			n := out.node(owner)
			n.sets[rr.Header().Rrtype] = append(n.sets[rr.Header().Rrtype], rr)
		}
	}
	return out, nil
}

// node finds or makes the node of a name, and those between it and the apex.
func (z *zone) node(name string) *node {
	if n := z.nodes[name]; n != nil {
		return n
	}
	n := &node{sets: map[uint16][]dns.RR{}}
	z.nodes[name] = n
	if name != z.name {
		if parent, ok := parentOf(name); ok {
			z.node(parent)
		}
	}
	return n
}

func parentOf(name string) (string, bool) {
	i, end := dns.NextLabel(name, 0)
	if end {
		return ".", name != "."
	}
	return name[i:], true
}

// find looks up a name: its node, or the wildcard that stands for it (RFC 4592).
// exists is false where the name and a wildcard for it are missing.
func (z *zone) find(name string) (n *node, wildcard, exists bool) {
	if n := z.nodes[name]; n != nil {
		return n, false, true
	}
	// The closest encloser is the longest existing ancestor; only a wildcard
	// right below it counts.
	for anc := name; anc != z.name; {
		parent, ok := parentOf(anc)
		if !ok {
			break
		}
		anc = parent
		if z.nodes[anc] == nil {
			continue
		}
		if n := z.nodes["*."+anc]; n != nil {
			return n, true, true
		}
		break
	}
	return nil, false, false
}

// cut finds the delegation that a name lies at or below: the highest name below
// the apex with NS records. "" where there is none.
func (z *zone) cut(name string) string {
	best := ""
	for n := name; n != z.name && len(n) > len(z.name); {
		if node := z.nodes[n]; node != nil && len(node.sets[dns.TypeNS]) > 0 {
			best = n
		}
		parent, ok := parentOf(n)
		if !ok {
			break
		}
		n = parent
	}
	return best
}

// zones maps names to zones; it is replaced, never changed.
type zones map[string]*zone

// enclosing finds the zone that a name lies in: the one with the longest name.
func (zs zones) enclosing(name string) *zone {
	for n := name; ; {
		if z := zs[n]; z != nil {
			return z
		}
		parent, ok := parentOf(n)
		if !ok {
			return nil
		}
		n = parent
	}
}

// atName is a record set under another owner name, for wildcards. The query's
// own letter case is kept where the name was asked for.
func atName(set []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(set))
	for i, rr := range set {
		c := dns.Copy(rr)
		c.Header().Name = name
		out[i] = c
	}
	return out
}

// sameName compares names without regard to letter case.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }
