package dns

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A Draft is a zone that has been read and found right, and is not served yet, so
// that it can be signed.
type Draft struct{ zone *zone }

// Read reads a zone, as far as it is not served as it is already. The error names
// the record that is wrong, and its value.
func (s *Server) Read(z store.Zone) (*Draft, error) {
	var before *zone
	if n, ok := parseName(z.Name); ok {
		before = s.zones.Load().byName[n]
	}
	out, err := readZone(z, before)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", z.Name, err)
	}
	return &Draft{out}, nil
}

// Name is the canonical name of the zone.
func (d *Draft) Name() string { return d.zone.name.String() }

// Sets are the record sets of the zone, its SOA included, in no order.
func (d *Draft) Sets() []dnssec.Set {
	sets := make([]dnssec.Set, 0, len(d.zone.nodes)+8)
	for _, n := range d.zone.nodes {
		for _, s := range n.sets {
			sets = append(sets, dnssec.Set{SetKey: dnssec.SetKey{Name: s.rrs[0].Header().Name, Type: s.rrtype}, RRs: s.rrs})
		}
	}
	return sets
}

// sign takes over what signing has made of the zone: signatures, the records that
// it adds, and another serial.
func (z *zone) sign(signed *dnssec.Zone) error {
	for _, s := range signed.Sets {
		if s.Type == dns.TypeNSEC3 {
			continue // its name is one only for proofs (RFC 5155 §7.2.8)
		}
		owner, ok := parseName(s.Name)
		if !ok {
			return fmt.Errorf("the name %q of a signed set is none", s.Name)
		}
		set, err := newSigned(s)
		if err != nil {
			return err
		}
		z.node(owner).replace(set)
		if s.Type == dns.TypeSOA {
			z.soa = set
		}
	}
	links := make([]*rrset, 0, len(signed.Chain))
	for _, s := range signed.Chain {
		set, err := newSigned(s)
		if err != nil {
			return err
		}
		links = append(links, set)
	}
	z.signed, z.proofs, z.chain = true, signed, links
	return nil
}

func newSigned(s *dnssec.Set) (*rrset, error) {
	set, err := newRRset(s.RRs)
	if err != nil {
		return nil, fmt.Errorf("record %s %s: %w", s.Name, dns.TypeToString[s.Type], err)
	}
	for _, sig := range s.Sigs {
		r, err := newRecord(sig)
		if err != nil {
			return nil, fmt.Errorf("signature of %s %s: %w", s.Name, dns.TypeToString[s.Type], err)
		}
		set.sigs = append(set.sigs, r)
	}
	return set, nil
}

// replace puts a set in the place of the one of its type, or adds it.
func (n *node) replace(set *rrset) {
	for i, s := range n.sets {
		if s.rrtype == set.rrtype {
			n.sets[i] = set
			return
		}
	}
	n.sets = append(n.sets, set)
	n.sort()
}

// signatures are those of all sets of a node, as a set of their own; nil where
// there are none.
func (n *node) signatures() *rrset {
	out := &rrset{rrtype: dns.TypeRRSIG}
	for _, s := range n.sets {
		out.records = append(out.records, s.sigs...)
	}
	if len(out.records) == 0 {
		return nil
	}
	return out
}
