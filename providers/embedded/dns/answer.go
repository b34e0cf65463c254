package dns

import (
	"github.com/miekg/dns"
)

const (
	// udpSize is the largest answer over UDP without EDNS (RFC 1035 §4.2.1).
	udpSize = 512
	// maxUDPSize is the largest that is sent over UDP to those who take more: it
	// passes every usual path without fragments (DNS flag day 2020).
	maxUDPSize = 1232
	// maxChain is how many CNAMEs are followed within a zone.
	maxChain = 16
)

// reply answers a query. tcp says that the size does not matter.
func (s *Server) reply(q *dns.Msg, tcp bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = false
	m.Compress = true
	opt := q.IsEdns0()
	size := udpSize
	if opt != nil {
		m.SetEdns0(maxUDPSize, opt.Do())
		size = max(udpSize, min(maxUDPSize, int(opt.UDPSize())))
		if opt.Version() != 0 {
			// RFC 6891 §6.1.3; SetRcode would take the question away.
			m.Rcode = dns.RcodeBadVers
			return m
		}
	}
	switch {
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	case q.Question[0].Qclass != dns.ClassINET && q.Question[0].Qclass != dns.ClassANY:
		m.Rcode = dns.RcodeRefused
	default:
		s.answer(m, q.Question[0])
	}
	if !tcp {
		m.Truncate(size)
	}
	return m
}

// answer fills in what the zones have for a question.
func (s *Server) answer(m *dns.Msg, q dns.Question) {
	name := dns.CanonicalName(q.Name)
	z := s.zones.Load().enclosing(name)
	switch {
	case z == nil,
		q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR, q.Qtype == dns.TypeMAILA, q.Qtype == dns.TypeMAILB:
		m.Rcode = dns.RcodeRefused
		return
	}
	if q.Qtype == dns.TypeDS && name == z.name {
		// DS belongs to the parent's side of the cut (RFC 4035 §3.1.4.1).
		if parent, ok := parentOf(name); ok {
			if pz := s.zones.Load().enclosing(parent); pz != nil {
				z = pz
			}
		}
	}
	m.Authoritative = true
	shown := q.Name
	for range maxChain {
		if cut := z.cut(name); cut != "" && !(q.Qtype == dns.TypeDS && cut == name) {
			z.refer(m, cut)
			return
		}
		n, wildcard, exists := z.find(name)
		if !exists {
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, z.negative)
			return
		}
		if cname := n.sets[dns.TypeCNAME]; len(cname) > 0 && q.Qtype != dns.TypeCNAME && q.Qtype != dns.TypeANY {
			m.Answer = append(m.Answer, atName(cname[:1], shown)...)
			shown = cname[0].(*dns.CNAME).Target
			name = dns.CanonicalName(shown)
			if !dns.IsSubDomain(z.name, name) || s.zones.Load().enclosing(name) != z {
				return
			}
			continue
		}
		set := n.sets[q.Qtype]
		if q.Qtype == dns.TypeANY {
			set = n.any()
		}
		if len(set) == 0 {
			m.Ns = append(m.Ns, z.negative)
			return
		}
		if wildcard || shown != set[0].Header().Name {
			set = atName(set, shown)
		}
		m.Answer = append(m.Answer, set...)
		z.additional(m, set)
		return
	}
}

// any is a minimal answer to ANY (RFC 8482 §4.1): one record set that is there.
func (n *node) any() []dns.RR {
	var best uint16
	for t := range n.sets {
		if best == 0 || t < best {
			best = t
		}
	}
	return n.sets[best]
}

// refer sends the client on to the servers of a delegated name.
func (z *zone) refer(m *dns.Msg, cut string) {
	m.Authoritative = len(m.Answer) > 0
	ns := z.nodes[cut].sets[dns.TypeNS]
	m.Ns = append(m.Ns, ns...)
	if ds := z.nodes[cut].sets[dns.TypeDS]; len(ds) > 0 {
		m.Ns = append(m.Ns, ds...)
	}
	z.additional(m, ns)
}

// additional adds the addresses that whoever gets these records asks for next.
func (z *zone) additional(m *dns.Msg, set []dns.RR) {
	for _, rr := range set {
		var target string
		switch rr := rr.(type) {
		case *dns.MX:
			target = rr.Mx
		case *dns.NS:
			target = rr.Ns
		case *dns.SRV:
			target = rr.Target
		default:
			return
		}
		n := z.nodes[dns.CanonicalName(target)]
		if n == nil || mentioned(m.Extra, target) {
			continue
		}
		m.Extra = append(m.Extra, n.sets[dns.TypeA]...)
		m.Extra = append(m.Extra, n.sets[dns.TypeAAAA]...)
	}
}

func mentioned(rrs []dns.RR, name string) bool {
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT && sameName(rr.Header().Name, name) {
			return true
		}
	}
	return false
}
