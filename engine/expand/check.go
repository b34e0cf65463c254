package expand

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/check"
	"github.com/mailform/mailform/schema/rdata"
)

// failed reports that a check of a record set has failed, unless it is off there.
func (e *expander) failed(id string, s *rrset, at value, format string, args ...any) {
	c := check.ByID(id)
	if !c.Fixed && e.off(id, s) {
		return
	}
	if c.Warning {
		if e.warned[id]++; e.warned[id] > maxWarnings {
			return
		}
	}
	where := s.block.addr
	if schema.BlockByType(s.block.inst.Ref.Type).Attribute("disable_checks") == nil {
		where = s.zone.addr
	}
	e.tell(c, at, where, fmt.Sprintf(format, args...))
}

// failedFixed reports that a value does not pass a check that cannot be switched
// off, where there is no record set yet.
func (e *expander) failedFixed(id string, at value, format string, args ...any) {
	e.tell(check.ByID(id), at, "", fmt.Sprintf(format, args...))
}

// tell adds the diagnostic of a check; where is the block that may switch it off.
func (e *expander) tell(c *check.Check, at value, where, detail string) {
	how := "which cannot be switched off"
	if !c.Fixed {
		how = fmt.Sprintf("which disable_checks = [%q] in %s switches off", c.ID, where)
	}
	d := &hcl.Diagnostic{
		Severity: c.Severity(), Summary: c.Summary, Extra: check.Failed{Check: c},
		Detail: detail + fmt.Sprintf(" This is the check %s (%s), %s.", c.ID, c.RFC, how),
	}
	if rng := at.rng(); rng != (hcl.Range{}) {
		d.Subject = &rng
	}
	e.diags = append(e.diags, d)
}

// maxWarnings is how many records each warning names.
const maxWarnings = 10

// countWarnings says how many warnings were left out.
func (e *expander) countWarnings() {
	for _, c := range check.All() {
		if more := e.warned[c.ID] - maxWarnings; more > 0 {
			e.diags = append(e.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: c.Summary, Extra: check.Failed{Check: c},
				Detail: fmt.Sprintf("%d further record sets do not pass the check %s (%s) either.", more, c.ID, c.RFC),
			})
		}
	}
}

// off reports whether a check is switched off for a record set: in its block, in
// that of its zone, or in that of the name server.
func (e *expander) off(id string, s *rrset) bool {
	blocks := []*block{s.block, s.zone.block}
	if s.zone.ns != nil {
		blocks = append(blocks, s.zone.ns.block)
	}
	return slices.ContainsFunc(blocks, func(b *block) bool { return slices.Contains(e.disabled(b), id) })
}

// disabled are the checks that a block switches off.
func (e *expander) disabled(b *block) []string {
	ids, ok := e.disables[b]
	if !ok {
		elems, _ := e.section(b).attr("disable_checks").list()
		for _, el := range elems {
			if el.fact() == known {
				ids = append(ids, el.v.AsString())
			}
		}
		e.disables[b] = ids
	}
	return ids
}

// Limits of times to live, in seconds.
const longTTL = 7 * 24 * 3600

// maxTexts is how large a TXT record set may be before it is told, in octets.
const maxTexts = 4096

// checkSets finds what is wrong between record sets.
func (e *expander) checkSets() {
	e.names = make(map[setKey][]*rrset, len(e.setList)) // by zone and name
	for _, s := range e.setList {
		k := setKey{zone: s.zone, name: s.name}
		e.names[k] = append(e.names[k], s)
		s.zone.cut = s.zone.cut || s.rrtype == "NS" && s.name != s.zone.name
		s.zone.moved = s.zone.moved || s.rrtype == "DNAME"
	}
	for _, s := range e.setList {
		e.checkPlace(s)
		e.checkTTL(s)
		e.checkSigned(s)
		if s.valuesKnown != known {
			continue
		}
		e.checkSize(s)
		switch s.rrtype {
		case "A", "AAAA":
			e.checkHostName(s, s.name)
		case "CNAME", "DNAME":
			if len(s.values) > 1 {
				e.failed(strings.ToLower(s.rrtype)+"-single", s, s.data(), "%s has %d %s records, and a name has at most one.", s.name, len(s.values), s.rrtype)
			} else if s.rrtype == "CNAME" {
				e.checkAlias(s)
			}
		case "TXT":
			e.checkTexts(s)
		case "MX", "NS", "SRV":
			e.checkTargets(s)
		case "CAA":
			for _, v := range s.values {
				if flags, _, _ := strings.Cut(v, " "); flags != "0" && flags != "128" {
					e.failed("caa-flags", s, s.data(), "The flags of a CAA record of %s are %s. There is one flag, 128, for what a certificate authority must understand.", s.name, flags)
				}
			}
		case "SVCB", "HTTPS":
			for _, v := range s.values {
				if err := rdata.CheckParams(s.rrtype, v); err != nil {
					e.failed("svcb-params", s, s.data(), "The %s record %q of %s cannot be used: %s.", s.rrtype, v, s.name, err)
				}
			}
		}
	}
	e.countWarnings()
}

// checkSize holds a set to what a message can carry.
func (e *expander) checkSize(s *rrset) {
	// The values are canonical: they can be read again.
	if size, err := rdata.AnswerSize(s.name, s.rrtype, s.values); err == nil && size > rdata.MaxAnswer {
		e.failed("record-size", s, s.data(), "An answer with the %d %s records of %s would have %d octets, and with what belongs to it no more than %d fit: nobody would get one.",
			len(s.values), s.rrtype, s.name, size, rdata.MaxAnswer)
	}
}

// checkTTL tells of odd times to live: of that of a zone once.
func (e *expander) checkTTL(s *rrset) {
	if s.ttl.f != known || s.ttl.n > 0 && s.ttl.n <= longTTL {
		return
	}
	at, who := s.src, fmt.Sprintf("The %s records of %s have", s.rrtype, s.name)
	if s.ttl == s.zone.ttl {
		if s.zone.told {
			return
		}
		s.zone.told = true
		at, who = e.section(s.zone.block).attr("ttl"), fmt.Sprintf("Records of the zone %s that say nothing else have", s.zone.name)
	}
	if s.ttl.n == 0 {
		e.failed("ttl-zero", s, at, "%s a ttl of 0: nobody keeps them, and everybody asks each time.", who)
	} else {
		e.failed("ttl-long", s, at, "%s a ttl of %s. Resolvers cut that to a week, and until then nothing can be taken back.", who, schema.FormatTTL(s.ttl.n))
	}
}

// checkPlace looks at what else there is at the name of a set, and above it.
func (e *expander) checkPlace(s *rrset) {
	apex := s.name == s.zone.name
	switch s.rrtype {
	case "CNAME":
		e.checkAlone(s, e.names[setKey{zone: s.zone, name: s.name}])
	case "DS":
		if apex {
			e.failed("ds-apex", s, s.src, "%s is a zone, and its DS records belong into the zone above, at whoever holds that.", s.name)
		} else if e.sets[setKey{s.zone, s.name, "NS"}] == nil && !e.partial {
			e.failed("ds-without-ns", s, s.src, "%s has DS records and no NS records, so that nothing is delegated there. Add a record block of type NS.", s.name)
		}
	}
	if !s.zone.cut && !s.zone.moved || apex {
		return
	}
	for n := s.name; n != s.zone.name && n != rdata.Root; n = n.Parent() {
		if d := e.sets[setKey{s.zone, n, "DNAME"}]; d != nil && n != s.name {
			e.failed("dname-below", s, s.src, "%s lies below %s, all of whose names a DNAME moves elsewhere, by %s (%s).", s.name, n, d.address(), at(d.src.rng()))
			return
		}
		ns := e.sets[setKey{s.zone, n, "NS"}]
		if ns == nil {
			continue
		}
		switch {
		case s.rrtype == "A" || s.rrtype == "AAAA": // glue
		case n == s.name && (s.rrtype == "NS" || s.rrtype == "DS"):
		default:
			e.failed("delegation-below", s, s.src, "%s belongs to the zone %s, which is delegated by %s (%s). Records of type %s are to be found there only.",
				s.name, n, ns.address(), at(ns.src.rng()), s.rrtype)
			return
		}
	}
}

// checkAlone holds RFC 1034 §3.6.2: where a CNAME is, nothing else is.
func (e *expander) checkAlone(s *rrset, all []*rrset) {
	if s.name == s.zone.name {
		e.failed("cname-apex", s, s.src, "%s is a zone and so has SOA and NS records; a CNAME cannot stand beside them.", s.name)
		return
	}
	for _, o := range all {
		if o == s {
			continue
		}
		e.failed("cname-alone", s, s.src, "%s is a CNAME here, and has %s records from %s (%s). A name with a CNAME has no other records.",
			s.name, o.rrtype, o.address(), at(o.src.rng()))
		return
	}
}

// checkAlias follows a CNAME within what is ours.
func (e *expander) checkAlias(s *rrset) {
	way := []string{s.name.Host()}
	for next := s; len(way) < 20; {
		target := rdata.Name(next.values[0])
		way = append(way, target.Host())
		if target == s.name {
			e.failed("cname-loop", s, s.data(), "The aliases go in a circle: %s.", strings.Join(way, " → "))
			return
		}
		z := e.zoneOf(target)
		if z == nil {
			return
		}
		c := e.sets[setKey{z, target, "CNAME"}]
		if c == nil || c.valuesKnown != known || len(c.values) != 1 {
			break
		}
		next = c
	}
	target := rdata.Name(s.values[0])
	z := e.zoneOf(target)
	if e.partial || z == nil || z.target == "" || e.delegated(z, target) || e.exists(z, target) {
		return
	}
	e.failed("cname-target-missing", s, s.data(), "%s lies in the zone %s, which has no records for it.", target, z.name)
}

// checkHostName tells of names that are none for hosts.
func (e *expander) checkHostName(s *rrset, name rdata.Name) {
	if !strings.Contains(string(name), "_") {
		return
	}
	e.failed("host-underscore", s, s.src, "%s is the name of a host, by its %s record, and has an underscore.", name, s.rrtype)
}

// checkTargets looks for the names that MX, NS and SRV records point to, where
// they are ours.
func (e *expander) checkTargets(s *rrset) {
	if s.rrtype == "MX" && len(s.values) > 1 && slices.ContainsFunc(s.values, func(v string) bool { return strings.HasSuffix(v, " .") }) {
		e.failed("mx-null", s, s.data(), "%s has a null MX, which says that it takes no mail, and %d other MX records.", s.name, len(s.values)-1)
	}
	if e.partial {
		return
	}
	kind := strings.ToLower(s.rrtype)
	for _, v := range s.values {
		target, ok := rdata.Target(s.rrtype, v)
		if !ok {
			continue
		}
		e.checkHostName(s, target)
		z := e.zoneOf(target)
		if s.rrtype == "NS" && s.name != s.zone.name && target.In(s.name) && z == s.zone {
			if e.sets[setKey{z, target, "A"}] == nil && e.sets[setKey{z, target, "AAAA"}] == nil {
				e.failed("ns-glue", s, s.data(), "%s is delegated to %s, which lies in it. Without an A or AAAA record for that name in the zone %s nobody finds it.", s.name, target, z.name)
			}
			continue
		}
		if z == nil || e.delegated(z, target) {
			continue
		}
		addressed := e.hasAddress(z, target)
		if c := e.sets[setKey{z, target, "CNAME"}]; c != nil && !addressed { // else that is the error
			e.failed(kind+"-target-cname", s, s.data(), "%s is an alias, by %s (%s). An %s record has to name a host that has addresses itself.",
				target, c.address(), at(c.src.rng()), s.rrtype)
			continue
		}
		if z.target == "" || addressed {
			continue
		}
		hint := `Add a record block of type A or AAAA for it`
		if hosts := e.hosts(target); len(hosts) > 0 {
			hint = "Set addresses in " + hosts[0] + ", or add a record block of type A or AAAA"
		}
		e.failed(kind+"-target-missing", s, s.data(),
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
	return e.covered(z, name, has)
}

// exists reports whether a zone has records for a name, or a DNAME above it.
func (e *expander) exists(z *zone, name rdata.Name) bool {
	if e.covered(z, name, func(n rdata.Name) bool { return len(e.names[setKey{zone: z, name: n}]) > 0 }) {
		return true
	}
	for n := name; n != z.name && n != rdata.Root && z.moved; {
		n = n.Parent()
		if e.sets[setKey{z, n, "DNAME"}] != nil {
			return true
		}
	}
	return false
}

// covered reports whether a name has something, itself or by a wildcard.
func (e *expander) covered(z *zone, name rdata.Name, has func(rdata.Name) bool) bool {
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
