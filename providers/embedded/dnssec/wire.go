package dnssec

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxRdata is the room that a record is packed into: a name, the fixed part, and
// the longest RDATA.
const maxRdata = 255 + 10 + 65535

// canonicalSet is a record set in the form that is signed (RFC 4034 §3.1.8.1,
// §6.2, §6.3): names in lower case and uncompressed, sorted, each record once.
func canonicalSet(rrs []dns.RR) ([]byte, error) {
	type record struct{ head, rdata []byte }
	records := make([]record, 0, len(rrs))
	size := 0
	for _, rr := range rrs {
		rr = lowerNames(rr)
		buf := make([]byte, min(dns.Len(rr)+1, maxRdata))
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			return nil, fmt.Errorf("put %s %s into canonical form: %w", rr.Header().Name, dns.TypeToString[rr.Header().Rrtype], err)
		}
		// After the name: type, class, TTL, length.
		at := nameLength(buf) + 10
		records = append(records, record{buf[:at], buf[at:n]})
		size += n
	}
	slices.SortFunc(records, func(a, b record) int { return slices.Compare(a.rdata, b.rdata) })
	out := make([]byte, 0, size)
	for i, r := range records {
		if i > 0 && slices.Equal(r.rdata, records[i-1].rdata) {
			continue
		}
		out = append(append(out, r.head...), r.rdata...)
	}
	return out, nil
}

// nameLength is that of the uncompressed name that a buffer begins with.
func nameLength(buf []byte) int {
	i := 0
	for buf[i] != 0 {
		i += int(buf[i]) + 1
	}
	return i + 1
}

// lowerNames is a record with its names in lower case, where the type is one of
// those that RFC 4034 §6.2 lists; RFC 6840 §5.1 takes NSEC and HINFO off the list.
func lowerNames(rr dns.RR) dns.RR {
	c := dns.Copy(rr)
	h := c.Header()
	h.Name = dns.CanonicalName(h.Name)
	lower := func(names ...*string) {
		for _, n := range names {
			*n = dns.CanonicalName(*n)
		}
	}
	switch c := c.(type) {
	case *dns.NS:
		lower(&c.Ns)
	case *dns.MD:
		lower(&c.Md)
	case *dns.MF:
		lower(&c.Mf)
	case *dns.CNAME:
		lower(&c.Target)
	case *dns.SOA:
		lower(&c.Ns, &c.Mbox)
	case *dns.MB:
		lower(&c.Mb)
	case *dns.MG:
		lower(&c.Mg)
	case *dns.MR:
		lower(&c.Mr)
	case *dns.PTR:
		lower(&c.Ptr)
	case *dns.MINFO:
		lower(&c.Rmail, &c.Email)
	case *dns.MX:
		lower(&c.Mx)
	case *dns.RP:
		lower(&c.Mbox, &c.Txt)
	case *dns.AFSDB:
		lower(&c.Hostname)
	case *dns.RT:
		lower(&c.Host)
	case *dns.PX:
		lower(&c.Map822, &c.Mapx400)
	case *dns.NAPTR:
		lower(&c.Replacement)
	case *dns.KX:
		lower(&c.Exchanger)
	case *dns.SRV:
		lower(&c.Target)
	case *dns.DNAME:
		lower(&c.Target)
	}
	return c
}

// signedPart is the data of an RRSIG up to the signature, which is signed together
// with the records (RFC 4034 §3.1).
func signedPart(s *dns.RRSIG) ([]byte, error) {
	b := make([]byte, 18, 18+255)
	binary.BigEndian.PutUint16(b, s.TypeCovered)
	b[2], b[3] = s.Algorithm, s.Labels
	binary.BigEndian.PutUint32(b[4:], s.OrigTtl)
	binary.BigEndian.PutUint32(b[8:], s.Expiration)
	binary.BigEndian.PutUint32(b[12:], s.Inception)
	binary.BigEndian.PutUint16(b[16:], s.KeyTag)
	var name [256]byte
	n, err := dns.PackDomainName(s.SignerName, name[:], 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("the signer's name %q: %w", s.SignerName, err)
	}
	return append(b, name[:n]...), nil
}

// labels counts those of a name without the root, and without a "*" in front (RFC
// 4034 §3.1.3).
func labels(name string) uint8 {
	return uint8(dns.CountLabel(strings.TrimPrefix(name, "*.")))
}

// digestOf tells record sets apart: type, names, TTL and data.
func digestOf(canonical []byte) [sha256.Size]byte { return sha256.Sum256(canonical) }

// WireName is a canonical name as it stands in a message, uncompressed, which is how
// the proofs take names.
func WireName(name string) string {
	var wire [256]byte
	n, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	if err != nil {
		return "\x00" // cannot be: names of a zone have been packed before
	}
	return string(wire[:n])
}

// order is a key that sorts wire names in canonical order (RFC 4034 §6.1): label by
// label from the right, what is above before what is below.
func order(wire string) string {
	var starts [128]int
	n := 0
	for i := 0; wire[i] != 0; i += int(wire[i]) + 1 {
		starts[n] = i
		n++
	}
	key := make([]byte, 0, len(wire)+8)
	for _, at := range slices.Backward(starts[:n]) {
		for _, c := range []byte(wire[at+1 : at+1+int(wire[at])]) {
			if c < 2 { // 0 ends a label, so 0 and 1 take two octets
				key = append(key, 1)
				c++
			}
			key = append(key, c)
		}
		key = append(key, 0)
	}
	return string(key)
}

// parent is a name without its first label. That of the root is the root.
func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}
