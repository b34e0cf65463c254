package powerdns

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A zone is one as the server has it.
type zone struct {
	*zonedata.Zone
	kind string
	// own are record sets of types that PowerDNS alone has.
	own []zonedata.Key
	// disabled are records that are switched off, by their set.
	disabled map[zonedata.Key][]remoteRecord
}

// secondary reports whether a kind of zone comes from another server.
func secondary(kind string) bool { return kind == "Slave" || kind == "Secondary" || kind == "Consumer" }

// halfway reports whether a zone has nothing at all, as PowerDNS leaves one that it
// was making when it was killed: it stores a zone first, and then its records.
// Nobody serves such a zone, so it is not there. A secondary server's is empty until
// its first transfer.
func (z *remoteZone) halfway() bool { return len(z.RRsets) == 0 && !secondary(z.Kind) }

// ownTypes are no types of DNS: PowerDNS makes other records of them when it
// answers.
var ownTypes = map[string]bool{"ALIAS": true, "LUA": true}

// read makes a zone of what the API tells of it.
func read(name rdata.Name, remote *remoteZone) (*zone, error) {
	z := &zone{kind: remote.Kind, disabled: map[zonedata.Key][]remoteRecord{}}
	var rrs []dns.RR
	for _, set := range remote.RRsets {
		owner, err := rdata.ParseName(set.Name)
		if err != nil {
			return nil, fmt.Errorf("the name %q: %w", set.Name, err)
		}
		key := zonedata.Key{Name: owner, Type: set.Type}
		if ownTypes[set.Type] {
			z.own = append(z.own, key)
			continue
		}
		for _, r := range set.Records {
			if r.Disabled {
				z.disabled[key] = append(z.disabled[key], r)
				continue
			}
			rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", owner, set.TTL, set.Type, r.Content))
			if err != nil || rr == nil {
				return nil, fmt.Errorf("%s has content that cannot be read: %q", key, r.Content)
			}
			rr.Header().Name = string(owner)
			rrs = append(rrs, rr)
		}
	}
	var err error
	z.Zone, err = zonedata.Read(name, rrs, nil)
	return z, err
}

// content is a value as the API takes it: in the very form in which PowerDNS
// writes it, for it takes no other.
func content(s *zonedata.Set, value string) string {
	switch s.Type {
	case "HTTPS", "SVCB":
		return serviceContent(value)
	case "LOC":
		return placeContent(value)
	case "CERT":
		if rr, err := rdata.RR(s.Name, s.TTL, s.Type, value); err == nil {
			if c, ok := rr.(*dns.CERT); ok { // it knows no mnemonics
				return fmt.Sprintf("%d %d %d %s", c.Type, c.KeyTag, c.Algorithm, c.Certificate)
			}
		}
	}
	if value == `\# 0` {
		return `\# 0 `
	}
	line := rdata.Line(".", 0, s.Type, value)
	return strings.TrimPrefix(line, ". 0 IN "+s.Type+" ")
}

// placeContent writes a LOC record with two digits behind the point of all
// lengths, and none before minutes that need none.
func placeContent(value string) string {
	fields := strings.Fields(value)
	for i, f := range fields {
		if m, ok := strings.CutSuffix(f, "m"); ok {
			if n, err := strconv.ParseFloat(m, 64); err == nil {
				fields[i] = strconv.FormatFloat(n, 'f', 2, 64) + "m"
			}
		} else if n, err := strconv.Atoi(f); err == nil {
			fields[i] = strconv.Itoa(n)
		}
	}
	return strings.Join(fields, " ")
}

// soaContent is an SOA record as the API takes it. PowerDNS makes the serial of
// the next change from it (its setting default-soa-edit-api).
func soaContent(rr *dns.SOA) string {
	return fmt.Sprintf("%s %s %d %d %d %d %d", rr.Ns, rr.Mbox, rr.Serial, rr.Refresh, rr.Retry, rr.Expire, rr.Minttl)
}

// serviceContent writes the parameters of a service as PowerDNS does: without
// quotes where none are needed.
func serviceContent(value string) string {
	fields := strings.Fields(value)
	for i, f := range fields {
		key, text, ok := strings.Cut(f, "=")
		if text, ok = strings.CutPrefix(text, `"`); ok {
			text = strings.TrimSuffix(text, `"`)
			if text == "" {
				fields[i] = key
			} else if key != "ech" && !strings.ContainsAny(text, `\" ;`) {
				fields[i] = key + "=" + text
			}
		}
	}
	return strings.Join(fields, " ")
}
