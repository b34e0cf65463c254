package primary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/miekg/dns"

	nameserver "github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/transfer"
)

const (
	// parentEvery is how often a parent is asked for a DS that is awaited; one that
	// does not answer, less and less often, down to parentRarely.
	parentEvery  = 10 * time.Minute
	parentRarely = 2 * time.Hour
	// restEvery is the least time between two rounds of one zone, so that signatures
	// that are due one after the other make one version of the zone.
	restEvery = 10 * time.Minute
	// failedEvery is how soon a zone that could not be published is tried again.
	failedEvery = time.Minute
	// attempts is how often a zone that changes meanwhile is begun anew.
	attempts = 10
)

// Options make a Primary.
type Options struct {
	Store  *store.Store
	Server *nameserver.Server
	// Transfers is told of each version; nil: nobody is.
	Transfers *transfer.Server
	// Now is the clock; nil: that of the machine.
	Now func() time.Time
	// AskParent asks the servers of a zone's parent for its DS records; nil: by the
	// network. agents are "address:port"; empty: the servers are looked up.
	AskParent func(ctx context.Context, zone string, agents []string) (dnssec.Parent, error)
	Logger    *slog.Logger
}

// A Primary publishes zones. Its methods may be called from any goroutine.
type Primary struct {
	o    Options
	log  *slog.Logger
	wake chan struct{} // capacity 1: the next round may come earlier

	mu sync.Mutex // held while a zone is made and published
	// signed holds, by canonical name, what is known of the signed zones.
	signed map[string]*state
}

// A state is what is known of a signed zone.
type state struct {
	zone *dnssec.Zone // as it was published last; nil: not since the start
	// due is when the zone has to be looked at again.
	due time.Time
	// parent is what the parent has, as far as it was asked.
	parent dnssec.Parent
	// asks is set while a key waits for the parent, with when to ask it.
	asks   bool
	asked  time.Time
	agents []string
	// failed counts how often it has not answered, and complaint is what was last
	// said of that.
	failed    int
	complaint string
}

// nextAsk is when the parent may be asked again.
func (s *state) nextAsk() time.Time {
	return s.asked.Add(min(parentRarely, parentEvery<<min(s.failed, 10)))
}

// New makes a Primary.
func New(o Options) *Primary {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AskParent == nil {
		o.AskParent = AskParent
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Primary{o: o, log: o.Logger, wake: make(chan struct{}, 1), signed: map[string]*state{}}
}

// LoadAll takes over all zones. One that cannot be served must not keep the others
// from it: that is logged.
func (p *Primary) LoadAll(ctx context.Context) error {
	zones, err := p.o.Store.Zones(ctx)
	if err != nil {
		return err
	}
	names, err := p.o.Store.SignedZones(ctx)
	if err != nil {
		return err
	}
	toSign := map[string]bool{}
	for _, n := range names {
		toSign[canonical(n)] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, z := range zones {
		if toSign[canonical(z.Name)] {
			err = p.load(ctx, z.Name)
		} else {
			err = p.unsigned(z)
		}
		if err != nil {
			p.log.Error("load a zone", "zone", z.Name, "error", err)
		}
	}
	return nil
}

// Load takes over what has changed in a zone, or in how it is signed.
func (p *Primary) Load(ctx context.Context, zone string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.load(ctx, zone); err != nil {
		return err
	}
	// The DS of a child may have come or gone.
	for name, s := range p.signed {
		if s.asks && name != canonical(zone) && dns.IsSubDomain(canonical(zone), name) {
			s.asked, s.failed, s.due = time.Time{}, 0, p.o.Now()
		}
	}
	p.hurry()
	return nil
}

// canonical is the canonical name of a zone by its name with or without the dot.
func canonical(zone string) string {
	if zone == "." {
		return zone
	}
	return dns.CanonicalName(zone)
}

// unsigned serves a zone as it is.
func (p *Primary) unsigned(z store.Zone) error {
	d, err := p.o.Server.Read(z)
	if err != nil {
		return err
	}
	delete(p.signed, d.Name())
	if err := p.o.Server.SetDraft(d, nil); err != nil {
		return err
	}
	sets := d.Sets()
	all := make([]*dnssec.Set, len(sets))
	for i := range sets {
		all[i] = &sets[i]
	}
	p.handOut(d.Name(), all)
	return nil
}

// handOut lets secondaries have a version of a zone that is served now.
func (p *Primary) handOut(zone string, sets []*dnssec.Set) {
	if p.o.Transfers != nil {
		p.o.Transfers.Publish(zone, sets)
	}
}

func (p *Primary) load(ctx context.Context, zone string) error {
	for range attempts {
		err := p.publish(ctx, zone)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("publish zone %s: it keeps changing", zone)
}

// publish makes a zone out of the store, and serves it.
func (p *Primary) publish(ctx context.Context, zone string) error {
	z, err := p.o.Store.Zone(ctx, zone)
	if errors.Is(err, store.ErrNotFound) {
		p.o.Server.RemoveZone(zone)
		if p.o.Transfers != nil {
			p.o.Transfers.Remove(canonical(zone))
		}
		delete(p.signed, canonical(zone))
		return nil
	}
	if err != nil {
		return err
	}
	g, err := p.o.Store.Signing(ctx, zone)
	if errors.Is(err, store.ErrNotFound) {
		return p.unsigned(*z)
	}
	if err != nil {
		return err
	}
	d, err := p.o.Server.Read(*z)
	if err != nil {
		return err
	}
	s := p.signed[g.Zone]
	if s == nil {
		s = &state{}
		p.signed[g.Zone] = s
	}
	now := p.o.Now()
	s.due = now.Add(failedEvery) // unless it goes well
	kept, err := p.kept(ctx, g.Zone, s)
	if err != nil {
		return err
	}
	sets := d.Sets()
	world := dnssec.World{MaxTTL: maxTTL(sets), Used: used(kept), Parent: s.parent, Roll: g.Roll}
	step, err := dnssec.Advance(g.Zone, g.Keys, g.Policy, world, now)
	if err != nil {
		return err
	}
	signed, err := dnssec.Sign(dnssec.Input{Name: g.Zone, Sets: sets, Keys: step.Keys, Policy: g.Policy, Now: now, Kept: kept})
	if err != nil {
		return err
	}
	changed := len(signed.Made) > 0 || signed.Gone > 0
	serial := z.Serial
	if changed && serial == g.Published {
		serial = max(serial+1, 1)
		if signed, err = signed.WithSerial(serial); err != nil {
			return err
		}
	}
	if changed || step.Changed || serial != g.Published || g.Roll[dnssec.KSK] || g.Roll[dnssec.ZSK] {
		err := p.o.Store.Publish(ctx, store.Publication{Zone: signed, From: z.Serial, To: serial, Keys: step.Keys, Roll: g.Roll, Kept: kept})
		if err != nil {
			return err
		}
		p.tell(g, step.Keys)
	}
	if err := p.o.Server.SetDraft(d, signed); err != nil {
		return err
	}
	p.handOut(g.Zone, signed.Sets)
	s.zone, s.agents = signed, g.ParentalAgents
	s.plan(step, now)
	return nil
}

// plan says when the zone is to be looked at again.
func (s *state) plan(step dnssec.Step, now time.Time) {
	s.due = s.zone.Due
	if !step.Next.IsZero() && step.Next.Before(s.due) {
		s.due = step.Next
	}
	if rest := now.Add(restEvery); s.due.Before(rest) && s.due.Equal(s.zone.Due) {
		s.due = rest
	}
	s.asks = false
	for _, k := range step.Keys {
		s.asks = s.asks || k.Role == dnssec.KSK && (k.State == dnssec.Ready || k.State == dnssec.Retired && k.Idle.IsZero())
	}
	if next := s.nextAsk(); s.asks && next.Before(s.due) {
		s.due = next
		if next.Before(now) {
			s.due = now.Add(time.Second) // at once, but in a round of its own
		}
	}
}

// kept are the signatures of a zone as it was published last.
func (p *Primary) kept(ctx context.Context, zone string, s *state) (map[dnssec.SetKey]dnssec.Kept, error) {
	if s.zone == nil {
		return p.o.Store.Signatures(ctx, zone)
	}
	kept := make(map[dnssec.SetKey]dnssec.Kept, len(s.zone.Sets))
	for _, set := range s.zone.Sets {
		if len(set.Sigs) > 0 {
			kept[set.SetKey] = dnssec.Kept{Digest: set.Digest, Sigs: set.Sigs}
		}
	}
	return kept, nil
}

// used are the tags of the keys that signatures are by.
func used(kept map[dnssec.SetKey]dnssec.Kept) map[uint16]bool {
	out := map[uint16]bool{}
	for _, k := range kept {
		for _, sig := range k.Sigs {
			out[sig.KeyTag] = true
		}
	}
	return out
}

func maxTTL(sets []dnssec.Set) uint32 {
	longest := uint32(0)
	for _, s := range sets {
		longest = max(longest, s.RRs[0].Header().Ttl)
	}
	return longest
}

// tell logs what has become of the keys.
func (p *Primary) tell(g *store.Signing, now []*dnssec.Key) {
	before := map[uint16]dnssec.State{}
	for _, k := range g.Keys {
		before[k.Tag] = k.State
	}
	for _, k := range now {
		if before[k.Tag] != k.State {
			p.log.Info("dnssec: a key has moved on", "zone", g.Zone, "role", string(k.Role), "tag", k.Tag, "state", string(k.State))
		}
		delete(before, k.Tag)
	}
	for tag := range before {
		p.log.Info("dnssec: a key is gone", "zone", g.Zone, "tag", tag)
	}
}
