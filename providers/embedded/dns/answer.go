package dns

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// maxChain is how many CNAMEs are followed.
const maxChain = 16

// An answer is what the zones have to say to a question.
type answer struct {
	rcode uint16
	aa    bool
	// sections are answer, authority and additional.
	sections [3][]record
	// about is the name whose records the answer begins with, and that of the zone
	// where there are none.
	about name
	// aliased: there is an alias, and what zones there are decides how far it is
	// followed.
	aliased bool
	// wildcards counts the steps, but for the first, that a wildcard stood for.
	wildcards int
	seen      []name
	// do: what DNSSEC adds is wanted, and there. proved are the places in the
	// zone's chain of denial that are in the answer.
	do     bool
	proved []int
}

// Sections of a message.
const (
	inAnswer = iota
	inAuthority
	inAdditional
)

// A query is what is asked.
type query struct {
	name   name // with small letters
	rrtype uint16
	class  uint16
	// do: the client wants what DNSSEC adds (RFC 3225).
	do bool
}

// reset forgets everything but the memory that it took.
func (a *answer) reset() {
	for i := range a.sections {
		a.sections[i] = a.sections[i][:0]
	}
	*a = answer{sections: a.sections, seen: a.seen[:0], proved: a.proved[:0]}
}

// to fills in what the zones have for a question.
func (a *answer) to(zs *zones, q query) {
	z := zs.enclosing(q.name)
	if z != nil && q.rrtype == dns.TypeDS && q.name == z.name && q.name != root {
		// DS belongs to the parent's side of the cut (RFC 4035 §3.1.4.1).
		if above := zs.enclosing(q.name.parent()); above != nil && above.delegates(q.name) {
			z = above
		}
	}
	switch {
	case q.class != dns.ClassINET, z == nil, q.rrtype == dns.TypeAXFR, q.rrtype == dns.TypeIXFR:
		a.rcode = dns.RcodeRefused
		return
	case q.rrtype == dns.TypeOPT:
		a.rcode = dns.RcodeFormatError
		return
	case isQuestionType(q.rrtype) && q.rrtype != dns.TypeANY:
		a.rcode = dns.RcodeNotImplemented
		return
	}
	a.aa, a.do, a.about = true, q.do && z.signed, z.name
	// as is the name as a CNAME wrote it, and "" for that of the question.
	var as name
	at := q.name
	for range maxChain {
		a.seen = append(a.seen, at)
		as = a.step(z, at, as, q)
		if as == "" {
			return
		}
		a.aliased = true
		at = as.fold()
		// What lies in another zone, the client asks for there. Aliases can go in a
		// circle.
		if zs.enclosing(at) != z || slices.Contains(a.seen, at) {
			return
		}
	}
}

// step adds what a zone has for one name. It returns the name to go on with after
// an alias, and "" at the end.
func (a *answer) step(z *zone, at, as name, q query) name {
	n, exact := z.closest(at)
	if cut := n.above; cut != nil {
		switch {
		case z.isDelegation(cut):
			if !exact || n != cut || q.rrtype != dns.TypeDS {
				if as == "" {
					a.about = cut.name
				}
				a.refer(z, cut)
				return ""
			}
		case !exact || n != cut:
			if as == "" {
				a.about = cut.name
			}
			return a.dname(cut, at, as)
		}
	}
	encloser := n.name
	if !exact {
		if n = n.wildcard; n == nil {
			a.rcode = dns.RcodeNameError
			a.negative(z)
			a.prove(z, (*dnssec.Zone).NoName, at, encloser)
			return ""
		}
		if as != "" {
			a.wildcards++
		}
	}
	set := n.set(q.rrtype)
	switch alias := n.set(dns.TypeCNAME); {
	case q.rrtype == dns.TypeANY && len(n.sets) > 0:
		set = n.sets[0] // one is enough (RFC 8482 §4.1)
	case q.rrtype == dns.TypeRRSIG && z.signed:
		set = n.signatures()
	case set == nil && alias != nil:
		set = alias
	}
	if set == nil {
		a.negative(z)
		if exact {
			a.prove(z, noType, at, encloser)
		} else {
			a.prove(z, (*dnssec.Zone).ExpandedNoType, at, encloser)
		}
		return ""
	}
	if as == "" {
		a.about = n.name
	}
	a.add(set, as)
	if !exact {
		a.prove(z, (*dnssec.Zone).Expanded, at, encloser)
	}
	if set.rrtype == dns.TypeCNAME && q.rrtype != dns.TypeCNAME && q.rrtype != dns.TypeANY {
		return set.records[0].target()
	}
	return ""
}

// add adds records under the name that was asked for, which for a wildcard is
// not theirs.
func (a *answer) add(set *rrset, as name) {
	for _, r := range set.records {
		a.sections[inAnswer] = append(a.sections[inAnswer], record{as, r.rest})
	}
	if !a.do {
		return
	}
	for _, r := range set.sigs {
		a.sections[inAnswer] = append(a.sections[inAnswer], record{as, r.rest})
	}
}

// addTo adds records, and their signatures, to another section.
func (a *answer) addTo(section int, set *rrset) {
	a.sections[section] = append(a.sections[section], set.records...)
	if a.do {
		a.sections[section] = append(a.sections[section], set.sigs...)
	}
}

// negative adds what goes with the answer that there is nothing.
func (a *answer) negative(z *zone) {
	a.addTo(inAuthority, z.soa)
}

// prove adds what proves a negative answer.
func (a *answer) prove(z *zone, proof func(z *dnssec.Zone, name, encloser string) []int, at, encloser name) {
	if !a.do {
		return
	}
	for _, i := range proof(z.proofs, string(at), string(encloser)) {
		if !slices.Contains(a.proved, i) { // aliases may need one twice
			a.proved = append(a.proved, i)
			a.addTo(inAuthority, z.chain[i])
		}
	}
}

func noType(z *dnssec.Zone, name, _ string) []int { return z.NoType(name) }

// refer sends the client on to the servers of a child zone. AA stands for the
// first name of an answer, so after an alias it stays.
func (a *answer) refer(z *zone, cut *node) {
	a.aa = len(a.sections[inAnswer]) > 0
	a.sections[inAuthority] = append(a.sections[inAuthority], cut.set(dns.TypeNS).records...)
	if ds := cut.set(dns.TypeDS); ds != nil && a.do { // RFC 4035 §3.1.4
		a.addTo(inAuthority, ds)
	} else {
		a.prove(z, noType, cut.name, cut.name)
	}
	a.sections[inAdditional] = append(a.sections[inAdditional], cut.glue...)
}

// dname answers with a DNAME above the name, and the CNAME that it stands for
// (RFC 6672 §3.1). It returns the name to go on with, "" where that is too long.
func (a *answer) dname(above *node, at, as name) name {
	set := above.set(dns.TypeDNAME)
	dname := set.records[0]
	a.addTo(inAnswer, set)
	target := at[:len(at)-len(above.name)] + dname.target()
	if len(target) > maxName {
		a.rcode = dns.RcodeYXDomain
		return ""
	}
	rest := make([]byte, 0, dataAt+len(target))
	rest = append(rest, 0, byte(dns.TypeCNAME), 0, byte(dns.ClassINET))
	rest = append(rest, dname.ttl()...)
	rest = append(rest, 0, byte(len(target)))
	rest = append(rest, target...)
	a.sections[inAnswer] = append(a.sections[inAnswer], record{as, rest})
	return target
}
