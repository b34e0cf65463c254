package dnssec

import (
	"cmp"
	"crypto/sha1" // the one hash that NSEC3 has (RFC 5155 §11)
	"encoding/base32"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A tree knows which names of a zone are its own to answer for.
type tree struct {
	zone  string
	types map[string][]uint16 // what is there, by name
	// cuts are the names, at or above which NS records or a DNAME hide what lies
	// below.
	cuts map[string]bool
}

func newTree(z *Zone) *tree {
	t := &tree{zone: z.Name, types: make(map[string][]uint16, len(z.Sets)), cuts: map[string]bool{}}
	for _, s := range z.Sets {
		t.types[s.Name] = append(t.types[s.Name], s.Type)
		if s.Type == dns.TypeDNAME || s.Type == dns.TypeNS && s.Name != z.Name {
			t.cuts[s.Name] = true
		}
	}
	return t
}

// hidden reports whether a name lies below a delegation or a DNAME.
func (t *tree) hidden(name string) bool {
	for name != t.zone {
		name = parent(name)
		if t.cuts[name] {
			return true
		}
	}
	return false
}

// delegates reports whether a child zone begins at a name.
func (t *tree) delegates(name string) bool {
	return name != t.zone && slices.Contains(t.types[name], dns.TypeNS)
}

// signs reports whether a set is signed (RFC 4035 §2.2): of a delegation only the
// DS and the denial are.
func (t *tree) signs(s *Set) bool {
	switch s.Type {
	case dns.TypeNSEC3, dns.TypeNSEC, dns.TypeDS:
		return s.Type == dns.TypeNSEC3 || !t.hidden(s.Name)
	}
	return !t.delegates(s.Name) && !t.hidden(s.Name)
}

// bitmap lists the types of a name as its denial does (RFC 4034 §4.1.2, RFC 5155
// §7.1): of a delegation only what belongs to this side.
func (t *tree) bitmap(name string, more ...uint16) []uint16 {
	types := t.types[name]
	if t.delegates(name) {
		types = slices.DeleteFunc(slices.Clone(types), func(rrtype uint16) bool { return rrtype != dns.TypeNS && rrtype != dns.TypeDS })
		if slices.Contains(types, dns.TypeDS) {
			types = append(types, dns.TypeRRSIG)
		}
	} else if len(types) > 0 {
		types = append(slices.Clone(types), dns.TypeRRSIG)
	}
	types = append(slices.Clone(types), more...)
	slices.Sort(types)
	return slices.Compact(types)
}

// A link of the chain of denial proves that nothing is between it and the next one.
type link struct {
	at  string // hash of the name, or its place in the order
	set *Set
}

// nsec3Hash is the hash of a wire name, without iterations and salt.
func nsec3Hash(wire string) string {
	sum := sha1.Sum([]byte(wire))
	return string(sum[:])
}

// nsec3 makes a chain over the hashes of all names of the zone's own, those that
// exist only because of names below them included (RFC 5155 §7.1).
func (t *tree) nsec3(ttl uint32) []link {
	names := map[string]bool{t.zone: true}
	for name := range t.types {
		if t.hidden(name) {
			continue
		}
		for at := name; !names[at]; at = parent(at) {
			names[at] = true
		}
	}
	chain := make([]link, 0, len(names))
	byHash := make(map[string]string, len(names))
	for name := range names {
		h := nsec3Hash(WireName(name))
		byHash[h] = name
		chain = append(chain, link{at: h})
	}
	slices.SortFunc(chain, func(a, b link) int { return cmp.Compare(a.at, b.at) })
	for i := range chain {
		next := chain[(i+1)%len(chain)].at
		owner := strings.ToLower(base32.HexEncoding.EncodeToString([]byte(chain[i].at))) + "." + strings.TrimPrefix(t.zone, ".")
		chain[i].set = &Set{SetKey: SetKey{owner, dns.TypeNSEC3}, RRs: []dns.RR{&dns.NSEC3{
			Hdr:  dns.RR_Header{Name: owner, Rrtype: dns.TypeNSEC3, Class: dns.ClassINET, Ttl: ttl},
			Hash: dns.SHA1, HashLength: 20, NextDomain: base32.HexEncoding.EncodeToString([]byte(next)),
			TypeBitMap: t.bitmap(byHash[chain[i].at]),
		}}}
	}
	return chain
}

// nsec makes a chain over the names of the zone's own that have records (RFC 4034
// §4).
func (t *tree) nsec(ttl uint32) []link {
	chain := make([]link, 0, len(t.types))
	names := make(map[string]string, len(t.types))
	for name := range t.types {
		if !t.hidden(name) {
			at := order(WireName(name))
			names[at] = name
			chain = append(chain, link{at: at})
		}
	}
	slices.SortFunc(chain, func(a, b link) int { return cmp.Compare(a.at, b.at) })
	for i := range chain {
		name := names[chain[i].at]
		chain[i].set = &Set{SetKey: SetKey{name, dns.TypeNSEC}, RRs: []dns.RR{&dns.NSEC{
			Hdr:        dns.RR_Header{Name: name, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: ttl},
			NextDomain: names[chain[(i+1)%len(chain)].at],
			TypeBitMap: t.bitmap(name, dns.TypeNSEC, dns.TypeRRSIG),
		}}}
	}
	return chain
}
