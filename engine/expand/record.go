package expand

import (
	"errors"

	"github.com/mailform/mailform/schema/parallel"
	"github.com/mailform/mailform/schema/rdata"
)

// readRecords reads the record blocks on all processors, and then brings what they
// declare together in the order of the configuration.
func (e *expander) readRecords() {
	blocks := e.byType["record"]
	sets, apart := make([]*rrset, len(blocks)), make([]*expander, len(blocks))
	parallel.Each(len(blocks), func(i int) {
		own := *e // what it looks up is read only here; what it reports is its own
		own.diags, own.partial = nil, false
		sets[i] = own.readRecord(blocks[i])
		if len(own.diags) > 0 || own.partial {
			apart[i] = &own
		}
	})
	for i, set := range sets {
		if own := apart[i]; own != nil {
			e.diags, e.partial = append(e.diags, own.diags...), e.partial || own.partial
		}
		if set != nil {
			set.src.e, set.staged.e = e, e
			e.inheritTTL(set)
			e.addSet(set)
		}
	}
}

// readRecord is what a record block declares; nil if it is wrong, or not known.
func (e *expander) readRecord(b *block) *rrset {
	s := e.section(b)
	z := e.zoneRef(s.attr("zone"))
	rrtype, tok := readKey(s.attr("type"), rdata.ParseType)
	if z == nil || !tok {
		return nil
	}
	b.parent = z.block
	nv := s.attr("name")
	name, ok := readKey(nv, func(text string) (rdata.Name, error) {
		n, err := rdata.ParseOwner(text, z.name)
		if errors.Is(err, rdata.ErrOutside) {
			nv.errorf("Record outside its zone", "%s does not lie in the zone %s of %s. A name that ends in a dot is complete; without the dot it lies below the zone.",
				nv.show(), z.name.Host(), z.addr)
			return z.name, errReported
		}
		return n, err
	})
	if !ok {
		return nil
	}
	if inner := e.zoneOf(name); inner != nil && inner != z && rrtype != "NS" && rrtype != "DS" {
		nv.errorf("Record outside its zone", "%s lies in the zone %s of %s, which hides it from the zone %s. Write zone = %s instead.",
			name.Host(), inner.name.Host(), inner.addr, z.name.Host(), zoneReference(inner))
		return nil
	}
	set := &rrset{setKey: setKey{z, name, rrtype}, suffix: ".rrset", block: b, src: nv, ttl: s.attr("ttl").ttl(number{f: absent}), staged: s.attr("staged")}
	set.values, set.valuesKnown = e.readValues(s.attr("values"), rrtype, z)
	return set
}

// inheritTTL gives a set without a time to live of its own that of what it adds
// to, or that of the zone.
func (e *expander) inheritTTL(set *rrset) {
	if set.ttl.f != absent {
		return
	}
	set.ttl = set.zone.ttl
	if other := e.sets[set.setKey]; other != nil {
		set.ttl = other.ttl
	}
}

func zoneReference(z *zone) string {
	if z.inst.Ref.Type == "domain" {
		return z.addr + ".zone"
	}
	return z.addr
}

// zoneRef finds the zone that a record names: zone.x, domain.x.zone or domain.x.
func (e *expander) zoneRef(v value) *zone {
	ref, b, f := v.ref()
	switch {
	case f == absent:
		v.errorf("Missing value", "%s has to name a zone.", v.path)
		return nil
	case f == unknown:
		return nil
	case ref.Type == "domain":
		if d := e.domains[b]; d != nil {
			return d.zone
		}
		return nil
	case ref.Type == "zone":
		return e.zones[b]
	}
	v.errorf("Unsuitable value", "%s is %s, which is no zone.", v.path, ref)
	return nil
}

// readValues brings the values of a record set into canonical form. What is
// wrong counts as unknown, so that it is reported once.
func (e *expander) readValues(v value, rrtype string, z *zone) ([]string, fact) {
	elems, f := v.list()
	if f == unknown {
		return nil, unknown
	}
	if len(elems) == 0 {
		v.errorf("Record without values", "A record set has at least one value. %s", expects(rrtype))
		return nil, unknown
	}
	values, all := make([]string, 0, len(elems)), known
	for _, el := range elems {
		if el.fact() != known {
			all = unknown
			continue
		}
		c, err := rdata.Canonical(rrtype, el.v.AsString(), z.name)
		switch {
		case errors.Is(err, rdata.ErrAddress):
			e.failedFixed("target-address", el, "%s has an IP address where %s records have a name. A host of that name then has A and AAAA records with its addresses.", el.show(), rrtype)
			all = unknown
		case err != nil:
			el.errorf("Unsuitable record value", "%s is no value of a record of type %s: %s. %s", el.show(), rrtype, err, expects(rrtype))
			all = unknown
		default:
			values = append(values, c)
		}
	}
	return sorted(values), all
}
