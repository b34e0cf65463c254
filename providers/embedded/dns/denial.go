package dns

import (
	"encoding/binary"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// A denial is what is put behind a body to prove that something is not there. What
// proves it depends on the name that was asked for, so that it cannot be kept with
// the body; but it is made of few record sets, which are.
type denial struct {
	zone   *zone
	places []int // in the zone's chain
}

// denied notes that a body goes with a proof about a name, and returns the body. n is
// the name's node, or that of the nearest name above it.
func (r *responder) denied(z *zone, b *body, proof func(z *dnssec.Zone, name, encloser string) []int, lower []byte, n *node) *body {
	r.denial.zone = z
	r.denial.places = append(r.denial.places[:0], proof(z.proofs, string(lower), string(n.name))...)
	return b
}

// length is how many octets the proof takes.
func (d *denial) length() int {
	n := 0
	for _, place := range d.places {
		set := d.zone.chain[place]
		first := len(set.records[0].owner) - len(d.zone.name) + pointerSize
		for i, records := range [...][]record{set.records, set.sigs} {
			for k, rec := range records {
				if n += pointerSize + len(rec.rest); i == 0 && k == 0 {
					n += first - pointerSize
				}
			}
		}
	}
	return n
}

// pointerSize is the length of a pointer to a name (RFC 1035 §4.1.4).
const pointerSize = 2

// deny puts the proof behind what is in r.out, as further records of the authority
// section. The question's name, which is in the zone, ends at end.
func (r *responder) deny(end int) {
	z := r.denial.zone
	count := binary.BigEndian.Uint16(r.out[8:])
	apex := uint16(0xc000 | (end - len(z.name)))
	for _, place := range r.denial.places {
		set := z.chain[place]
		owner := set.records[0].owner
		// The first has the name in full, the others point at it.
		labels := owner[:len(owner)-len(z.name)]
		at := uint16(0xc000 | len(r.out))
		if labels == "" {
			at = apex
		}
		for _, records := range [...][]record{set.records, set.sigs} {
			for _, rec := range records {
				if labels != "" {
					r.out = append(r.out, labels...)
					r.out = binary.BigEndian.AppendUint16(r.out, apex)
					labels = ""
				} else {
					r.out = binary.BigEndian.AppendUint16(r.out, at)
				}
				r.out = append(r.out, rec.rest...)
				count++
			}
		}
	}
	binary.BigEndian.PutUint16(r.out[8:], count)
}
