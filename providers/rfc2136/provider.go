package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/rdata"
)

// A Provider reconciles the zones of one name server.
type Provider struct {
	// Control makes zones and removes them; nil where nobody can: zones are then
	// there or not.
	Control Control

	client       *client
	key, readKey *key
	also         []rdata.Name // zones that nobody need speak of
	// views are what is known of the zones, from the last time they were read.
	views map[rdata.Name]*view
	// wanted are the addresses and name servers in zones that are not there yet.
	wanted map[rdata.Name]map[zonedata.Key]*zonedata.Set
	// maxSize bounds an update, in octets; 0: what a message can hold.
	maxSize int
}

// A Control makes zones at a server and removes them.
type Control interface {
	// Creates is nil if Create can make zones at all, as it is configured.
	Creates() error
	// Create makes a zone with the records it begins with: the SOA record first,
	// then NS records and the addresses of those that lie in the zone. The server
	// answers for it, and takes updates of it, when Create returns.
	Create(ctx context.Context, zone rdata.Name, records []string) error
	// Remove takes a zone away with all that is in it.
	Remove(ctx context.Context, zone rdata.Name) error
}

// A Halfway is a Control whose Create or Remove can leave a zone that the server
// knows and has nothing of, where it is killed on the way. Such a zone is not there:
// Create makes it.
type Halfway interface {
	// Halfway reports whether a zone is such a one.
	Halfway(ctx context.Context, zone rdata.Name) bool
}

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	b, err := NewBlock(cfg.Value, cfg.Dir)
	if err == nil {
		err = p.ConfigureBy(b)
	}
	return Problem(err)
}

// ConfigureBy takes the arguments of a block that are those of every server of the
// family.
func (p *Provider) ConfigureBy(b Block) error {
	if p.views == nil {
		p.views = map[rdata.Name]*view{}
	}
	return p.configure(b)
}

// Problem makes a diagnostic of an error in configuring; none for nil.
func Problem(err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Provider cannot be used", Detail: fmt.Sprintf("The provider of a name server cannot be set up: %s.", err)}}
}

// Read implements providers.Provider: by one transfer for each zone that the
// scope speaks of.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	zones, declared := zonedata.Zones(scope)
	wanted, _ := zonedata.Zones(providers.Scope{Wanted: scope.Wanted})
	for _, z := range p.also {
		if declared[z] == nil {
			zones = append(zones, z)
		}
	}
	views := p.look(ctx, zones, declared)
	var out []providers.Observed
	for _, name := range zones {
		v := views[name]
		switch {
		case v.err != nil:
			return nil, v.err
		case v.zone != nil:
			out = append(out, v.zone.Observed()...)
		case slices.Contains(wanted, name):
			if err := p.creates(); err != nil {
				return nil, fmt.Errorf("%s has no zone %s, and %w", p.client.server, name.Host(), err)
			}
		}
		p.views[name] = v
	}
	p.begin(scope)
	return out, nil
}

// creates is nil if zones can be made.
func (p *Provider) creates() error {
	if p.Control == nil {
		return errors.New("RFC 2136 has no way to make one. Make it there first, as a primary zone that takes updates; the providers bind and knot can make zones")
	}
	return p.Control.Creates()
}
