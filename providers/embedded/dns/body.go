package dns

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/miekg/dns"
)

// A body is an answer ready to be sent: all that follows the question, but for
// the OPT record.
type body struct {
	hash uint64
	// changed is that of the zones that aliases were followed in; 0: the answer is
	// made of one zone.
	changed uint64
	rcode   uint16
	aa      bool
	counts  [3]uint16
	// key is what the answer is for, as appendKind makes it.
	key []byte
	// wire is nil where the answer is longer than what is kept, or not the same for
	// all names that the key stands for.
	wire []byte
	// length is that of the question's name that the body was made for. For a
	// longer or shorter one, what is at pointers is moved by the difference: names
	// share their end with the question's, and all else comes after that.
	length   int
	pointers []uint16
	// room is for key and wire where they are short, as most are: what is sent is
	// read together then.
	room [bodyRoom]byte
}

const (
	bodyRoom = 112
	// maxBody is the longest body that is kept.
	maxBody = maxUDPSize
)

// refused is the body of the answer to who asks in the wrong place.
var refused = &body{rcode: dns.RcodeRefused}

// kindSize is what appendKind appends.
const kindSize = 3

// appendKind makes of a name what its answers are kept under.
func appendKind(name []byte, rrtype uint16, do bool) []byte {
	var bit byte
	if do {
		bit = 1
	}
	return append(name, byte(rrtype>>8), byte(rrtype), bit)
}

// prepared holds bodies. It never grows, and what is in it stays: there is room
// for one of each record set and more.
type prepared struct {
	seed  maphash.Seed
	slots []atomic.Pointer[body]
}

// maxProbes is how many slots are looked at for one body.
const maxProbes = 8

// newPrepared has room for at least so many bodies.
func newPrepared(count int) prepared {
	return prepared{maphash.MakeSeed(), make([]atomic.Pointer[body], maxProbes<<bits.Len(uint(2*count/maxProbes)))}
}

// find finds a body that holds for the zones as they are.
func (p *prepared) find(key []byte, changed uint64) *body {
	hash := maphash.Bytes(p.seed, key)
	for i := range uint64(maxProbes) {
		b := p.slots[(hash+i)&uint64(len(p.slots)-1)].Load()
		if b == nil {
			return nil
		}
		if b.hash == hash && (b.changed == 0 || b.changed == changed) && bytes.Equal(b.key, key) {
			return b
		}
	}
	return nil
}

// keep puts a body in, unless there is no room, or somebody was faster.
func (p *prepared) keep(key []byte, b *body) {
	b.hash = maphash.Bytes(p.seed, key)
	used := copy(b.room[:], key)
	b.key = b.room[:used:used]
	if used < len(key) {
		b.key = bytes.Clone(key)
	}
	if len(b.wire) > 0 && len(b.wire) <= bodyRoom-used {
		n := copy(b.room[used:], b.wire)
		b.wire = b.room[used : used+n]
	}
	for i := range uint64(maxProbes) {
		slot := &p.slots[(b.hash+i)&uint64(len(p.slots)-1)]
		old := slot.Load()
		// One of other zones is of no use any more.
		if (old == nil || old.changed != 0 && old.changed != b.changed) && slot.CompareAndSwap(old, b) {
			return
		}
	}
}

// build makes the body of an answer. That for a name with a wildcard has to serve
// for all the names that it stands for, so that nothing may depend on its own.
func (r *responder) build(zs *zones, q query) *body {
	r.answer.reset()
	r.answer.to(zs, q)
	b, whole := newBody(&r.packer, q, &r.answer)
	if r.answer.aliased {
		b.changed = zs.changed
	}
	if len(b.wire) > maxBody || q.name.isWildcard() && (whole || r.answer.wildcards > 0) {
		b.wire = nil
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
	b.wire = bytes.Clone(p.msg[start:])
	for _, at := range p.pointers {
		b.pointers = append(b.pointers, at-uint16(start))
	}
	return b, p.whole
}

// oftenAliased are the types that are asked for at aliases often enough to keep the
// answer. To keep it for any type would fill the memory for who asks for all.
var oftenAliased = [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeMX, dns.TypeTXT}

// prepare makes the answers of a zone that has nothing for a question, and room
// for the others.
func (z *zone) prepare() {
	z.empty, z.nothing = z.nothingFor(false)
	if z.signed {
		z.signedEmpty, z.signedNothing = z.nothingFor(true)
	}
	count := z.answers + len(z.apex.sets)
	if z.signed {
		count *= 2 // without and with signatures
	}
	z.prepared = newPrepared(count)
}

// nothingFor makes the answers of a zone that has nothing, without proofs.
func (z *zone) nothingFor(do bool) (empty, nothing *body) {
	var p packer
	a := answer{aa: true, do: do}
	a.negative(z)
	empty, _ = newBody(&p, query{name: z.name}, &a)
	a.rcode = dns.RcodeNameError
	nothing, _ = newBody(&p, query{name: z.name}, &a)
	empty.key = appendKind([]byte(z.name), 0, false)
	nothing.key = empty.key
	return empty, nothing
}
