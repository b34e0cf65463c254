package dnssec

import (
	"time"

	"github.com/miekg/dns"
)

// A Denial is how a zone proves that something is not there.
type Denial string

// The sorts of denial.
const (
	NSEC3 Denial = "nsec3" // names are hashed: the zone cannot simply be listed
	NSEC  Denial = "nsec"  // names are shown; answers are smaller
)

// A Policy says how a zone is signed.
type Policy struct {
	Denial Denial
	// SignatureLifetime is how long a signature is good for at most.
	SignatureLifetime time.Duration
	// ZSKLifetime and KSKLifetime are after how long a key is followed by another;
	// 0: never by itself.
	ZSKLifetime, KSKLifetime time.Duration
	// KeyTTL is the time to live of DNSKEY, CDS and CDNSKEY, in seconds.
	KeyTTL uint32
	// Propagation is how long a change may take to reach all secondaries.
	Propagation time.Duration
	// Withdraw asks the parent to remove the DS records (RFC 8078 §4), so that the
	// zone can become unsigned.
	Withdraw bool
}

// DefaultPolicy is what zones have that say nothing else.
func DefaultPolicy() Policy {
	return Policy{
		Denial: NSEC3, SignatureLifetime: 14 * 24 * time.Hour, ZSKLifetime: 90 * 24 * time.Hour,
		KeyTTL: 3600, Propagation: time.Hour,
	}
}

// slack is how much before their time signatures are made anew where others are
// due, so that few new versions of the zone are made.
func (p Policy) slack() time.Duration { return p.SignatureLifetime / 100 }

// DS are the records that the parent is to have now.
func DS(keys []*Key, p Policy) []*dns.DS {
	if p.Withdraw {
		return nil
	}
	var out []*dns.DS
	for _, k := range parentKeys(keys, Ready, Active, Published) {
		out = append(out, k.DS(p.KeyTTL))
	}
	return out
}

// parentKeys are the KSKs of the first state that any has.
func parentKeys(keys []*Key, states ...State) []*Key {
	for _, state := range states {
		var out []*Key
		for _, k := range keys {
			if k.Role == KSK && k.State == state {
				out = append(out, k)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// childRecords are the CDS and CDNSKEY records. There are none before the first
// KSK is ready: the parent is to wait until what is unsigned has left the caches.
func childRecords(zone string, keys []*Key, p Policy) (cds, cdnskey []dns.RR) {
	head := func(rrtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: zone, Rrtype: rrtype, Class: dns.ClassINET, Ttl: p.KeyTTL}
	}
	if p.Withdraw { // RFC 8078 §4
		return []dns.RR{&dns.CDS{DS: dns.DS{Hdr: head(dns.TypeCDS), Digest: "00"}}},
			[]dns.RR{&dns.CDNSKEY{DNSKEY: dns.DNSKEY{Hdr: head(dns.TypeCDNSKEY), Protocol: 3, PublicKey: "AA=="}}}
	}
	for _, k := range parentKeys(keys, Ready, Active) {
		c := k.DS(p.KeyTTL).ToCDS()
		cds = append(cds, c)
		d := k.DNSKEY(p.KeyTTL).ToCDNSKEY()
		cdnskey = append(cdnskey, d)
	}
	return cds, cdnskey
}
