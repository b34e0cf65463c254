package dns

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/miekg/dns"
)

// A body is an answer ready to be sent: all that follows the question, but for
// the OPT record.
type body struct {
	wire   []byte
	rcode  uint16
	aa     bool
	counts [3]uint16
	// length is that of the question's name that the body was made for. For a
	// longer or shorter one, what is at pointers is moved by the difference: names
	// share their end with the question's, and all else comes after that.
	length   int
	pointers []uint16
}

// An aliasBody is the answer to questions of one type at a CNAME.
type aliasBody struct {
	rrtype uint16
	do     bool
	// changed is that of the zones that the aliases were followed in.
	changed uint64
	body    *body
}

// unkept stands for a body that is not kept: the long way makes it each time.
var unkept = &body{}

const (
	// maxBody is the longest body that is kept.
	maxBody = maxUDPSize
	// maxAliasBodies is how many are kept for one name.
	maxAliasBodies = 4
)

// A plain query is one of the usual form: one question, and no more than an OPT
// record besides.
type plainQuery struct {
	end    int // of the question
	labels int
	starts [maxLabels + 1]uint8 // of labels, in the name
	rrtype uint16
	opt    edns
}

// parse reads a query; false where it is none of the usual form.
func (q *plainQuery) parse(packet []byte, lower *[maxName]byte) bool {
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
	return q.opt.parse(packet[q.end:], packet[11])
}

// parse reads an OPT record without options, where there is to be one.
func (e *edns) parse(rest []byte, count byte) bool {
	*e = edns{size: dns.MinMsgSize}
	if count == 0 {
		return len(rest) == 0
	}
	// The name of the root, the type, and after the size, rcode 0 and version 0.
	if len(rest) != optSize || rest[0] != 0 || binary.BigEndian.Uint16(rest[1:]) != dns.TypeOPT ||
		rest[5] != 0 || rest[6] != 0 || binary.BigEndian.Uint16(rest[9:]) != 0 {
		return false
	}
	e.present, e.do = true, rest[7]&0x80 != 0
	e.size = max(dns.MinMsgSize, min(maxUDPSize, int(binary.BigEndian.Uint16(rest[3:]))))
	return true
}

// fast answers the usual query out of what is prepared; nil leaves it to the long
// way.
func (r *responder) fast(zs *zones, packet []byte, from client) []byte {
	var q plainQuery
	if !q.parse(packet, &r.lower) {
		return nil
	}
	if isQuestionType(q.rrtype) || q.rrtype == dns.TypeOPT || q.rrtype == dns.TypeDS {
		return nil
	}
	if from.tcp {
		q.opt.size = dns.MaxMsgSize
	}
	b := r.find(zs, &q)
	if b == nil || b == unkept || q.end+len(b.wire)+q.opt.length() > q.opt.size {
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
	return r.finish(&q.opt, b.rcode)
}

// refused is the body of the answer to who asks in the wrong place.
var refused = &body{rcode: dns.RcodeRefused}

// find finds the body for a question, and makes it where that has not been done.
// It is nil where the answer is made of more than a zone has prepared.
func (r *responder) find(zs *zones, q *plainQuery) *body {
	lower := r.lower[:q.starts[q.labels]+1]
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
	var n *node
	exact := true
	for i := 0; ; i++ {
		if n = z.nodes[name(lower[q.starts[i]:])]; n != nil {
			break
		}
		exact = false
	}
	do := q.opt.do && z.signed
	if cut := n.above; cut != nil {
		if z.isDelegation(cut) {
			return r.kept(&cut.referral[index(do)], zs, query{cut.name, dns.TypeNS, dns.ClassINET, do})
		}
		if !exact || n != cut {
			return nil // a DNAME makes a CNAME for each name
		}
	}
	if !exact {
		if do {
			return nil // what is proved depends on the name
		}
		if n = n.wildcard; n == nil {
			return z.nothing
		}
	}
	if set := n.set(q.rrtype); set != nil {
		return r.kept(&set.bodies[index(do)], zs, query{n.name, q.rrtype, dns.ClassINET, do})
	}
	if n.set(dns.TypeCNAME) != nil {
		return r.alias(zs, n, query{n.name, q.rrtype, dns.ClassINET, do})
	}
	if do {
		return nil
	}
	return z.empty
}

// index is where bodies are, by whether DNSSEC adds to them.
func index(do bool) int {
	if do {
		return 1
	}
	return 0
}

// kept is the body at a place, made where it is not there.
func (r *responder) kept(at *atomic.Pointer[body], zs *zones, q query) *body {
	b := at.Load()
	if b == nil {
		b = r.build(zs, q)
		at.Store(b)
	}
	return b
}

// alias is the body of an answer that begins with a CNAME.
func (r *responder) alias(zs *zones, n *node, q query) *body {
	var still []aliasBody
	if kept := n.aliases.Load(); kept != nil {
		for i := range *kept {
			if k := &(*kept)[i]; k.changed == zs.changed && k.rrtype == q.rrtype && k.do == q.do {
				return k.body
			}
		}
		for _, k := range *kept {
			if k.changed == zs.changed {
				still = append(still, k)
			}
		}
	}
	if len(still) == maxAliasBodies {
		return nil
	}
	made := aliasBody{q.rrtype, q.do, zs.changed, r.build(zs, q)}
	still = append(still, made)
	n.aliases.Store(&still)
	return made.body
}

// build makes the body of an answer. That for a name with a wildcard has to serve
// for all the names that it stands for, so that nothing may depend on its own.
func (r *responder) build(zs *zones, q query) *body {
	r.answer.reset()
	r.answer.to(zs, q)
	b, whole := newBody(&r.packer, q, &r.answer)
	if len(b.wire) > maxBody || q.name.isWildcard() && (whole || r.answer.wildcards > 0) {
		return unkept
	}
	return b
}

// newBody packs an answer. It also reports whether the name of the question is
// pointed at by other names than those that are to be the question's.
func newBody(p *packer, q query, a *answer) (b *body, whole bool) {
	msg := make([]byte, headerSize, headerSize+len(q.name)+4+maxBody)
	msg = append(append(msg, q.name...), 0, 0, 0, 0) // nobody looks at type and class
	start := len(msg)
	p.begin(msg)
	b = &body{rcode: a.rcode, aa: a.aa, length: len(q.name)}
	for i, section := range a.sections {
		b.counts[i] = uint16(len(section))
		for _, rec := range section {
			p.add(rec)
		}
	}
	b.wire = append([]byte(nil), p.msg[start:]...)
	for _, at := range p.pointers {
		b.pointers = append(b.pointers, at-uint16(start))
	}
	return b, p.whole
}

// prepare makes the answers of a zone that has nothing for a question.
func (z *zone) prepare() {
	var p packer
	a := answer{aa: true}
	a.negative(z)
	z.empty, _ = newBody(&p, query{name: z.name}, &a)
	a.rcode = dns.RcodeNameError
	z.nothing, _ = newBody(&p, query{name: z.name}, &a)
}
