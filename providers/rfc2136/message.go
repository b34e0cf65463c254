package rfc2136

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// reserve is what a message needs beside its records: header, question, SOA
// records, and the signature.
const reserve = 2048

// A unit is what has to be in one message: all edits of one name, since a server
// ignores a CNAME beside others, and others beside a CNAME.
type unit struct {
	demands []dns.RR // prerequisites (RFC 2136 §2.4)
	early   []dns.RR // a name server that keeps the place of others
	removes []dns.RR
	adds    []dns.RR
	// late are removals that come after everything else: those of the NS records
	// of a zone, of which a server keeps the last (RFC 2136 §3.4.2.4).
	late []dns.RR
	size int
}

// units divides what is to be done in a zone. Their order is that of the names, so
// that equal edits make equal messages.
func units(zone rdata.Name, edits []zonedata.Edit) ([]*unit, error) {
	byName := make(map[rdata.Name]int, len(edits))
	names := make([]rdata.Name, 0, len(edits))
	parts := make([][]*zonedata.Edit, 0, len(edits)) // by name
	for i := range edits {
		e := &edits[i]
		n, known := byName[e.Name]
		if !known {
			n = len(names)
			byName[e.Name] = n
			names, parts = append(names, e.Name), append(parts, nil)
		}
		parts[n] = append(parts[n], e)
	}
	slices.SortFunc(names, func(a, b rdata.Name) int { return cmp.Compare(a, b) })
	out := make([]*unit, len(names))
	errs := make([]error, len(names))
	parallel.Each(len(names), func(i int) {
		u := &unit{}
		for _, e := range parts[byName[names[i]]] {
			if errs[i] = u.add(zone, e); errs[i] != nil {
				return
			}
		}
		u.makeRoom(names[i], zone)
		u.measure(zone)
		out[i] = u
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// makeRoom takes everything away from a name that gets a CNAME, what the server
// has made itself included: Knot takes the NSEC record of what has just been
// removed for something that the CNAME would stand beside, and ignores it.
func (u *unit) makeRoom(name, zone rdata.Name) {
	if len(u.removes) == 0 || name == zone || !slices.ContainsFunc(u.adds, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME }) {
		return
	}
	u.removes = []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.TypeANY, Class: dns.ClassANY}}}
}

// beside finds what would stand beside a CNAME, which a server ignores then.
func beside(z *zonedata.Zone, edits []zonedata.Edit) error {
	for _, e := range edits {
		if e.Type != "CNAME" || e.After == nil {
			continue
		}
		for _, s := range z.At(e.Name) {
			stays := !slices.ContainsFunc(edits, func(o zonedata.Edit) bool { return o.Key == s.Key && o.After == nil })
			if s.Type != "CNAME" && stays {
				return fmt.Errorf("%s: a CNAME stands alone at its name (RFC 1034 §3.6.2), and there is %s: %s", e.Key, s.Key, s)
			}
		}
	}
	return nil
}

func (u *unit) add(zone rdata.Name, e *zonedata.Edit) error {
	rrtype := typeNumber(e.Type)
	bare := func(class uint16) dns.RR {
		return &dns.ANY{Hdr: dns.RR_Header{Name: string(e.Name), Rrtype: rrtype, Class: class}}
	}
	var before, after []dns.RR
	var err error
	if e.Before == nil {
		u.demands = append(u.demands, bare(dns.ClassNONE)) // there is none
	} else {
		if before, err = e.Before.RRs(); err != nil {
			return err
		}
		for _, rr := range before {
			u.demands = append(u.demands, with(rr, 0, dns.ClassINET)) // exactly these
		}
	}
	if e.After != nil {
		if after, err = e.After.RRs(); err != nil {
			return err
		}
	}
	u.adds = append(u.adds, after...)
	switch {
	case e.Before == nil:
	case e.Key == zonedata.Key{Name: zone, Type: "NS"}:
		if e.After == nil {
			return fmt.Errorf("%s: a zone has at least one NS record, and the server would keep the last (RFC 2136 §3.4.2.4). Declare other ones, or remove the zone", e.Key)
		}
		u.replaceNS(e, before)
	default:
		u.removes = append(u.removes, bare(dns.ClassANY))
	}
	return nil
}

// replaceNS takes away the NS records of a zone that do not stay. A server keeps
// the last of them, so the new ones come first. Knot does not give a record that
// is there already another TTL: such ones are taken away first, while another
// one keeps their place within the message.
func (u *unit) replaceNS(e *zonedata.Edit, before []dns.RR) {
	anew := e.Before.TTL != e.After.TTL && slices.ContainsFunc(e.Before.Values, func(v string) bool { return slices.Contains(e.After.Values, v) })
	if anew {
		place := &dns.NS{Hdr: dns.RR_Header{Name: string(e.Name), Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: e.After.TTL}, Ns: "place.mailform.invalid."}
		u.early = append(u.early, place)
		u.late = append(u.late, with(place, 0, dns.ClassNONE))
	}
	for i, v := range e.Before.Values {
		gone := with(recordOf(e.Before, before, i), 0, dns.ClassNONE)
		switch {
		case anew:
			u.removes = append(u.removes, gone)
		case !slices.Contains(e.After.Values, v):
			u.late = append(u.late, gone)
		}
	}
}

// recordOf finds the record of a value: values are sorted, records as they came.
func recordOf(s *zonedata.Set, records []dns.RR, i int) dns.RR {
	for _, rr := range records {
		if zonedata.Value(rr) == s.Values[i] {
			return rr
		}
	}
	return records[0]
}

// with is a copy of a record with another TTL and class.
func with(rr dns.RR, ttl uint32, class uint16) dns.RR {
	c := dns.Copy(rr)
	h := c.Header()
	h.Ttl, h.Class = ttl, class
	return c
}

// measure bounds the size of a unit from above: the zone's name is always written
// as a pointer.
func (u *unit) measure(zone rdata.Name) {
	for _, list := range [][]dns.RR{u.demands, u.early, u.removes, u.adds, u.late} {
		for _, rr := range list {
			u.size += dns.Len(rr) - len(zone) + 2
		}
	}
}

// messages puts units into as few messages as hold them.
func messages(all []*unit, limit int) [][]*unit {
	var out [][]*unit
	size := 0
	for _, u := range all {
		if len(out) == 0 || size+u.size > limit {
			out, size = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], u)
		size += u.size
	}
	return out
}

// update is one message. soa is demanded, and next is what the message makes of
// it; either may be nil.
func update(zone rdata.Name, list []*unit, soa, next *dns.SOA) *dns.Msg {
	m := new(dns.Msg).SetUpdate(string(zone))
	m.Compress = true
	if soa != nil {
		m.Answer = append(m.Answer, with(soa, 0, dns.ClassINET))
	}
	for _, u := range list {
		m.Answer = append(m.Answer, u.demands...)
	}
	for _, part := range []func(*unit) []dns.RR{
		func(u *unit) []dns.RR { return u.early },
		func(u *unit) []dns.RR { return u.removes },
		func(u *unit) []dns.RR { return u.adds },
		func(u *unit) []dns.RR { return u.late },
	} {
		for _, u := range list {
			m.Ns = append(m.Ns, part(u)...)
		}
	}
	if next != nil {
		m.Ns = append(m.Ns, next)
	}
	return m
}
