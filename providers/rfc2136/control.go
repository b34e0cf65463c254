package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// control makes the zones that are to be made, and removes those that are to go.
func (p *Provider) control(ctx context.Context, jobs []*job) {
	var made, going []*job
	for _, j := range jobs {
		if !j.ended && j.edits.Delete {
			going = append(going, j)
		}
	}
	p.lookAgain(ctx, going) // no server compares for us
	for _, j := range going {
		j.prepare(p.limit())
	}
	for _, j := range jobs {
		var err error
		switch {
		case j.ended || !j.edits.Create && !j.edits.Delete:
			continue
		case j.edits.Create:
			if err = p.creates(); err == nil {
				err = p.Control.Create(ctx, j.zone, p.first(j))
			}
			if err == nil {
				made = append(made, j)
				continue
			}
		case p.Control == nil:
			err = errors.New("RFC 2136 has no way to remove a zone")
		case j.view.partial:
			err = errors.New("its transfer is refused, so that nobody can tell what others have in it. Let the key transfer it, or remove the zone by hand")
		case len(j.edits.Left) > 0:
			err = fmt.Errorf("it still has what mailform did not make: %s. Take that away first, or remove the zone by hand", zonedata.Some(j.edits.Left))
		default:
			err = p.Control.Remove(ctx, j.zone)
		}
		if err != nil {
			j.end(fmt.Errorf("zone %s: %w", j.zone.Host(), err))
		}
	}
	p.lookAgain(ctx, made)
	for _, j := range made {
		if j.view.err == nil && j.view.zone == nil {
			j.end(fmt.Errorf("zone %s: %w: %s does not answer for it", j.zone.Host(), ErrIgnored, p.client.server))
			continue
		}
		j.prepare(p.limit())
	}
}

// begin remembers what is wanted in zones that are not there yet: a zone begins
// with its name servers.
func (p *Provider) begin(scope providers.Scope) {
	p.wanted = nil
	if p.Control == nil || !slices.ContainsFunc(scope.Wanted, func(r schema.Resource) bool {
		if r.Kind != schema.KindZone {
			return false
		}
		name, err := zonedata.ZoneName(r.Kind, r.Key)
		return err == nil && p.views[name] != nil && p.views[name].zone == nil
	}) {
		return
	}
	p.wanted = map[rdata.Name]map[zonedata.Key]*zonedata.Set{}
	for i := range scope.Wanted {
		r := &scope.Wanted[i]
		zone, s, err := zonedata.SetOf(r.Attrs)
		if r.Kind != schema.KindRRset || err != nil || s.Type != "A" && s.Type != "AAAA" && s.Type != "NS" {
			continue
		}
		if p.wanted[zone] == nil {
			p.wanted[zone] = map[zonedata.Key]*zonedata.Set{}
		}
		p.wanted[zone][s.Key] = s
	}
}

// first is what a zone begins with: no server takes one without NS records, nor
// one whose name servers lie in it and have no addresses there.
func (p *Provider) first(j *job) []string {
	soa := j.edits.SOA
	ns := &zonedata.Set{Key: zonedata.Key{Name: j.zone, Type: "NS"}, TTL: soa.NegativeTTL, Values: []string{string(soa.Primary)}}
	sets := map[zonedata.Key]*zonedata.Set{}
	for k, s := range p.wanted[j.zone] {
		sets[k] = s
	}
	for _, e := range j.edits.Sets {
		sets[e.Key] = e.After
	}
	if s := sets[ns.Key]; s != nil {
		ns = s
	}
	lines := []string{soa.RR(j.zone, 1).String()}
	add := func(s *zonedata.Set) {
		for _, v := range s.Values {
			lines = append(lines, rdata.Line(s.Name, s.TTL, s.Type, v))
		}
	}
	add(ns)
	for _, host := range ns.Values {
		for _, t := range []string{"A", "AAAA"} {
			if s := sets[zonedata.Key{Name: rdata.Name(host), Type: t}]; s != nil {
				add(s)
			}
		}
	}
	return lines
}
