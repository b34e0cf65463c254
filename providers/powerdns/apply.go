package powerdns

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
)

// maxRequest bounds the records in one request, in bytes of names and contents.
// PowerDNS takes 2 MB of JSON, unless its setting webserver-max-bodysize says
// otherwise.
const maxRequest = 1 << 20

// Apply implements providers.Provider. The changes of a zone are one request and
// one transaction, unless they are too large for that; zones are apart from each
// other.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	parts, errs := zonedata.Group(batch)
	results := make([]providers.Observed, len(batch))
	for _, part := range parts {
		changes := make([]providers.Change, len(part.Changes))
		for n, i := range part.Changes {
			changes[n] = batch[i]
		}
		observed, zoneErrs := p.change(ctx, part, changes)
		for n, i := range part.Changes {
			results[i], errs[i] = observed[n], zoneErrs[n]
		}
	}
	for i, c := range batch {
		if err := done(c, results[i], errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// change makes the changes of one zone, and tells of each what is there now, or
// why not.
func (p *Provider) change(ctx context.Context, part zonedata.Part, changes []providers.Change) ([]providers.Observed, []error) {
	observed := make([]providers.Observed, len(changes))
	fail := func(err error) ([]providers.Observed, []error) {
		errs := make([]error, len(changes))
		for i := range errs {
			errs[i] = err
		}
		return observed, errs
	}
	z, err := p.zone(ctx, part.Zone)
	if err != nil {
		return fail(err)
	}
	var have *zonedata.Zone
	if z != nil {
		have = z.Zone
	}
	edits, errs := zonedata.Prepare(have, changes)
	if zonedata.Refused(errs) {
		return observed, errs
	}
	if edits.Empty() {
		return after(have, changes, nil)
	}
	switch {
	case z != nil && secondary(z.kind):
		return fail(fmt.Errorf("PowerDNS is a secondary server of the zone %s (its kind is %s): changes are made at the primary server", part.Zone.Host(), z.kind))
	case edits.Delete && len(edits.Left)+len(z.own) > 0:
		return fail(fmt.Errorf("the zone %s holds records that mailform has not made, %s. It stays. Take them out by hand, or remove the zone yourself",
			part.Zone.Host(), zonedata.Some(append(edits.Left, z.own...))))
	}
	err = p.write(ctx, part, z, edits)
	// Also after an error: what was done then is not known, or not all of it was.
	now, readErr := p.zone(context.WithoutCancel(ctx), part.Zone)
	if readErr != nil {
		if err == nil {
			err = fmt.Errorf("it was sent, and what became of it cannot be read: %w", readErr)
		}
		return fail(err)
	}
	if err == nil {
		err = errOtherwise
	}
	have = nil
	if now != nil {
		have = now.Zone
	}
	return after(have, changes, err)
}

// errOtherwise is the error of what PowerDNS has taken and not done.
var errOtherwise = errors.New("PowerDNS has taken it, and it is not there as it was sent: somebody else changes the zone too, or PowerDNS has its own mind")

// after tells what is there of each change. Where that is not what is wanted, it
// is what went wrong.
func after(z *zonedata.Zone, changes []providers.Change, wrong error) ([]providers.Observed, []error) {
	observed, errs := make([]providers.Observed, len(changes)), make([]error, len(changes))
	last := map[string]int{}
	for i, c := range changes {
		last[c.Resource.Kind+" "+c.Resource.Key] = i
	}
	for i, c := range changes {
		var have providers.Observed
		there := false
		if z != nil {
			have, there = z.Find(c.Resource.Kind, c.Resource.Key)
		}
		wanted := c.Action != providers.Delete
		switch {
		case last[c.Resource.Kind+" "+c.Resource.Key] != i: // the first half of a replacement
		case there != wanted, wanted && !have.Attrs.RawEquals(c.Resource.Attrs):
			if errs[i] = wrong; wrong == nil {
				errs[i] = errOtherwise
			}
		case wanted:
			observed[i] = have
		}
	}
	return observed, errs
}

// write sends what is to be done.
func (p *Provider) write(ctx context.Context, part zonedata.Part, z *zone, edits *zonedata.Edits) error {
	path := "/zones/" + zoneID(part.Zone)
	if edits.Delete {
		return p.client.do(ctx, http.MethodDelete, path, nil, nil)
	}
	var sets []remoteRRset
	if edits.SOA != nil {
		serial := uint32(1)
		if z != nil {
			serial = z.SOA.Serial
		}
		rr := edits.SOA.RR(part.Zone, serial)
		sets = append(sets, remoteRRset{Name: string(part.Zone), Type: "SOA", TTL: rr.Hdr.Ttl, ChangeType: "REPLACE", Records: []remoteRecord{{Content: soaContent(rr)}}})
	}
	// What goes goes first: a CNAME is refused beside other records.
	for _, deletes := range []bool{true, false} {
		for _, e := range edits.Sets {
			if deletes == (e.After == nil) {
				sets = append(sets, remote(z, e))
			}
		}
	}
	if edits.Create {
		first, rest := chunk(sets)
		if err := p.create(ctx, part, first); err != nil {
			return err
		}
		sets = rest
	}
	for len(sets) > 0 {
		first, rest := chunk(sets)
		if err := p.client.do(ctx, http.MethodPatch, path, remoteZone{Name: string(part.Zone), RRsets: first}, nil); err != nil {
			return err
		}
		sets = rest
	}
	return nil
}

// create makes a zone. One that was made halfway makes room for it.
func (p *Provider) create(ctx context.Context, part zonedata.Part, sets []remoteRRset) error {
	err := p.client.do(ctx, http.MethodPost, "/zones", p.newZone(part, sets), nil)
	if !isStatus(err, http.StatusConflict) {
		return err
	}
	if remote, rerr := p.client.zone(ctx, part.Zone); rerr != nil || remote == nil || !remote.halfway() {
		return err
	}
	if err := p.client.do(ctx, http.MethodDelete, "/zones/"+zoneID(part.Zone), nil, nil); err != nil {
		return err
	}
	return p.client.do(ctx, http.MethodPost, "/zones", p.newZone(part, sets), nil)
}

// newZone is what makes a zone.
func (p *Provider) newZone(part zonedata.Part, sets []remoteRRset) remoteZone {
	none := []string{}
	out := remoteZone{Name: string(part.Zone), Kind: p.kind, Nameservers: &none}
	if p.dnssec {
		out.DNSSEC = &p.dnssec
	}
	for _, s := range sets {
		s.ChangeType = ""
		out.RRsets = append(out.RRsets, s)
	}
	return out
}

// remote is an edit as the API takes it. Records that are switched off stay.
func remote(z *zone, e zonedata.Edit) remoteRRset {
	out := remoteRRset{Name: string(e.Name), Type: e.Type, ChangeType: "DELETE"}
	if e.After != nil {
		out.ChangeType, out.TTL = "REPLACE", e.After.TTL
		for _, v := range e.After.Values {
			out.Records = append(out.Records, remoteRecord{Content: content(e.After, v)})
		}
	}
	if z != nil && len(z.disabled[e.Key]) > 0 {
		if out.ChangeType == "DELETE" {
			out.ChangeType, out.TTL = "REPLACE", e.Before.TTL
		}
		out.Records = append(out.Records, z.disabled[e.Key]...)
	}
	return out
}

// chunk cuts off as many sets as one request takes, at least one. A name is not
// cut in two.
func chunk(sets []remoteRRset) (first, rest []remoteRRset) {
	size := 0
	for i, s := range sets {
		size += len(s.Name) + 100
		for _, r := range s.Records {
			size += len(r.Content) + 40
		}
		if size > maxRequest && i > 0 {
			return sets[:i], sets[i:]
		}
	}
	return sets, nil
}
