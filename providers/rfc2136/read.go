package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// maxRecords bounds the records of one zone transfer.
const maxRecords = 10_000_000

// A transfer collects the answers of one zone transfer.
type transfer struct {
	zone    rdata.Name
	records []dns.RR
}

// take takes in one message of the transfer. The records begin and end with the
// SOA record (RFC 5936 §2.2).
func (t *transfer) take(m *dns.Msg) (last bool, err error) {
	if err := rcode(m.Rcode); err != nil {
		return true, err
	}
	if len(m.Answer) == 0 {
		return false, fmt.Errorf("%w: a message of the transfer has no records", ErrAnswer)
	}
	for i, rr := range m.Answer {
		_, soa := rr.(*dns.SOA)
		if len(t.records) == 0 && !soa {
			return false, fmt.Errorf("%w: a transfer begins with an SOA record, and this one with %s %s",
				ErrAnswer, rr.Header().Name, dns.Type(rr.Header().Rrtype))
		}
		if len(t.records) == maxRecords {
			return false, fmt.Errorf("%w: the zone has more than %d records", ErrAnswer, maxRecords)
		}
		t.records = append(t.records, rr)
		if soa && len(t.records) > 1 {
			if i < len(m.Answer)-1 {
				return false, fmt.Errorf("%w: records follow the end of the transfer", ErrAnswer)
			}
			return true, nil
		}
	}
	return false, nil
}

// A question asks for one record set.
type question struct {
	zonedata.Key
	records []dns.RR
}

// take takes in the answer. What is not authoritative is not what the server has.
func (q *question) take(m *dns.Msg) (last bool, err error) {
	if m.Rcode == dns.RcodeNameError {
		return true, nil
	}
	if err := rcode(m.Rcode); err != nil {
		return true, err
	}
	if !m.Authoritative {
		return true, nil // a referral: whatever is below belongs to others
	}
	for _, rr := range m.Answer {
		// An alias is answered with what it leads to.
		h := rr.Header()
		if rdata.Name(dns.CanonicalName(h.Name)) == q.Name && typeNumber(q.Type) == h.Rrtype {
			q.records = append(q.records, rr)
		}
	}
	return true, nil
}

// typeNumber is the number of a record type; 0 for what is none.
func typeNumber(name string) uint16 {
	if n, ok := dns.StringToType[name]; ok {
		return n
	}
	var n uint16
	if _, err := fmt.Sscanf(name, "TYPE%d", &n); err != nil {
		return 0
	}
	return n
}

// A view is what was read of a zone.
type view struct {
	// zone is nil where the server has none of that name.
	zone *zonedata.Zone
	// partial is set where only what is declared could be asked for.
	partial  bool
	declared map[zonedata.Key]bool
	err      error
}

// look reads zones, side by side. declared says of each what is asked for where
// its transfer is refused.
func (p *Provider) look(ctx context.Context, zones []rdata.Name, declared map[rdata.Name]map[zonedata.Key]bool) map[rdata.Name]*view {
	views := make(map[rdata.Name]*view, len(zones))
	transfers, list := p.transfers(ctx, zones)
	for _, name := range zones {
		views[name] = &view{declared: declared[name]}
	}
	var refused []rdata.Name
	for i, name := range zones {
		switch v, err := views[name], list[i].err; {
		case errors.Is(err, errNoZone):
		case errors.Is(err, ErrRefused):
			refused = append(refused, name)
		case errors.Is(err, errFailed) && p.halfway(ctx, name):
		case err != nil:
			v.err = fmt.Errorf("transfer the zone %s from %s: %w", name.Host(), p.client.server, err)
		default:
			v.read(name, transfers[i].records)
		}
	}
	if len(refused) > 0 {
		p.ask(ctx, refused, views)
	}
	return views
}

// halfway reports whether a zone was not wholly made or removed.
func (p *Provider) halfway(ctx context.Context, zone rdata.Name) bool {
	c, ok := p.Control.(Halfway)
	return ok && c.Halfway(ctx, zone)
}

// A server that has too many transfers under way, ours or others', answers
// SERVFAIL. It is asked again, a few times, after pauses that double.
const (
	transferTries = 5
	firstPause    = 20 * time.Millisecond
)

// transfers asks for the transfers of zones.
func (p *Provider) transfers(ctx context.Context, zones []rdata.Name) ([]*transfer, []*exchange) {
	transfers, list := make([]*transfer, len(zones)), make([]*exchange, len(zones))
	again := make([]int, len(zones))
	for i := range again {
		again[i] = i
	}
	for try, pause := 0, firstPause; ; try, pause = try+1, 2*pause {
		var now []*exchange
		for _, i := range again {
			t := &transfer{zone: zones[i]}
			transfers[i] = t
			list[i] = &exchange{msg: new(dns.Msg).SetAxfr(string(zones[i])), key: p.readKey, take: t.take, reset: func() { t.records = nil }}
			now = append(now, list[i])
		}
		p.client.run(ctx, now)
		var failed []int
		for _, i := range again {
			if errors.Is(list[i].err, errFailed) {
				failed = append(failed, i)
			}
		}
		if again = failed; len(again) == 0 || try == transferTries {
			return transfers, list
		}
		select {
		case <-ctx.Done():
			return transfers, list
		case <-time.After(pause):
		}
	}
}

// read makes the zone of its records.
func (v *view) read(name rdata.Name, records []dns.RR) {
	v.zone, v.err = zonedata.Read(name, records, func(k zonedata.Key) bool { return v.declared[k] })
}

// ask reads zones by queries, where the server refuses their transfer.
func (p *Provider) ask(ctx context.Context, zones []rdata.Name, views map[rdata.Name]*view) {
	type asked struct {
		zone rdata.Name
		q    *question
		x    *exchange
	}
	var all []asked
	var list []*exchange
	add := func(zone rdata.Name, k zonedata.Key) {
		q := &question{Key: k}
		m := new(dns.Msg)
		m.SetQuestion(string(k.Name), typeNumber(k.Type))
		m.RecursionDesired = false
		x := &exchange{msg: m, key: p.readKey, take: q.take, reset: func() { q.records = nil }}
		all, list = append(all, asked{zone, q, x}), append(list, x)
	}
	for _, name := range zones {
		views[name].partial = true
		add(name, zonedata.Key{Name: name, Type: "SOA"})
		for k := range views[name].declared {
			add(name, k)
		}
	}
	p.client.run(ctx, list)
	records := map[rdata.Name][]dns.RR{}
	for _, a := range all {
		v := views[a.zone]
		switch {
		case a.x.err != nil && v.err == nil:
			v.err = fmt.Errorf("read the zone %s from %s: its transfer is refused, and so is a query for %s: %w", a.zone.Host(), p.client.server, a.q.Key, a.x.err)
		default:
			records[a.zone] = append(records[a.zone], a.q.records...)
		}
	}
	for _, name := range zones {
		if v := views[name]; v.err == nil && len(records[name]) > 0 {
			v.read(name, records[name])
		}
	}
}
