package dns

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// A plain query is one of the usual form: one question, and no more than an OPT
// record besides.
type plainQuery struct {
	end    int // of the question
	labels int
	starts [maxLabels + 1]uint8 // of labels, in the name
	rrtype uint16
	opt    edns
	cookie []byte // as the client sent it; nil: none
}

// parse reads a query; false where it is none of the usual form.
func (q *plainQuery) parse(packet []byte, lower []byte) bool {
	// A query with no flag but RD, AD (which asks for nothing, RFC 6840 §5.7) and CD.
	if len(packet) < headerSize+5 || packet[2]&^bitRD != 0 || packet[3]&^(0x20|bitCD) != 0 ||
		binary.BigEndian.Uint64(packet[4:])&^1 != 1<<48 {
		return false
	}
	i := headerSize
	q.labels = 0
	for {
		size := int(packet[i])
		if size == 0 {
			break
		}
		if size > 63 || i+size+5 >= len(packet) || i+size-headerSize >= maxName-1 {
			return false
		}
		q.starts[q.labels] = uint8(i - headerSize)
		q.labels++
		lower[i-headerSize] = byte(size)
		for _, c := range packet[i+1 : i+1+size] {
			i++
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			lower[i-headerSize] = c
		}
		i++
	}
	lower[i-headerSize] = 0
	q.starts[q.labels] = uint8(i - headerSize)
	q.end = i + 5
	if q.end > len(packet) || binary.BigEndian.Uint16(packet[i+3:]) != dns.ClassINET {
		return false
	}
	q.rrtype = binary.BigEndian.Uint16(packet[i+1:])
	return q.parseOPT(packet[q.end:], packet[11])
}

// parseOPT reads an OPT record without options but a cookie, where there is to be
// one.
func (q *plainQuery) parseOPT(rest []byte, count byte) bool {
	q.opt, q.cookie = edns{size: dns.MinMsgSize}, nil
	if count == 0 {
		return len(rest) == 0
	}
	// The name of the root, the type, and after the size, rcode 0 and version 0.
	if len(rest) < optSize || rest[0] != 0 || binary.BigEndian.Uint16(rest[1:]) != dns.TypeOPT ||
		rest[5] != 0 || rest[6] != 0 || int(binary.BigEndian.Uint16(rest[9:])) != len(rest)-optSize {
		return false
	}
	q.opt.present, q.opt.do = true, rest[7]&0x80 != 0
	q.opt.size = max(dns.MinMsgSize, min(maxUDPSize, int(binary.BigEndian.Uint16(rest[3:]))))
	if options := rest[optSize:]; len(options) > 0 {
		if len(options) < 4 || binary.BigEndian.Uint16(options) != dns.EDNS0COOKIE || int(binary.BigEndian.Uint16(options[2:])) != len(options)-4 {
			return false
		}
		q.cookie = options[4:]
	}
	return true
}

// fast answers the usual query out of what is prepared; nil leaves it to the long
// way.
func (r *responder) fast(zs *zones, packet []byte, from client) []byte {
	var q plainQuery
	if !q.parse(packet, r.lower[:]) {
		return nil
	}
	if isQuestionType(q.rrtype) || q.rrtype == dns.TypeOPT || q.rrtype == dns.TypeDS {
		return nil
	}
	if from.tcp {
		q.opt.size = dns.MaxMsgSize
	}
	if q.cookie != nil && !q.opt.cookie.read(q.cookie, &r.server.secret, from.addr, r.now) {
		return nil
	}
	r.denial = denial{places: r.denial.places[:0]}
	b := r.find(zs, &q)
	if b == nil || b.wire == nil && b != refused || q.end+len(b.wire)+r.denial.length()+q.opt.length() > q.opt.size {
		return nil
	}
	out := append(r.out[:0], packet[:q.end]...)
	out = append(out, b.wire...)
	r.out = out
	if moved := q.end - headerSize - 4 - b.length; moved != 0 {
		for _, at := range b.pointers {
			p := out[q.end+int(at):]
			binary.BigEndian.PutUint16(p, binary.BigEndian.Uint16(p)+uint16(moved))
		}
	}
	out[2] = bitQR | packet[2]&bitRD
	if b.aa {
		out[2] |= bitAA
	}
	out[3] = packet[3] & bitCD
	for i, n := range b.counts {
		binary.BigEndian.PutUint16(out[6+2*i:], n)
	}
	if len(r.denial.places) > 0 {
		r.deny(q.end - 4)
	}
	r.opt = q.opt
	r.about = b.key[:max(0, len(b.key)-kindSize)]
	return r.finish(b.rcode)
}

// find finds the body for a question, and makes it where that has not been done.
// It is nil where the answer is made of more than a zone has prepared.
func (r *responder) find(zs *zones, q *plainQuery) *body {
	length := int(q.starts[q.labels]) + 1
	lower := r.lower[:length]
	var z *zone
	for i := 0; ; i++ {
		if i > q.labels {
			return refused
		}
		if z = zs.byName[name(lower[q.starts[i]:])]; z != nil {
			break
		}
	}
	if z.signed && q.rrtype == dns.TypeRRSIG {
		return nil // those of all sets together
	}
	do := q.opt.do && z.signed
	key := appendKind(lower, q.rrtype, do)
	if b := z.prepared.find(key, zs.changed); b != nil {
		return b
	}
	var n *node
	exact := true
	for i := 0; ; i++ {
		if n = z.nodes[name(lower[q.starts[i]:])]; n != nil {
			break
		}
		exact = false
	}
	ask := query{n.name, q.rrtype, dns.ClassINET, do}
	if cut := n.above; cut != nil {
		if z.isDelegation(cut) {
			return r.kept(zs, z, query{cut.name, dns.TypeNS, dns.ClassINET, do})
		}
		if !exact || n != cut {
			return nil // a DNAME makes a CNAME for each name
		}
	}
	if !exact {
		if n.wildcard == nil {
			if do {
				return r.denied(z, z.signedNothing, (*dnssec.Zone).NoName, lower, n)
			}
			return z.nothing
		}
		ask.name = n.wildcard.name
	}
	found := n
	if !exact {
		found = n.wildcard
	}
	switch {
	case found.set(q.rrtype) != nil:
	case found.set(dns.TypeCNAME) != nil:
		if !slices.Contains(oftenAliased[:], q.rrtype) {
			return nil
		}
	case !do:
		return z.empty
	case exact:
		return r.denied(z, z.signedEmpty, noType, lower, n)
	default:
		return r.denied(z, z.signedEmpty, (*dnssec.Zone).ExpandedNoType, lower, n)
	}
	b := r.kept(zs, z, ask)
	if exact || !do {
		return b
	}
	if b.counts[inAuthority]+b.counts[inAdditional] > 0 {
		return nil // an alias leads to where there are proofs as well
	}
	return r.denied(z, b, (*dnssec.Zone).Expanded, lower, n)
}

// kept is the body for a question, made where it is not there.
func (r *responder) kept(zs *zones, z *zone, q query) *body {
	var buf [maxName + kindSize]byte
	key := appendKind(append(buf[:0], q.name...), q.rrtype, q.do)
	b := z.prepared.find(key, zs.changed)
	if b == nil {
		b = r.build(zs, q)
		z.prepared.keep(key, b)
	}
	return b
}
