package zonedata

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A Zone is a zone as a server has it. Make one with [Read].
type Zone struct {
	Name rdata.Name
	// SOA is the record as the server has it, with its serial.
	SOA *dns.SOA
	// Signed is set where the zone has signatures.
	Signed bool

	sets  map[Key]*Set
	names map[rdata.Name][]*Set // of At; nil: not asked yet
}

// Read takes the records of a zone in any order. There may be two SOA records, as
// in a zone transfer, if they are equal.
//
// What a server makes by itself is left out: signatures, NSEC, NSEC3 and
// NSEC3PARAM, ZONEMD, and the records in which BIND keeps what it has yet to
// sign. In a signed zone so are the DNSKEY, CDS and CDNSKEY records of its apex,
// unless declared says that somebody wants them; declared may be nil.
func Read(name rdata.Name, records []dns.RR, declared func(Key) bool) (*Zone, error) {
	z := &Zone{Name: name, sets: make(map[Key]*Set, len(records))}
	type wire struct {
		name   string
		rrtype uint16
	}
	byType := make(map[wire]*Set, len(records))
	for _, rr := range records {
		h := rr.Header()
		if h.Class != dns.ClassINET {
			return nil, fmt.Errorf("%s has a record of class %s at %s", name, dns.Class(h.Class), h.Name)
		}
		if soa, ok := rr.(*dns.SOA); ok {
			if rdata.Name(strings.ToLower(h.Name)) != name {
				return nil, fmt.Errorf("there is the SOA record of %s in the zone %s", h.Name, name)
			}
			if z.SOA != nil && z.SOA.Serial != soa.Serial {
				return nil, fmt.Errorf("the zone %s changed while it was read: its serial was %d and then %d", name, z.SOA.Serial, soa.Serial)
			}
			z.SOA = soa
			continue
		}
		if h.Rrtype == dns.TypeRRSIG {
			z.Signed = true
		}
		if ByServer(h.Rrtype) {
			continue
		}
		at := wire{h.Name, h.Rrtype}
		s := byType[at]
		if s == nil {
			key := Key{rdata.Name(strings.ToLower(h.Name)), rdata.TypeName(h.Rrtype)}
			if !key.Name.In(name) {
				return nil, fmt.Errorf("%s does not lie in the zone %s", h.Name, name)
			}
			if s = z.sets[key]; s == nil { // else the same in other letters
				s = &Set{Key: key, TTL: h.Ttl}
				z.sets[key] = s
			}
			byType[at] = s
		}
		s.TTL = min(s.TTL, h.Ttl)
		v := Value(rr)
		if slices.Contains(s.Values, v) { // the same text, cut otherwise
			s.Records = append(s.Records, rr)
			continue
		}
		s.Values, s.Records = append(s.Values, v), append(s.Records, rr)
	}
	if z.SOA == nil {
		return nil, fmt.Errorf("the zone %s has no SOA record", name)
	}
	for key, s := range z.sets {
		if z.Signed && key.Name == name && signers[key.Type] && (declared == nil || !declared(key)) {
			delete(z.sets, key)
			continue
		}
		slices.Sort(s.Values)
	}
	return z, nil
}

// privateType is the type of the records in which BIND keeps what it has yet to
// sign (its option sig-signing-type).
const privateType = 65534

// ByServer reports whether records of a type are always made by the server
// itself, never declared.
func ByServer(rrtype uint16) bool {
	switch rrtype {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeZONEMD, privateType:
		return true
	}
	return false
}

// signers are the types at the apex of a zone that a server makes when it signs,
// and that people can declare where it does not.
var signers = map[string]bool{"DNSKEY": true, "CDS": true, "CDNSKEY": true}

// Value is the canonical value of a record. Data that is none of its type stays
// as it is, as RFC 3597 writes it: it is somebody's, and not ours to judge.
func Value(rr dns.RR) string {
	switch rr := rr.(type) { // what most records are, in short
	case *dns.A:
		if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
			return a.String()
		}
	case *dns.AAAA:
		if a, ok := netip.AddrFromSlice(rr.AAAA.To16()); ok {
			return a.String()
		}
	case *dns.MX:
		if plain(rr.Mx) {
			return strconv.Itoa(int(rr.Preference)) + " " + strings.ToLower(rr.Mx)
		}
	case *dns.NS:
		if plain(rr.Ns) {
			return strings.ToLower(rr.Ns)
		}
	case *dns.CNAME:
		if plain(rr.Target) {
			return strings.ToLower(rr.Target)
		}
	case *dns.PTR:
		if plain(rr.Ptr) {
			return strings.ToLower(rr.Ptr)
		}
	}
	if _, v, err := rdata.Value(rr); err == nil {
		return v
	}
	var raw dns.RFC3597
	if raw.ToRFC3597(rr) != nil {
		return rr.String()
	}
	return `\# ` + strconv.Itoa(len(raw.Rdata)/2) + " " + strings.ToLower(raw.Rdata)
}

// plain reports whether a name has nothing in it that could need an escape.
func plain(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// Set finds a record set; nil: there is none.
func (z *Zone) Set(k Key) *Set { return z.sets[k] }

// At are the record sets of a name, ordered by type.
func (z *Zone) At(name rdata.Name) []*Set {
	if z.names == nil {
		z.names = make(map[rdata.Name][]*Set, len(z.sets))
		for _, s := range z.Sets() {
			z.names[s.Name] = append(z.names[s.Name], s)
		}
	}
	return z.names[name]
}

// Sets are all record sets, ordered by name and type.
func (z *Zone) Sets() []*Set {
	return slices.SortedFunc(maps.Values(z.sets), func(a, b *Set) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
}

// Observed is the zone with its record sets as a provider lists them.
func (z *Zone) Observed() []providers.Observed {
	out := make([]providers.Observed, 0, len(z.sets)+1)
	out = append(out, z.observedSOA())
	for _, s := range z.Sets() {
		out = append(out, z.observed(s))
	}
	return out
}

func (z *Zone) observedSOA() providers.Observed {
	soa := readSOA(z.SOA)
	return providers.Observed{Kind: schema.KindZone, Key: z.Name.Host(), Attrs: soa.attrs(z.Name), Revision: soa.Revision()}
}

func (z *Zone) observed(s *Set) providers.Observed {
	return providers.Observed{Kind: schema.KindRRset, Key: SetKey(z.Name, s.Key), Attrs: s.attrs(z.Name), Revision: s.Revision()}
}

// Find is what the zone holds of a resource: the zone itself or one of its record
// sets. It reports false for what is not there.
func (z *Zone) Find(kind, key string) (providers.Observed, bool) {
	if kind == schema.KindZone {
		return z.observedSOA(), key == z.Name.Host()
	}
	_, k, err := ParseSetKey(key)
	if err != nil || z.sets[k] == nil {
		return providers.Observed{}, false
	}
	return z.observed(z.sets[k]), true
}

// SetKey is the key of a record set as a resource: zone, name and type.
func SetKey(zone rdata.Name, k Key) string {
	return zone.Host() + "/" + string(k.Name) + "/" + k.Type
}

// ParseSetKey takes the key of a record set apart. Names may have slashes
// themselves (RFC 2317): the zone is what the name lies in.
func ParseSetKey(key string) (zone rdata.Name, k Key, err error) {
	end := strings.LastIndexByte(key, '/')
	if end < 0 {
		return "", k, errors.New("it is not the key of a record set")
	}
	rest := key[:end]
	k.Type = key[end+1:]
	for i := range len(rest) {
		if rest[i] != '/' {
			continue
		}
		zone = rdata.Name(rest[:i])
		if zone != rdata.Root {
			zone += "."
		}
		if k.Name = rdata.Name(rest[i+1:]); k.Name.In(zone) {
			return zone, k, nil
		}
	}
	return "", Key{}, errors.New("it is not the key of a record set")
}

// ZoneName is the name of the zone that a resource with that key is, or lies in.
func ZoneName(kind, key string) (rdata.Name, error) {
	switch kind {
	case schema.KindZone:
		return rdata.ParseName(key)
	case schema.KindRRset:
		zone, _, err := ParseSetKey(key)
		return zone, err
	}
	return "", fmt.Errorf("a name server keeps no %q", kind)
}

// Zones are the zones that a scope speaks of, sorted, and which of their record
// sets it does.
func Zones(scope providers.Scope) (names []rdata.Name, declared map[rdata.Name]map[Key]bool) {
	declared = map[rdata.Name]map[Key]bool{}
	add := func(kind, key string) {
		zone, err := ZoneName(kind, key)
		if err != nil {
			return
		}
		if declared[zone] == nil {
			declared[zone] = map[Key]bool{}
		}
		if kind == schema.KindRRset {
			_, k, _ := ParseSetKey(key)
			declared[zone][k] = true
		}
	}
	for i := range scope.Wanted {
		add(scope.Wanted[i].Kind, scope.Wanted[i].Key)
	}
	for _, id := range scope.Prior {
		add(id.Kind, id.Key)
	}
	return slices.Sorted(maps.Keys(declared)), declared
}
