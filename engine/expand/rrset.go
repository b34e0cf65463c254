package expand

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
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
	// made sets come from a server or a domain, others from a record block.
	made bool
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
			s.src.errorf("Two times to live in one record set",
				"The %s records of %s also come from %s (%s), with a ttl of %d seconds. Records of one name and type have one ttl (RFC 2181 §5.2); leave out the ttl of %s.",
				s.rrtype, s.name, other.address(), at(other.src.rng()), other.ttl.n, s.block.addr)
			return
		}
		if other.valuesKnown == known {
			other.valuesKnown = s.valuesKnown
		}
		other.values = sorted(append(other.values, s.values...))
	default:
		s.src.errorf("Record set declared twice",
			"The %s records of %s already come from %s (%s). All records of one name and type belong into one block.",
			s.rrtype, s.name, other.address(), at(other.src.rng()))
	}
}

// emitSets makes resources of the record sets in zones that we hold.
func (e *expander) emitSets() {
	for _, s := range e.setList {
		if s.zone.target == "" {
			continue
		}
		e.add(s.block, s.suffix, schema.KindRRset, s.zone.target,
			s.zone.name.Host()+"/"+string(s.name)+"/"+s.rrtype, map[string]cty.Value{
				"zone":   cty.StringVal(string(s.zone.name)),
				"name":   cty.StringVal(string(s.name)),
				"type":   cty.StringVal(s.rrtype),
				"ttl":    e.val(s.ttl),
				"values": list(s.values, s.valuesKnown),
			})
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

// checkSets finds what is wrong between record sets.
func (e *expander) checkSets() {
	names := map[setKey][]*rrset{} // by zone and name
	for _, s := range e.setList {
		k := setKey{zone: s.zone, name: s.name}
		names[k] = append(names[k], s)
	}
	for _, s := range e.setList {
		if s.rrtype == "CNAME" {
			e.checkAlone(s, names[setKey{zone: s.zone, name: s.name}])
		}
		if s.valuesKnown != known {
			continue
		}
		switch s.rrtype {
		case "CNAME", "DNAME":
			if len(s.values) > 1 {
				s.src.errorf("More than one "+s.rrtype,
					"%s has %d %s records, and a name has at most one.", s.name, len(s.values), s.rrtype)
			}
		case "TXT":
			e.checkSPF(s)
		case "MX", "NS", "SRV":
			e.checkTargets(s)
		}
	}
}

// checkAlone holds RFC 1034 §3.6.2: where a CNAME is, nothing else is.
func (e *expander) checkAlone(s *rrset, all []*rrset) {
	if s.name == s.zone.name {
		s.src.errorf("CNAME at the name of a zone",
			"%s is a zone and so has SOA and NS records; a CNAME cannot stand beside them (RFC 1912 §2.4).", s.name)
		return
	}
	for _, o := range all {
		if o == s {
			continue
		}
		s.src.errorf("CNAME beside other records",
			"%s is a CNAME here, and has %s records from %s (%s). A name with a CNAME has no other records (RFC 1034 §3.6.2).",
			s.name, o.rrtype, o.address(), at(o.src.rng()))
		return
	}
}

func (e *expander) checkSPF(s *rrset) {
	n := 0
	for _, v := range s.values {
		if rdata.IsSPF(v) {
			n++
		}
	}
	if n > 1 {
		s.src.errorf("More than one SPF policy",
			"%s has %d TXT records that begin with v=spf1. Receivers then take none of them (RFC 7208 §3.2). If the domain block has an spf block, say everything there.", s.name, n)
	}
}

// checkTargets looks for the names that MX, NS and SRV records point to, where
// they are ours.
func (e *expander) checkTargets(s *rrset) {
	if e.partial {
		return
	}
	for _, v := range s.values {
		target, ok := rdata.Target(s.rrtype, v)
		if !ok {
			continue
		}
		z := e.zoneOf(target)
		if z == nil || e.delegated(z, target) {
			continue
		}
		addressed := e.hasAddress(z, target)
		if c := e.sets[setKey{z, target, "CNAME"}]; c != nil && !addressed { // else that is the error
			s.src.errorf(s.rrtype+" record points to a CNAME",
				"%s is an alias, by %s (%s). An %s record has to name a host that has addresses itself (RFC 2181 §10.3).",
				target, c.address(), at(c.src.rng()), s.rrtype)
			continue
		}
		if z.target == "" || s.rrtype == "SRV" || addressed {
			continue
		}
		hint := `Add a record block of type A or AAAA for it`
		if hosts := e.hosts(target); len(hosts) > 0 {
			hint = "Set addresses in " + hosts[0] + ", or add a record block of type A or AAAA"
		}
		s.src.errorf(s.rrtype+" record points to a name without an address",
			"%s lies in the zone %s, which has neither an A nor an AAAA record for it, so that nobody can reach it. %s.", target, z.name, hint)
	}
}

// hosts are the blocks of servers with a name.
func (e *expander) hosts(name rdata.Name) []string {
	var out []string
	for b, s := range e.servers {
		if s.host == name {
			out = append(out, b.addr)
		}
	}
	for b, s := range e.nameservers {
		if s.host == name {
			out = append(out, b.addr)
		}
	}
	slices.Sort(out)
	return out
}

func (e *expander) hasAddress(z *zone, name rdata.Name) bool {
	has := func(n rdata.Name) bool {
		return e.sets[setKey{z, n, "A"}] != nil || e.sets[setKey{z, n, "AAAA"}] != nil
	}
	if has(name) {
		return true
	}
	for n := name; n != z.name && n != rdata.Root; {
		n = n.Parent()
		if has(n.Under("*")) {
			return true
		}
	}
	return false
}

// delegated reports whether a name lies below NS records within a zone, so that
// others know about it.
func (e *expander) delegated(z *zone, name rdata.Name) bool {
	for n := name; n != z.name && n != rdata.Root; n = n.Parent() {
		if e.sets[setKey{z, n, "NS"}] != nil {
			return true
		}
	}
	return false
}

// notAName words the error of an address where a name has to be.
func notAName(rrtype string) string {
	return rrtype + " records name a host; the host then has A and AAAA records with its addresses (" +
		map[string]string{"MX": "RFC 5321 §5.1", "NS": "RFC 1035 §3.3.11"}[rrtype] + ")."
}

// expects words what a value should have been.
func expects(rrtype string) string {
	return strings.TrimSuffix("Expected is "+rdata.Expected(rrtype), ".") + "."
}
