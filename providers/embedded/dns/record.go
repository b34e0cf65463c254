package dns

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// A record is one record as it goes into messages.
type record struct {
	// owner is "" for the name of the question, in whatever letters it came.
	owner name
	rest  []byte // type, class, TTL, length and data, uncompressed
}

// newRecord packs a record.
func newRecord(rr dns.RR) (record, error) {
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return record{}, err
	}
	owner := name(buf[:endOfName(buf)])
	return record{owner.fold(), buf[len(owner):n]}, nil
}

// endOfName is where a name, uncompressed and whole, ends.
func endOfName(b []byte) int {
	i := 0
	for b[i] != 0 {
		i += 1 + int(b[i])
	}
	return i + 1
}

// dataAt is where the data of a record begins in its rest.
const dataAt = 10

// names tells where the names lie in a record's data that may be compressed: only
// those of types that every resolver knows (RFC 3597 §4).
func (r record) names() (at, count int) {
	switch binary.BigEndian.Uint16(r.rest) {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
		return dataAt, 1
	case dns.TypeMX:
		return dataAt + 2, 1
	case dns.TypeSOA:
		return dataAt, 2
	}
	return 0, 0
}

// target is the name that the data of a CNAME or DNAME is.
func (r record) target() name { return name(r.rest[dataAt:]) }

// ttl is how long the record lives, in seconds.
func (r record) ttl() []byte { return r.rest[4:8] }

// A packer writes records into a message, which has a question already, with
// names compressed: letters are alike in both cases.
type packer struct {
	msg []byte
	// known are where labels of names are that can be pointed at.
	known []uint16
	// pointers are where pointers are that came of names, in contrast to those of
	// owners that are the question's whatever it is.
	pointers []uint16
	// whole: one of these points at the question's whole name.
	whole bool
}

const (
	headerSize = 12
	// maxPointer is the farthest that a pointer reaches (RFC 1035 §4.1.4).
	maxPointer = 1<<14 - 1
	// maxKnown bounds the search for a name to point at.
	maxKnown = 128
)

// begin starts after the question of a message.
func (p *packer) begin(msg []byte) {
	p.msg, p.known, p.pointers, p.whole = msg, p.known[:0], p.pointers[:0], false
	if len(msg) == headerSize {
		return
	}
	for i := headerSize; msg[i] != 0; i += 1 + int(msg[i]) {
		p.known = append(p.known, uint16(i))
	}
}

// add writes a record.
func (p *packer) add(r record) {
	if r.owner == "" {
		if p.msg[headerSize] == 0 { // the root is shorter than a pointer to it
			p.msg = append(p.msg, 0)
		} else {
			p.msg = append(p.msg, 0xc0, headerSize)
		}
	} else {
		p.addName(r.owner)
	}
	at, count := r.names()
	if count == 0 {
		p.msg = append(p.msg, r.rest...)
		return
	}
	start := len(p.msg)
	p.msg = append(p.msg, r.rest[:at]...)
	for range count {
		n := name(r.rest[at : at+endOfName(r.rest[at:])])
		p.addName(n)
		at += len(n)
	}
	p.msg = append(p.msg, r.rest[at:]...)
	binary.BigEndian.PutUint16(p.msg[start+dataAt-2:], uint16(len(p.msg)-start-dataAt))
}

// addName writes a name, as much of it as there is none to point at.
func (p *packer) addName(n name) {
	start := len(p.msg)
	for ; n[0] != 0; n = n[1+n[0]:] {
		if at := p.find(n); at != 0 {
			p.pointers = append(p.pointers, uint16(len(p.msg)))
			p.whole = p.whole || at == headerSize
			p.know(start)
			p.msg = binary.BigEndian.AppendUint16(p.msg, 0xc000|at)
			return
		}
		p.msg = append(p.msg, n[:1+n[0]]...)
	}
	p.know(start)
	p.msg = append(p.msg, 0)
}

// know takes in the labels from a place to the end of the message.
func (p *packer) know(at int) {
	for ; at < len(p.msg) && at <= maxPointer && len(p.known) < maxKnown; at += 1 + int(p.msg[at]) {
		p.known = append(p.known, uint16(at))
	}
}

// find looks for a name in the message; 0 where it is not.
func (p *packer) find(n name) uint16 {
	for _, at := range p.known {
		if p.isAt(int(at), n) {
			return at
		}
	}
	return 0
}

func (p *packer) isAt(at int, n name) bool {
	for {
		if p.msg[at] >= 0xc0 {
			at = int(binary.BigEndian.Uint16(p.msg[at:]) & maxPointer)
			continue
		}
		size := 1 + int(n[0])
		if p.msg[at] != n[0] || !equalFold(p.msg[at:at+size], n[:size]) {
			return false
		}
		if size == 1 {
			return true
		}
		at, n = at+size, n[size:]
	}
}

// equalFold reports whether two names or labels of one length are the same.
func equalFold(a []byte, b name) bool {
	for i, c := range a {
		if d := b[i]; c != d {
			if c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z' {
				return false
			}
		}
	}
	return true
}
