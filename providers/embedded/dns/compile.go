package dns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema/rdata"
)

// maxTTL is the longest time to live (RFC 2181 §8), in seconds.
const maxTTL = 1<<31 - 1

// maxShown is how much of a value an error shows, in bytes.
const maxShown = 80

// compile makes a zone ready for answering. The error names the record that is
// wrong, and its value.
func (s *Server) compile(z store.Zone) (*zone, error) {
	d, err := s.Read(z)
	if err != nil {
		return nil, err
	}
	d.zone.finish()
	return d.zone, nil
}

// readZone reads a zone. What has not changed since before, which may be nil, is not
// read again.
func readZone(z store.Zone, before *zone) (*zone, error) {
	var names [3]name
	for i, n := range []struct{ what, name string }{{"name", z.Name}, {"primary", z.Primary}, {"contact", z.Contact}} {
		var ok bool
		if names[i], ok = parseName(n.name); !ok {
			return nil, fmt.Errorf("the %s %q is no absolute domain name", n.what, n.name)
		}
	}
	soa, err := canonical(&dns.SOA{
		Hdr: dns.RR_Header{Name: dns.CanonicalName(z.Name), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: z.NegativeTTL},
		Ns:  z.Primary, Mbox: z.Contact, Serial: z.Serial,
		Refresh: z.Refresh, Retry: z.Retry, Expire: z.Expire, Minttl: z.NegativeTTL,
	})
	if err != nil {
		return nil, fmt.Errorf("record %s SOA: %w", z.Name, err)
	}
	out := &zone{name: names[0], nodes: make(map[name]*node, len(z.RRsets)+1), read: make(map[source]*rrset, len(z.RRsets))}
	if out.soa, err = newRRset([]dns.RR{soa}); err != nil {
		return nil, fmt.Errorf("record %s SOA: %w", z.Name, err)
	}
	out.apex = out.node(out.name)
	out.apex.sets = []*rrset{out.soa}
	for _, set := range z.RRsets {
		s, err := readSet(set, before)
		if err == nil {
			err = out.add(set, s)
		}
		if err != nil {
			return nil, fmt.Errorf("record %s %s: %w", set.Name, set.Type, err)
		}
	}
	for _, n := range out.nodes {
		if err := n.check(); err != nil {
			return nil, err
		}
		n.sort()
	}
	return out, nil
}

// finish makes a zone that has all its records ready.
func (z *zone) finish() {
	z.prepare()
	if !z.cut {
		return
	}
	for _, n := range z.nodes {
		z.link(n)
	}
	for _, n := range z.nodes {
		if z.isDelegation(n) {
			n.glue = z.glue(n.set(dns.TypeNS))
		}
	}
}

func (n *node) sort() {
	if len(n.sets) < 2 {
		return
	}
	slices.SortFunc(n.sets, func(a, b *rrset) int { return int(a.rrtype) - int(b.rrtype) })
}

// readSet reads a record set, unless it is as it was before.
func readSet(set store.RRset, before *zone) (*rrset, error) {
	if before != nil {
		old := before.read[source{set.Name, set.Type}]
		if old != nil && old.from.TTL == set.TTL && slices.Equal(old.from.Values, set.Values) {
			return old, nil
		}
	}
	switch {
	case set.TTL > maxTTL:
		return nil, fmt.Errorf("the TTL %d is longer than %d seconds", set.TTL, maxTTL)
	case len(set.Values) == 0:
		return nil, errors.New("there is no value")
	}
	var rrs []dns.RR
	for _, v := range set.Values {
		rr, err := rdata.RR(rdata.Name(dns.CanonicalName(set.Name)), set.TTL, set.Type, v)
		if err == nil {
			rr, err = canonical(rr)
		}
		if err != nil {
			return nil, fmt.Errorf("%w (%q)", err, v[:min(len(v), maxShown)])
		}
		if !slices.ContainsFunc(rrs, func(o dns.RR) bool { return dns.IsDuplicate(o, rr) }) {
			rrs = append(rrs, rr)
		}
	}
	s, err := newRRset(slices.Clip(rrs))
	if err != nil {
		return nil, err
	}
	s.from = set
	return s, nil
}

// add takes a record set in.
func (z *zone) add(set store.RRset, s *rrset) error {
	owner := s.records[0].owner
	switch {
	case owner != z.name && !owner.isBelow(z.name):
		return errors.New("it lies outside the zone")
	case s.rrtype == dns.TypeSOA, s.rrtype == dns.TypeOPT, isQuestionType(s.rrtype):
		return errors.New("this type cannot be in a zone")
	}
	n := z.node(owner)
	if n.set(s.rrtype) != nil {
		return errors.New("it is there twice")
	}
	n.sets = append(n.sets, s)
	z.answers++
	switch s.rrtype {
	case dns.TypeNS:
		z.cut = z.cut || n != z.apex
	case dns.TypeDNAME:
		z.cut = true
	case dns.TypeCNAME:
		z.answers += len(oftenAliased)
	}
	z.read[source{set.Name, set.Type}] = s
	return nil
}

// canonical is a record as it comes out of a message: so names have one form, and
// what cannot be sent is found now.
func canonical(rr dns.RR) (dns.RR, error) {
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("it cannot be put into a message: %w", err)
	}
	rr, _, err = dns.UnpackRR(buf[:n], 0)
	if err != nil {
		return nil, fmt.Errorf("it cannot be put into a message: %w", err)
	}
	return rr, nil
}

// node finds or makes the node of a name, and those between it and the apex.
func (z *zone) node(at name) *node {
	if n := z.nodes[at]; n != nil {
		return n
	}
	n := &node{name: at}
	z.nodes[at] = n
	if at != z.name {
		up := z.node(at.parent())
		if at.isWildcard() {
			up.wildcard = n
		}
	}
	return n
}

// check finds what cannot stand together at one name (RFC 1034 §3.6.2, RFC 6672
// §2.4).
func (n *node) check() error {
	if len(n.sets) == 1 && len(n.sets[0].rrs) == 1 {
		return nil
	}
	for _, rrtype := range []uint16{dns.TypeCNAME, dns.TypeDNAME} {
		set := n.set(rrtype)
		switch {
		case set == nil:
		case len(set.rrs) > 1:
			return fmt.Errorf("record %s %s: there are %d of them, and only one is possible", n.name, dns.TypeToString[rrtype], len(set.rrs))
		case rrtype == dns.TypeCNAME && len(n.sets) > 1:
			return fmt.Errorf("record %s CNAME: there are other records of this name", n.name)
		}
	}
	return nil
}

// link finds what a node lies below.
func (z *zone) link(n *node) {
	for at := n; ; at = z.nodes[at.name.parent()] {
		if z.isDelegation(at) || at.set(dns.TypeDNAME) != nil {
			n.above = at
		}
		if at == z.apex {
			return
		}
	}
}

// glue collects the addresses, as far as they are in the zone, of name servers.
func (z *zone) glue(ns *rrset) []record {
	var out []record
	var seen []name
	for _, r := range ns.records {
		target := r.target().fold()
		n := z.nodes[target]
		if n == nil || slices.Contains(seen, target) {
			continue
		}
		seen = append(seen, target)
		for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if set := n.set(rrtype); set != nil {
				out = append(out, set.records...)
			}
		}
	}
	return out
}

// isQuestionType reports whether a type is one that only questions and
// transactions have (RFC 6895 §3.1).
func isQuestionType(t uint16) bool { return t >= 128 && t <= 255 }
