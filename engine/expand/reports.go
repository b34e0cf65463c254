package expand

import (
	"net/netip"
	"strings"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/publicsuffix"
)

// addTLSReports makes the record that says who is told of the TLS of mail to a domain.
func (e *expander) addTLSReports(d *domain) {
	s, ok := d.from("tls_rpt").nested("tls_rpt")
	if !ok {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, d.name.Under("_smtp._tls"), "TXT"}, suffix: ".tls_rpt", block: d.block,
		src: d.from("tls_rpt").attr("tls_rpt"), ttl: d.ttl, valuesKnown: known, made: true,
	}
	v := s.attr("rua")
	set.valuesKnown = v.fact()
	var to []string
	var members []member
	for _, el := range v.elements() {
		if el.fact() == known && el.v.Type() == cty.String && strings.HasPrefix(el.v.AsString(), "https:") {
			to = append(to, el.v.AsString())
			continue
		}
		m, f := e.recipient(el, reportAddress)
		if f != known {
			set.valuesKnown = unknown
			continue
		}
		to, members = append(to, m.address), append(members, m)
	}
	if set.valuesKnown != known {
		set.valuesKnown = unknown
		e.addSet(set)
		return
	}
	e.checkLocal(members, d.addr)
	text, err := rdata.TLSRPTText(to)
	if err != nil {
		v.errorf("Unsuitable value", "The TLS reports of %s cannot be asked for: %s.", d.host, err)
		return
	}
	set.values = []string{text}
	e.addSet(set)
}

// addBIMI makes the record that says where the picture of a domain is.
func (e *expander) addBIMI(d *domain) {
	s, ok := d.from("bimi").nested("bimi")
	if !ok {
		return
	}
	selector, ok := readKey(s.attr("selector"), parseSelector)
	if !ok {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, rdata.BIMIName(selector, d.name), "TXT"}, suffix: ".bimi", block: d.block,
		src: d.from("bimi").attr("bimi"), ttl: d.ttl, valuesKnown: known, made: true,
	}
	logo, f1 := s.attr("logo").str("")
	evidence, f2 := s.attr("evidence").str("")
	if f1 == unknown || f2 == unknown {
		set.valuesKnown = unknown
	} else {
		set.values = []string{rdata.BIMI{Logo: logo, Evidence: evidence}.Text()}
	}
	e.addSet(set)
}

// addConsequences makes the records that follow in one zone of ours from what is said
// in another: who has the address of a server, and that reports on another domain are
// welcome. A record block that says something at the same name is left to it.
func (e *expander) addConsequences() {
	for _, b := range e.byType["server"] {
		if srv := e.servers[b]; srv != nil {
			addresses, f := e.section(b).addresses()
			if f == known {
				e.addPTR(srv, addresses)
			}
		}
	}
	for _, d := range e.domainList {
		e.addReportConsent(d)
	}
}

// addFollowing adds a set that nobody has to declare.
func (e *expander) addFollowing(s *rrset) {
	if _, cname := e.sets[setKey{s.zone, s.name, "CNAME"}]; cname || e.sets[s.setKey] != nil {
		return
	}
	if h := s.zone.hands; h != nil && len(h.Set(s.name, s.rrtype)) > 0 {
		return // such records are somebody else's
	}
	e.addSet(s)
}

func (e *expander) addPTR(srv *server, addresses []netip.Addr) {
	for _, a := range addresses {
		name := rdata.Reverse(a)
		z := e.zoneOf(name)
		if z == nil {
			continue
		}
		e.addFollowing(&rrset{
			setKey: setKey{z, name, "PTR"}, suffix: indexed("ptr", a.String()), block: srv.block, src: e.section(srv.block).attr("addresses"),
			ttl: z.ttl, values: []string{string(srv.host)}, valuesKnown: known, made: true,
		})
	}
}

// addReportConsent lets the domains that receive DMARC reports on another one say so.
func (e *expander) addReportConsent(d *domain) {
	s, ok := d.from("dmarc").nested("dmarc")
	if !ok {
		return
	}
	own := organisation(d.host)
	for _, attr := range []string{"rua", "ruf"} {
		members, _ := e.recipients(s.attr(attr), reportAddress)
		for _, m := range members {
			host := m.address[strings.LastIndexByte(m.address, '@')+1:]
			if organisation(host) == own {
				continue
			}
			receiver, err := rdata.ParseName(host)
			if err != nil {
				continue
			}
			name := rdata.DMARCReportName(d.name, receiver)
			z := e.zoneOf(name)
			if z == nil || e.sets[setKey{z, receiver.Under("*._report._dmarc"), "TXT"}] != nil {
				continue
			}
			e.addFollowing(&rrset{
				setKey: setKey{z, name, "TXT"}, suffix: indexed("report", host), block: d.block, src: m.src,
				ttl: z.ttl, values: []string{rdata.DMARCReportText}, valuesKnown: known, made: true,
			})
		}
	}
}

// organisation is the domain that somebody registered, for a name in it (RFC 7489 §3.2).
func organisation(host string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return org
	}
	return host
}
