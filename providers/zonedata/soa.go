package zonedata

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// An SOA is what mailform says of a zone's SOA record. The serial belongs to the
// server. Times are in seconds.
type SOA struct {
	Primary, Contact       rdata.Name
	Refresh, Retry, Expire uint32
	// NegativeTTL is MINIMUM, and the TTL of the record: of two that differ the
	// least counts (RFC 2308 §5).
	NegativeTTL uint32
}

// readSOA is what a record says.
func readSOA(rr *dns.SOA) SOA {
	return SOA{
		Primary: rdata.Name(strings.ToLower(rr.Ns)), Contact: rdata.Name(strings.ToLower(rr.Mbox)),
		Refresh: rr.Refresh, Retry: rr.Retry, Expire: rr.Expire, NegativeTTL: min(rr.Minttl, rr.Hdr.Ttl),
	}
}

// SOAOf reads the attributes of a zone. The error names the attribute that will
// not do.
func SOAOf(attrs cty.Value) (zone rdata.Name, s SOA, err error) {
	if attrs, err = object(attrs); err != nil {
		return "", s, err
	}
	for _, f := range []struct {
		name string
		to   *rdata.Name
	}{{"name", &zone}, {"primary", &s.Primary}, {"contact", &s.Contact}} {
		if *f.to, err = nameAttr(attrs, f.name); err != nil {
			return "", s, err
		}
	}
	for _, f := range []struct {
		name string
		to   *uint32
	}{{"refresh", &s.Refresh}, {"retry", &s.Retry}, {"expire", &s.Expire}, {"negative_ttl", &s.NegativeTTL}} {
		if *f.to, err = secondsAttr(attrs, f.name); err != nil {
			return "", s, err
		}
	}
	return zone, s, nil
}

// RR is the SOA record of a zone with a serial.
func (s SOA) RR(zone rdata.Name, serial uint32) *dns.SOA {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: string(zone), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: s.NegativeTTL},
		Ns:  string(s.Primary), Mbox: string(s.Contact), Serial: serial,
		Refresh: s.Refresh, Retry: s.Retry, Expire: s.Expire, Minttl: s.NegativeTTL,
	}
}

// Revision is another one for another SOA, whatever its serial.
func (s SOA) Revision() string {
	sum := sha256.Sum256([]byte(s.String()))
	return hex.EncodeToString(sum[:12])
}

// String describes the SOA for an error text.
func (s SOA) String() string {
	return fmt.Sprintf("%s %s %d %d %d %d", s.Primary, s.Contact, s.Refresh, s.Retry, s.Expire, s.NegativeTTL)
}

func (s SOA) attrs(zone rdata.Name) cty.Value {
	return zoneKind.Object(map[string]cty.Value{
		"name":         cty.StringVal(string(zone)),
		"primary":      cty.StringVal(string(s.Primary)),
		"contact":      cty.StringVal(string(s.Contact)),
		"refresh":      cty.NumberUIntVal(uint64(s.Refresh)),
		"retry":        cty.NumberUIntVal(uint64(s.Retry)),
		"expire":       cty.NumberUIntVal(uint64(s.Expire)),
		"negative_ttl": cty.NumberUIntVal(uint64(s.NegativeTTL)),
	})
}

// NextSerial is the serial after one (RFC 1982), without 0.
func NextSerial(serial uint32) uint32 { return max(serial+1, 1) }
