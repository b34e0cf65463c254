package dns

import (
	"slices"

	"github.com/miekg/dns"
)

const (
	// maxUDPSize is the longest answer over UDP, for those who take more than the
	// 512 bytes of RFC 1035 §2.3.4: it passes every usual path without fragments
	// (RFC 9715 §3.2).
	maxUDPSize = 1232
	// maxName is the length of a name in a message (RFC 1035 §2.3.4).
	maxName = 255
	// maxChain is how many CNAMEs are followed.
	maxChain = 16
)

// A response builds one answer. It is used again and again.
type response struct {
	msg dns.Msg
	opt dns.OPT
	buf []byte
}

// reply answers a query with a message that is good until the next call. Over TCP
// the size does not matter.
func (r *response) reply(zs zones, q *dns.Msg, tcp bool) ([]byte, error) {
	m := &r.msg
	*m = dns.Msg{
		MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Opcode: q.Opcode},
		// The question goes back as it came, letter case included: resolvers look
		// at that (draft-vixie-dnsext-dns0x20).
		Compress: true, Question: q.Question,
		Answer: m.Answer[:0], Ns: m.Ns[:0], Extra: m.Extra[:0],
	}
	if q.Opcode == dns.OpcodeQuery {
		m.RecursionDesired, m.CheckingDisabled = q.RecursionDesired, q.CheckingDisabled
	}
	size, rcode := r.edns(q)
	if tcp {
		size = dns.MaxMsgSize
	}
	switch {
	case rcode != dns.RcodeSuccess:
		m.Rcode = rcode
	case q.Opcode != dns.OpcodeQuery: // NOTIFY and UPDATE, too
		m.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	default:
		r.answer(zs, q.Question[0])
	}
	return r.pack(size)
}

// edns looks at the OPT record of a query and prepares that of the answer. It
// returns the size of the answer, and an rcode where that is all there is to say.
func (r *response) edns(q *dns.Msg) (size, rcode int) {
	r.opt.Hdr.Name = "" // no OPT in the answer
	var opt *dns.OPT
	for _, rr := range q.Extra {
		o, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if opt != nil { // RFC 6891 §6.1.1
			return dns.MinMsgSize, dns.RcodeFormatError
		}
		opt = o
	}
	if opt == nil {
		return dns.MinMsgSize, dns.RcodeSuccess
	}
	r.opt = dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	r.opt.SetUDPSize(maxUDPSize)
	if opt.Do() {
		r.opt.SetDo()
	}
	size = max(dns.MinMsgSize, min(maxUDPSize, int(opt.UDPSize())))
	switch {
	case opt.Hdr.Name != ".":
		return size, dns.RcodeFormatError
	case opt.Version() != 0: // RFC 6891 §6.1.3
		return size, dns.RcodeBadVers
	}
	return size, dns.RcodeSuccess
}

// pack makes the message, and shortens it to a size.
func (r *response) pack(size int) ([]byte, error) {
	m := &r.msg
	if r.opt.Hdr.Name != "" {
		m.Extra = append(m.Extra, &r.opt)
	}
	wire, err := m.PackBuffer(r.buf)
	if err != nil {
		return nil, err
	}
	if len(wire) > size && (m.Authoritative || len(m.Answer) > 0) {
		// These addresses are a courtesy: leaving them out is no truncation (RFC 2181
		// §9). Those of a referral are not (RFC 9471 §3).
		m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeOPT })
		if wire, err = m.PackBuffer(r.buf); err != nil {
			return nil, err
		}
	}
	if len(wire) > size {
		m.Truncate(size)
		return m.PackBuffer(r.buf)
	}
	return wire, nil
}

// answer fills in what the zones have for a question.
func (r *response) answer(zs zones, q dns.Question) {
	m := &r.msg
	name := dns.CanonicalName(q.Name)
	z := zs.enclosing(name)
	if z != nil && q.Qtype == dns.TypeDS && name == z.name && name != "." {
		// DS belongs to the parent's side of the cut (RFC 4035 §3.1.4.1).
		if above := zs.enclosing(parent(name)); above != nil && above.delegates(name) {
			z = above
		}
	}
	switch {
	case q.Qclass != dns.ClassINET, z == nil, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		m.Rcode = dns.RcodeRefused
		return
	case q.Qtype == dns.TypeOPT:
		m.Rcode = dns.RcodeFormatError
		return
	case isQuestionType(q.Qtype) && q.Qtype != dns.TypeANY:
		m.Rcode = dns.RcodeNotImplemented
		return
	}
	m.Authoritative = true
	// as is the name as the client, or a CNAME, wrote it.
	as := q.Name
	for range maxChain {
		as = r.step(z, name, as, q.Qtype)
		if as == "" {
			return
		}
		name = dns.CanonicalName(as)
		// What lies in another zone, the client asks for there.
		if zs.enclosing(name) != z || r.mentions(name) {
			return
		}
	}
}

// mentions reports whether a name has been answered for: aliases can go in a
// circle.
func (r *response) mentions(name string) bool {
	return slices.ContainsFunc(r.msg.Answer, func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeCNAME && dns.CanonicalName(rr.Header().Name) == name
	})
}

// step adds what a zone has for one name. It returns the name to go on with after
// an alias, and "" at the end.
func (r *response) step(z *zone, name, as string, qtype uint16) string {
	m := &r.msg
	n, exact := z.closest(name)
	if cut := n.above; cut != nil {
		switch {
		case z.isDelegation(cut):
			if !exact || n != cut || qtype != dns.TypeDS {
				r.refer(cut)
				return ""
			}
		case !exact || n != cut:
			return r.dname(cut, name, as)
		}
	}
	if !exact {
		if n = n.wildcard; n == nil {
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, z.negative...)
			return ""
		}
	}
	if alias := n.set(dns.TypeCNAME); alias != nil && qtype != dns.TypeCNAME && qtype != dns.TypeANY {
		r.add(alias, as)
		return alias.rrs[0].(*dns.CNAME).Target
	}
	set := n.set(qtype)
	if qtype == dns.TypeANY && len(n.sets) > 0 {
		set = &n.sets[0] // one is enough (RFC 8482 §4.1)
	}
	if set == nil {
		m.Ns = append(m.Ns, z.negative...)
		return ""
	}
	r.add(set, as)
	m.Extra = append(m.Extra, set.extra...)
	return ""
}

// add adds records under the name that was asked for: that may be another one
// than theirs for a wildcard, and of other letters' case, which also keeps the
// message short.
func (r *response) add(set *rrset, as string) {
	if set.rrs[0].Header().Name == as {
		r.msg.Answer = append(r.msg.Answer, set.rrs...)
		return
	}
	for _, rr := range set.rrs {
		c := dns.Copy(rr)
		c.Header().Name = as
		r.msg.Answer = append(r.msg.Answer, c)
	}
}

// refer sends the client on to the servers of a child zone. AA stands for the
// first name of an answer, so after an alias it stays.
func (r *response) refer(cut *node) {
	m := &r.msg
	m.Authoritative = len(m.Answer) > 0
	ns := cut.set(dns.TypeNS)
	m.Ns = append(m.Ns, ns.rrs...)
	m.Extra = append(m.Extra, ns.extra...)
}

// dname answers with a DNAME above the name, and the CNAME that it stands for
// (RFC 6672 §3.1). It returns the name to go on with, "" where that is too long.
func (r *response) dname(at *node, name, as string) string {
	m := &r.msg
	set := at.set(dns.TypeDNAME)
	rr := set.rrs[0].(*dns.DNAME)
	m.Answer = append(m.Answer, rr)
	// Both names in canonical form have escapes of the same length.
	target := name[:len(name)-len(at.name)]
	if at.name == "." {
		target = name
	}
	if rr.Target != "." {
		target += rr.Target
	}
	if _, err := dns.PackDomainName(target, r.buf[:maxName], 0, nil, false); err != nil {
		m.Rcode = dns.RcodeYXDomain
		return ""
	}
	m.Answer = append(m.Answer, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: as, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: rr.Hdr.Ttl},
		Target: target,
	})
	return target
}
