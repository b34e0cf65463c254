package expand

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/parallel"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A setKey is what there can be only one record set of.
type setKey struct {
	zone   *zone
	name   rdata.Name
	rrtype string
}

// A rrset is a record set on its way to a resource, or to a line for the one who
// runs the zone.
type rrset struct {
	setKey
	block  *block
	suffix string // of the address
	src    value  // what declares it
	ttl    number
	values []string
	// valuesKnown is unknown if some value is.
	valuesKnown fact
	// staged is what a record block says of its moves.
	staged value
	// made sets come from a server or a domain, others from a record block.
	made bool
}

// data is where the values stand.
func (s *rrset) data() value {
	if s.block.inst.Ref.Type == "record" {
		return s.src.e.section(s.block).attr("values")
	}
	return s.src
}

func (s *rrset) address() string { return s.block.addr + s.suffix }

// addSet takes a record set in. Sets of one name and type are an error, with
// two exceptions: servers that share a name share its addresses, and record
// blocks may add further TXT and NS records to what a domain or a zone has at
// its name, since there is no other place for them.
func (e *expander) addSet(s *rrset) {
	other := e.sets[s.setKey]
	if other == nil {
		e.sets[s.setKey] = s
		e.setList = append(e.setList, s)
		s.zone.sets = append(s.zone.sets, s)
		return
	}
	atApex := s.name == s.zone.name && (s.rrtype == "TXT" || s.rrtype == "NS")
	switch {
	case s.made && other.made, other.made && atApex:
		if s.ttl != other.ttl && s.ttl.f == known && other.ttl.f == known && !s.made {
			e.failed("record-ttl", s, s.src,
				"The %s records of %s also come from %s (%s), with a ttl of %d seconds. Records of one name and type have one ttl; leave out the ttl of %s.",
				s.rrtype, s.name, other.address(), at(other.src.rng()), other.ttl.n, s.block.addr)
			return
		}
		if other.valuesKnown == known {
			other.valuesKnown = s.valuesKnown
		}
		other.values = sorted(append(other.values, s.values...))
	default:
		e.failed("record-duplicate", s, s.src,
			"The %s records of %s already come from %s (%s). All records of one name and type belong into one block.",
			s.rrtype, s.name, other.address(), at(other.src.rng()))
	}
}

// emitSets makes resources of the record sets in zones that we hold.
func (e *expander) emitSets() {
	const atOnce = 8192 // whose attributes are in memory twice
	for list := range slices.Chunk(e.setList, atOnce) {
		var attrs []map[string]cty.Value
		first := len(e.out)
		for _, s := range list {
			if s.zone.target == "" {
				continue
			}
			attrs = append(attrs, s.attrs(e))
			e.put(s.block, s.suffix, schema.KindRRset, s.zone.target, s.zone.name.Host()+"/"+string(s.name)+"/"+s.rrtype)
			e.out[len(e.out)-1].Staging = s.staging()
		}
		parallel.Each(len(attrs), func(i int) { e.out[first+i].Attrs = rrsetKind.Object(attrs[i]) })
	}
}

var rrsetKind = schema.KindByName(schema.KindRRset)

func (s *rrset) attrs(e *expander) map[string]cty.Value {
	return map[string]cty.Value{
		"zone":   cty.StringVal(string(s.zone.name)),
		"name":   cty.StringVal(string(s.name)),
		"type":   cty.StringVal(s.rrtype),
		"ttl":    e.val(s.ttl),
		"values": list(s.values, s.valuesKnown),
	}
}

// lines are the records of a set as lines of a zone file; false if they are not
// known yet.
func (s *rrset) lines() ([]string, bool) {
	if s.ttl.f != known || s.valuesKnown != known {
		return nil, false
	}
	out := make([]string, len(s.values))
	for i, v := range s.values {
		out[i] = rdata.Line(s.name, uint32(s.ttl.n), s.rrtype, v)
	}
	return out, true
}

// sorted are the sets of a zone: those of the zone itself first.
func (z *zone) sorted() []*rrset {
	out := slices.Clone(z.sets)
	slices.SortFunc(out, func(a, b *rrset) int {
		if apexA, apexB := a.name == z.name, b.name == z.name; apexA != apexB {
			if apexA {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.rrtype, b.rrtype))
	})
	return out
}

// expects words what a value should have been.
func expects(rrtype string) string {
	return strings.TrimSuffix("Expected is "+rdata.Expected(rrtype), ".") + "."
}
