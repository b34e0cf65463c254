package dns

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"github.com/miekg/dns"
)

// maxUDPSize is the longest answer over UDP, for those who take more than the
// 512 bytes of RFC 1035 §2.3.4: it passes every usual path without fragments
// (RFC 9715 §3.2).
const maxUDPSize = 1232

// Bits of the third and fourth octet of a header (RFC 1035 §4.1.1, RFC 4035 §3.2.2).
const (
	bitQR     = 0x80
	opcodes   = 0x78
	bitAA     = 0x04
	bitTC     = 0x02
	bitRD     = 0x01
	bitCD     = 0x10
	rcodeBits = 0x0f
)

// A client is who sent a query.
type client struct {
	addr netip.Addr
	tcp  bool
	// limiter bounds what the client gets over UDP; nil: nothing does.
	limiter *Limiter
}

// A responder makes answers, one at a time. It is used again and again.
type responder struct {
	server *Server
	query  dns.Msg
	answer answer
	packer packer
	denial denial
	out    []byte
	// now is when the packet came, in seconds since 1970, as whoever reads packets
	// keeps it.
	now uint32
	// opt is what is known of the client's EDNS and goes into the OPT record.
	opt edns
	// about is the name that the answer is counted under: of what a zone has for the
	// question, or of the zone where it has nothing.
	about []byte
	// lower is the name of a question with small letters, and room for its kind.
	lower [maxName + kindSize]byte
}

// reply answers a packet. The answer is good until the next call; it is nil where
// there is none. The usual query takes the short way, everything else the long
// one; both say the same.
func (r *responder) reply(packet []byte, from client) []byte {
	zs := r.server.zones.Load()
	wire := r.fast(zs, packet, from)
	if wire == nil && r.server.options.Keys != nil && mayBeSigned(packet) {
		var known bool
		if wire, known = r.signed(zs, packet, from); known {
			return wire
		}
	}
	if wire == nil {
		wire = r.slow(zs, packet, from)
	}
	if wire != nil && !from.tcp && !r.opt.cookie.proved {
		switch from.limiter.judge(from.addr, kindOf(wire), r.about, r.now) {
		case drop:
			return nil
		case truncate:
			return r.truncated(max(endOfQuestion(wire), headerSize))
		}
	}
	return wire
}

// truncated makes of the message in r.out one that says to ask by TCP. The question
// ends at end.
func (r *responder) truncated(end int) []byte {
	rcode := uint16(r.out[3] & rcodeBits)
	r.out = r.out[:end]
	clear(r.out[6:headerSize])
	r.out[2] |= bitTC
	return r.finish(rcode)
}

// An edns is what an answer says in its OPT record (RFC 6891 §6.1).
type edns struct {
	present bool
	do      bool
	// size is the longest answer that the client takes.
	size   int
	cookie cookie
}

// optSize is the length of an OPT record without options.
const optSize = 11

// length of the OPT record of an answer.
func (e *edns) length() int {
	switch {
	case !e.present:
		return 0
	case e.cookie.present:
		return optSize + cookieOption
	}
	return optSize
}

// append writes the OPT record of an answer.
func (e *edns) append(msg []byte, rcode uint16) []byte {
	if !e.present {
		return msg
	}
	var do byte
	if e.do {
		do = 0x80
	}
	options := byte(e.length() - optSize)
	msg = append(msg, 0, 0, byte(dns.TypeOPT), maxUDPSize>>8, maxUDPSize&0xff, byte(rcode>>4), 0, do, 0, 0, options)
	if options > 0 {
		msg = e.cookie.append(msg)
	}
	return msg
}

// slow answers any packet.
func (r *responder) slow(zs *zones, packet []byte, from client) []byte {
	if len(packet) < headerSize || packet[2]&bitQR != 0 {
		return nil
	}
	end := endOfQuestion(packet)
	r.opt, r.about = edns{size: dns.MinMsgSize}, nil
	if packet[2]&opcodes != 0 { // NOTIFY and UPDATE, too
		return r.status(packet, end, dns.RcodeNotImplemented)
	}
	// No query has more than these: the SOA of IXFR (RFC 1995 §3), OPT and TSIG.
	if !countsUpTo(packet, 1, 1, 2) || r.query.Unpack(packet) != nil {
		return r.status(packet, 0, dns.RcodeFormatError)
	}
	rcode := r.readEDNS(from)
	switch {
	case end == 0 && len(r.query.Question) == 0 && rcode == dns.RcodeSuccess && r.opt.cookie.present:
		return r.status(packet, 0, dns.RcodeSuccess) // it wants a cookie (RFC 7873 §5.4)
	case end == 0 || len(r.query.Question) != 1:
		r.opt = edns{size: dns.MinMsgSize}
		return r.status(packet, 0, dns.RcodeFormatError)
	case rcode != dns.RcodeSuccess:
		return r.status(packet, end, rcode)
	}
	if from.tcp {
		r.opt.size = dns.MaxMsgSize
	}
	asked := r.query.Question[0]
	q := query{rrtype: asked.Qtype, class: asked.Qclass, do: r.opt.do}
	q.name = name(packet[headerSize : end-4]).fold()
	r.answer.reset()
	r.answer.to(zs, q)
	r.about = append(r.about, r.answer.about...)
	r.pack(append(r.out[:0], packet[:end]...), &r.answer)
	r.out[3] |= byte(r.answer.rcode) & rcodeBits
	if len(r.out)+r.opt.length() > r.opt.size {
		// What is left out is asked for again over TCP: half of it helps nobody.
		return r.truncated(end)
	}
	return r.finish(r.answer.rcode)
}

// pack makes a message of one that has a question, flags and an answer. It is in
// r.out afterwards.
func (r *responder) pack(question []byte, a *answer) {
	p := &r.packer
	p.begin(question)
	p.msg[2] = bitQR | p.msg[2]&bitRD
	if a.aa {
		p.msg[2] |= bitAA
	}
	p.msg[3] &= bitCD
	for i, section := range a.sections {
		binary.BigEndian.PutUint16(p.msg[6+2*i:], uint16(len(section)))
		for _, rec := range section {
			p.add(rec)
		}
	}
	r.out = p.msg
}

// finish puts the rcode and the OPT record into the message.
func (r *responder) finish(rcode uint16) []byte {
	r.out[3] = r.out[3]&^rcodeBits | byte(rcode)&rcodeBits
	if r.opt.present {
		binary.BigEndian.PutUint16(r.out[10:], binary.BigEndian.Uint16(r.out[10:])+1)
		r.out = r.opt.append(r.out, rcode)
	}
	return r.out
}

// status answers with nothing but an rcode. The question ends at end; 0 leaves it
// out.
func (r *responder) status(packet []byte, end int, rcode uint16) []byte {
	r.out = append(r.out[:0], packet[:max(end, headerSize)]...)
	clear(r.out[4:headerSize])
	if end > 0 {
		r.out[5] = 1
	}
	r.out[2] = bitQR | packet[2]&opcodes
	r.out[3] = 0
	if packet[2]&opcodes == 0 {
		r.out[2] |= packet[2] & bitRD
		r.out[3] = packet[3] & bitCD
	}
	return r.finish(rcode)
}

// endOfQuestion is where the only question of a message ends; 0 where there is
// none or more than one, or it is cut off. A question has nothing before it that
// its name could point at.
func endOfQuestion(packet []byte) int {
	if binary.BigEndian.Uint16(packet[4:]) != 1 {
		return 0
	}
	for i := headerSize; i < len(packet) && i < headerSize+maxName; {
		size := int(packet[i])
		if size > 63 {
			return 0
		}
		i += 1 + size
		if size == 0 {
			if i+4 > len(packet) {
				return 0
			}
			return i + 4
		}
	}
	return 0
}

// countsUpTo reports whether a message has no more records than these.
func countsUpTo(packet []byte, answer, authority, additional uint16) bool {
	return binary.BigEndian.Uint16(packet[6:]) <= answer &&
		binary.BigEndian.Uint16(packet[8:]) <= authority &&
		binary.BigEndian.Uint16(packet[10:]) <= additional
}

// readEDNS looks at the OPT record of a query. It returns an rcode where that is
// all there is to say.
func (r *responder) readEDNS(from client) (rcode uint16) {
	var opt *dns.OPT
	for _, rr := range r.query.Extra {
		o, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if opt != nil { // RFC 6891 §6.1.1
			r.opt = edns{size: dns.MinMsgSize}
			return dns.RcodeFormatError
		}
		opt = o
		r.opt = edns{present: true, do: opt.Do(), size: max(dns.MinMsgSize, min(maxUDPSize, int(opt.UDPSize())))}
	}
	switch {
	case opt == nil:
		return dns.RcodeSuccess
	case opt.Hdr.Name != ".":
		return dns.RcodeFormatError
	case opt.Version() != 0: // RFC 6891 §6.1.3
		return dns.RcodeBadVers
	}
	for _, o := range opt.Option {
		c, ok := o.(*dns.EDNS0_COOKIE)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(c.Cookie)
		if err != nil || !r.opt.cookie.read(data, &r.server.secret, from.addr, r.now) {
			return dns.RcodeFormatError
		}
		break // only the first counts (RFC 7873 §5.2)
	}
	return dns.RcodeSuccess
}
