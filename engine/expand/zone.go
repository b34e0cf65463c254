package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A zone is that of a zone block or of a domain block.
type zone struct {
	*block
	name rdata.Name
	// target is the provider that holds it; empty for a domain without a name
	// server, whose records are made by someone else.
	target string
	ns     *nameserver
	ttl    number // of records without their own
	sets   []*rrset
	// hands says what in it is not ours; nil where that could not be told.
	hands *ignore.Zone
	// ds is what the parent is to have; signed is where the files say that the zone
	// is signed, and no value where it is not.
	ds     cty.Value
	signed value
	// cut and moved: there are delegations and DNAMEs in it.
	cut, moved bool
	// told: its time to live was found odd.
	told bool
	// staging is how records move that mail or queries follow; nil: at once. always
	// is the same for a record that says itself that it is staged.
	staging, always *schema.Staging
}

func (e *expander) readZones() {
	for _, b := range e.byType["zone"] {
		s := e.section(b)
		name, ok := readKey(s.attr("name"), parseDomain)
		_, nsBlock, nf := s.attr("nameserver").ref()
		if !ok || nf != known || e.nameservers[nsBlock] == nil {
			continue
		}
		ns := e.nameservers[nsBlock]
		z := &zone{block: b, name: name, target: ns.target, ns: ns, ttl: s.attr("ttl").ttl(defaultTTL("ttl"))}
		if !e.addZone(z, s.attr("name")) {
			continue
		}
		e.readIgnore(z, s)
		e.readStaging(z, s)
		e.emitZone(z, s)
	}
}

// parseDomain reads the name of a domain or a zone.
func parseDomain(s string) (rdata.Name, error) {
	name, err := schema.ParseDomainName(s)
	if err != nil {
		return "", err
	}
	return rdata.ParseName(name)
}

// addZone takes a zone in, unless there is one of that name.
func (e *expander) addZone(z *zone, v value) bool {
	if other := e.byZone[z.name]; other != nil {
		v.errorf("Zone declared twice", "%s is already the zone of %s (%s). A name is one zone; further records of it belong into record blocks.",
			z.name.Host(), other.addr, at(e.section(other.block).attr("name").rng()))
		return false
	}
	e.byZone[z.name] = z
	e.zones[z.block] = z
	e.zoneList = append(e.zoneList, z)
	return true
}

// defaultTTL is the default of a time in a zone block. A domain's zone has the
// same ones.
func defaultTTL(name string) number {
	n, err := schema.ParseTTL(schema.BlockByType("zone").Attribute(name).Default.AsString())
	if err != nil {
		return number{}
	}
	return number{int64(n), known}
}

// emitZone makes the zone and the NS records at its name. The section may be
// that of a domain, which has none of a zone's attributes.
func (e *expander) emitZone(z *zone, s section) {
	primary, pf := z.ns.host, known
	contact, cf := z.name.Under("hostmaster"), known
	if s.b.inst.Ref.Type == "zone" {
		if p, f := read(s.attr("primary"), parseHost); f != absent {
			primary, pf = p, f
		}
		if c, f := read(s.attr("contact"), rdata.ParseContact); f != absent {
			contact, cf = c, f
		}
	}
	attrs := map[string]cty.Value{
		"name":    cty.StringVal(string(z.name)),
		"primary": orUnknown(string(primary), pf),
		"contact": orUnknown(string(contact), cf),
	}
	for _, name := range []string{"refresh", "retry", "expire", "negative_ttl"} {
		attrs[name] = e.val(s.attr(name).ttl(defaultTTL(name)))
	}
	e.addDNSSEC(z, s)
	e.add(z.block, ".zone", schema.KindZone, z.target, z.name.Host(), attrs)
	e.addSet(&rrset{
		setKey: setKey{z, z.name, "NS"}, suffix: ".ns", block: z.block, src: s.attr("nameserver"),
		ttl: z.ttl, values: []string{string(z.ns.host)}, valuesKnown: known, made: true,
	})
}

// zoneOf is the zone that a name lies in: of several the innermost; nil if it is
// none of ours.
func (e *expander) zoneOf(name rdata.Name) *zone {
	for n := name; n != rdata.Root; n = n.Parent() {
		if z := e.byZone[n]; z != nil {
			return z
		}
	}
	return nil
}
