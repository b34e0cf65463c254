package dnssec

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// clockSkew is how much a validator's clock may be behind ours.
const clockSkew = time.Hour

// A SetKey names a record set of a zone.
type SetKey struct {
	Name string // canonical
	Type uint16
}

// A Set is all records of one name and type, with the signatures over them.
type Set struct {
	SetKey
	RRs []dns.RR
	// Sigs is empty for what a zone does not sign: the NS records of a delegation,
	// and what lies below it or below a DNAME.
	Sigs []*dns.RRSIG
	// Digest of what is signed; zero where nothing is.
	Digest [sha256.Size]byte
}

// Kept is what was signed before.
type Kept struct {
	Digest [sha256.Size]byte
	Sigs   []*dns.RRSIG
}

// An Input is what a signed zone is made of.
type Input struct {
	Name   string // canonical
	Sets   []Set  // those of the unsigned zone, its SOA included; Sigs and Digest do not matter
	Keys   []*Key
	Policy Policy
	Now    time.Time
	// Kept are signatures of before; those that still hold are used again.
	Kept map[SetKey]Kept
}

// A Zone is signed. It is never changed.
type Zone struct {
	Name string
	// Sets in canonical order of their names, and by type. Those that signing adds
	// are among them: DNSKEY, CDS, CDNSKEY, NSEC3PARAM, and NSEC or NSEC3.
	Sets []*Set
	// Chain holds the sets of NSEC or NSEC3 records in their order. The proofs are
	// places in it.
	Chain []*Set
	// Made lists the sets whose signatures are new, but for a new SOA; Gone counts
	// the kept signatures of sets that are no more. Where both are nothing, the zone
	// is what it was, but for its SOA.
	Made []*Set
	Gone int
	// Due is when the first signature has to be made anew.
	Due time.Time
	// Used holds the tags of the keys that have signed.
	Used map[uint16]bool
	// MaxTTL is the longest time to live in the zone, in seconds.
	MaxTTL uint32

	signer *signer
	chain  []link
	nsec3  bool
}

// Sign signs a zone. It needs a KSK and an active ZSK.
func Sign(in Input) (*Zone, error) {
	z, err := sign(in)
	if err != nil {
		return nil, fmt.Errorf("sign zone %s: %w", in.Name, err)
	}
	return z, nil
}

func sign(in Input) (*Zone, error) {
	s, err := newSigner(in)
	if err != nil {
		return nil, err
	}
	z := &Zone{Name: in.Name, signer: s, nsec3: in.Policy.Denial != NSEC, Used: map[uint16]bool{}, Sets: make([]*Set, 0, 2*len(in.Sets)+8)}
	for i := range in.Sets {
		set := in.Sets[i]
		set.Sigs, set.Digest = nil, [sha256.Size]byte{}
		z.Sets = append(z.Sets, &set)
	}
	for _, set := range s.apexSets(z.nsec3) {
		if slices.ContainsFunc(in.Sets, func(o Set) bool { return o.SetKey == set.SetKey }) {
			return nil, fmt.Errorf("it has %s records of its own, which belong to the signing", dns.TypeToString[set.Type])
		}
		z.Sets = append(z.Sets, set)
	}
	soa := z.find(SetKey{in.Name, dns.TypeSOA})
	if soa == nil || len(soa.RRs) != 1 {
		return nil, errors.New("it has no SOA record")
	}
	tree := newTree(z)
	if z.nsec3 {
		z.chain = tree.nsec3(denialTTL(soa.RRs[0]))
	} else {
		z.chain = tree.nsec(denialTTL(soa.RRs[0]))
	}
	for i := range z.chain {
		z.Sets = append(z.Sets, z.chain[i].set)
		z.Chain = append(z.Chain, z.chain[i].set)
	}
	for _, set := range z.Sets {
		for _, rr := range set.RRs {
			z.MaxTTL = max(z.MaxTTL, rr.Header().Ttl)
		}
		if !tree.signs(set) {
			continue
		}
		keeps, err := s.keep(set)
		if err != nil {
			return nil, err
		}
		// A SOA with another serial comes of other changes, and is none itself.
		if !keeps && (set.Type != dns.TypeSOA || in.Kept[set.SetKey].Digest == set.Digest) {
			z.Made = append(z.Made, set)
		}
	}
	if err := s.signAll(); err != nil {
		return nil, err
	}
	for _, set := range z.Sets {
		z.note(set)
	}
	for key := range in.Kept {
		if !s.seen[key] {
			z.Gone++
		}
	}
	z.sort()
	return z, nil
}

// WithSerial is the zone with another serial; it signs the SOA anew.
func (z *Zone) WithSerial(serial uint32) (*Zone, error) {
	out := *z
	out.Sets = slices.Clone(z.Sets)
	for i, set := range out.Sets {
		if set.SetKey != (SetKey{z.Name, dns.TypeSOA}) {
			continue
		}
		soa := dns.Copy(set.RRs[0]).(*dns.SOA)
		soa.Serial = serial
		set = &Set{SetKey: set.SetKey, RRs: []dns.RR{soa}}
		canonical, err := canonicalSet(set.RRs)
		if err == nil {
			set.Digest = digestOf(canonical)
			set.Sigs, err = z.signer.sign(set, canonical)
		}
		if err != nil {
			return nil, fmt.Errorf("sign zone %s: %w", z.Name, err)
		}
		out.Sets[i] = set
	}
	return &out, nil
}

// Serial is that of the zone's SOA.
func (z *Zone) Serial() uint32 {
	return z.find(SetKey{z.Name, dns.TypeSOA}).RRs[0].(*dns.SOA).Serial
}

func (z *Zone) find(key SetKey) *Set {
	for _, s := range z.Sets {
		if s.SetKey == key {
			return s
		}
	}
	return nil
}

func (z *Zone) note(set *Set) {
	for _, sig := range set.Sigs {
		z.Used[sig.KeyTag] = true
		if due := z.signer.dueAt(sig); z.Due.IsZero() || due.Before(z.Due) {
			z.Due = due
		}
	}
}

// sort brings the sets into canonical order.
func (z *Zone) sort() {
	keys := make(map[string]string, len(z.Sets))
	for _, s := range z.Sets {
		if _, ok := keys[s.Name]; !ok {
			keys[s.Name] = order(WireName(s.Name))
		}
	}
	slices.SortStableFunc(z.Sets, func(a, b *Set) int {
		return cmp.Or(cmp.Compare(keys[a.Name], keys[b.Name]), cmp.Compare(a.Type, b.Type))
	})
}

// A signer makes the signatures of a zone.
type signer struct {
	zone   string
	policy Policy
	keys   []*Key
	ksks   []*Key
	zsk    *Key
	now    time.Time
	kept   map[SetKey]Kept
	seen   map[SetKey]bool
	todo   []unsigned
}

func newSigner(in Input) (*signer, error) {
	s := &signer{zone: in.Name, policy: in.Policy, keys: in.Keys, now: in.Now, kept: in.Kept, seen: make(map[SetKey]bool, len(in.Kept))}
	for _, k := range in.Keys {
		switch {
		case k.Role == KSK:
			s.ksks = append(s.ksks, k)
		case k.State == Active:
			s.zsk = k
		}
	}
	if len(s.ksks) == 0 || s.zsk == nil {
		return nil, errors.New("it has no KSK or no active ZSK")
	}
	slices.SortFunc(s.ksks, func(a, b *Key) int { return cmp.Compare(a.Tag, b.Tag) })
	return s, nil
}

// apexSets are what signing adds to the records of the zone itself.
func (s *signer) apexSets(nsec3 bool) []*Set {
	set := func(rrtype uint16, rrs []dns.RR) *Set { return &Set{SetKey: SetKey{s.zone, rrtype}, RRs: rrs} }
	keys := make([]dns.RR, 0, len(s.keys))
	for _, k := range s.keys {
		keys = append(keys, k.DNSKEY(s.policy.KeyTTL))
	}
	sets := []*Set{set(dns.TypeDNSKEY, keys)}
	cds, cdnskey := childRecords(s.zone, s.keys, s.policy)
	if len(cds) > 0 {
		sets = append(sets, set(dns.TypeCDS, cds), set(dns.TypeCDNSKEY, cdnskey))
	}
	if nsec3 {
		sets = append(sets, set(dns.TypeNSEC3PARAM, []dns.RR{&dns.NSEC3PARAM{
			Hdr:  dns.RR_Header{Name: s.zone, Rrtype: dns.TypeNSEC3PARAM, Class: dns.ClassINET},
			Hash: dns.SHA1,
		}}))
	}
	return sets
}

// keep gives a set the signatures of before, where they hold. Those that have to be
// made wait for signAll.
func (s *signer) keep(set *Set) (bool, error) {
	canonical, err := canonicalSet(set.RRs)
	if err != nil {
		return false, err
	}
	set.Digest = digestOf(canonical)
	s.seen[set.SetKey] = true
	kept := s.kept[set.SetKey]
	if kept.Digest == set.Digest && s.holds(set.Type, kept.Sigs) {
		set.Sigs = kept.Sigs
		return true, nil
	}
	s.todo = append(s.todo, unsigned{set, canonical})
	return false, nil
}

// An unsigned set waits for its signatures.
type unsigned struct {
	set       *Set
	canonical []byte
}

// signAll makes the signatures that are missing, on all processors.
func (s *signer) signAll() error {
	workers := min(runtime.GOMAXPROCS(0), len(s.todo))
	errs := make([]error, workers)
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() {
			for i := w; i < len(s.todo) && errs[w] == nil; i += workers {
				s.todo[i].set.Sigs, errs[w] = s.sign(s.todo[i].set, s.todo[i].canonical)
			}
		})
	}
	running.Wait()
	s.todo = nil
	return errors.Join(errs...)
}

// sign makes the signatures over a set.
func (s *signer) sign(set *Set, canonical []byte) ([]*dns.RRSIG, error) {
	keys := []*Key{s.zsk}
	if byKSK(set.Type) {
		keys = s.ksks
	}
	sigs := make([]*dns.RRSIG, 0, len(keys))
	for _, k := range keys {
		sig := &dns.RRSIG{
			Hdr:         dns.RR_Header{Name: set.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: set.RRs[0].Header().Ttl},
			TypeCovered: set.Type, Algorithm: algorithm, Labels: labels(set.Name), OrigTtl: set.RRs[0].Header().Ttl,
			Expiration: uint32(s.expiry(set.SetKey).Unix()), Inception: uint32(s.now.Add(-clockSkew).Unix()),
			KeyTag: k.Tag, SignerName: s.zone,
		}
		part, err := signedPart(sig)
		if err != nil {
			return nil, err
		}
		if sig.Signature, err = k.sign(part, canonical); err != nil {
			return nil, err
		}
		sigs = append(sigs, sig)
	}
	return sigs, nil
}

// byKSK reports whether a set is signed by the KSKs. CDS and CDNSKEY have to be
// signed by what the parent has a DS of (RFC 7344 §4.1).
func byKSK(rrtype uint16) bool {
	return rrtype == dns.TypeDNSKEY || rrtype == dns.TypeCDS || rrtype == dns.TypeCDNSKEY
}

// holds reports whether signatures over the same records are as good as new ones:
// by keys that are still there, and not soon to expire. A ZSK that has retired may
// have made them: so a rollover does not sign the whole zone at once.
func (s *signer) holds(rrtype uint16, sigs []*dns.RRSIG) bool {
	for _, sig := range sigs {
		if !s.dueAt(sig).After(s.now.Add(s.policy.slack())) || time.Unix(int64(sig.Inception), 0).After(s.now) {
			return false
		}
	}
	if !byKSK(rrtype) {
		return len(sigs) == 1 && slices.ContainsFunc(s.keys, func(k *Key) bool {
			return k.Role == ZSK && k.State != Published && k.Tag == sigs[0].KeyTag
		})
	}
	return slices.EqualFunc(s.ksks, sigs, func(k *Key, sig *dns.RRSIG) bool { return k.Tag == sig.KeyTag })
}

// expiry spreads the signatures of a zone over a quarter of their lifetime, so that
// they do not all have to be made anew in one hour.
func (s *signer) expiry(key SetKey) time.Time {
	h := sha256.Sum256(append([]byte(key.Name), byte(key.Type>>8), byte(key.Type)))
	spread := time.Duration(binary.BigEndian.Uint64(h[:8]) % uint64(s.policy.SignatureLifetime/4))
	return s.now.Add(s.policy.SignatureLifetime - spread)
}

// dueAt is when a signature is to be made anew: a quarter of the lifetime before
// it ends, which is the time there is to mend a server that stands still.
func (s *signer) dueAt(sig *dns.RRSIG) time.Time {
	return time.Unix(int64(sig.Expiration), 0).Add(-s.policy.SignatureLifetime / 4)
}

// denialTTL is the time to live of NSEC and NSEC3 records (RFC 9077 §3).
func denialTTL(soa dns.RR) uint32 {
	return min(soa.Header().Ttl, soa.(*dns.SOA).Minttl)
}
