package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A Status is how far a signed zone and its keys have come.
type Status struct {
	Zone   string // with trailing dot
	Serial uint32
	Keys   []KeyStatus
	// DS is the data of the records that the parent is to have.
	DS []string
	// Renewal is when the next signatures are made anew.
	Renewal time.Time
}

// A KeyStatus is how far a key has come.
type KeyStatus struct {
	Role  dnssec.Role
	Tag   uint16
	State dnssec.State
	Since time.Time
	// Waits says what the key waits for; empty: for nothing. Until is zero where it
	// is not time that it waits for.
	Waits string
	Until time.Time
}

// ErrNothingAwaited: no key waits for the parent.
var ErrNothingAwaited = errors.New("no key of the zone waits for the parent")

// ErrUnderWay: another key is there already, and not in use yet.
var ErrUnderWay = errors.New("a key is on its way already")

// Status tells of all signed zones, or of one. The error for one that is not signed
// is [store.ErrNotFound].
func (p *Primary) Status(ctx context.Context, zone string) ([]Status, error) {
	names := []string{zone}
	if zone == "" {
		var err error
		if names, err = p.o.Store.SignedZones(ctx); err != nil {
			return nil, err
		}
	}
	var out []Status
	for _, n := range names {
		g, err := p.o.Store.Signing(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p.status(g))
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Zone, b.Zone) })
	return out, nil
}

func (p *Primary) status(g *store.Signing) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Status{Zone: g.Zone, Serial: g.Published, DS: []string{}}
	world := dnssec.World{}
	if s := p.signed[g.Zone]; s != nil && s.zone != nil {
		world = dnssec.World{MaxTTL: s.zone.MaxTTL, Used: s.zone.Used, Parent: s.parent}
		st.Renewal = s.zone.Due
	}
	for _, ds := range dnssec.DS(g.Keys, g.Policy) {
		st.DS = append(st.DS, strings.TrimPrefix(ds.String(), ds.Hdr.String()))
	}
	for _, k := range g.Keys {
		until, what := dnssec.Waits(k, g.Keys, g.Policy, world)
		st.Keys = append(st.Keys, KeyStatus{Role: k.Role, Tag: k.Tag, State: k.State, Since: k.Since, Waits: what, Until: until})
	}
	return st
}

// Roll makes a successor to the key of a role. Errors: [store.ErrNotFound] for a
// zone that is not signed, [ErrUnderWay].
func (p *Primary) Roll(ctx context.Context, zone string, role dnssec.Role) error {
	g, err := p.o.Store.Signing(ctx, zone)
	if err != nil {
		return err
	}
	for _, k := range g.Keys {
		if k.Role == role && (k.State == dnssec.Published || k.State == dnssec.Ready) {
			return fmt.Errorf("roll the %s of zone %s: %w: %d is %s", strings.ToUpper(string(role)), strings.TrimSuffix(g.Zone, "."), ErrUnderWay, k.Tag, k.State)
		}
	}
	if err := p.o.Store.RollZoneKey(ctx, zone, role); err != nil {
		return err
	}
	return p.Load(ctx, zone)
}

// Confirm says that the parent has exchanged the DS records for those that it is to
// have, where it cannot be asked. Errors: [store.ErrNotFound], [ErrNothingAwaited].
func (p *Primary) Confirm(ctx context.Context, zone string) error {
	g, err := p.o.Store.Signing(ctx, zone)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(g.Keys, func(k *dnssec.Key) bool { return k.State == dnssec.Ready }) {
		return fmt.Errorf("confirm the DS of zone %s: %w", strings.TrimSuffix(g.Zone, "."), ErrNothingAwaited)
	}
	p.mu.Lock()
	s := p.signed[g.Zone]
	if s == nil {
		s = &state{}
		p.signed[g.Zone] = s
	}
	s.parent = dnssec.Parent{Seen: true, DS: dnssec.DS(g.Keys, g.Policy)}
	err = p.load(ctx, zone)
	s.parent = dnssec.Parent{} // it was not asked
	p.mu.Unlock()
	p.hurry()
	return err
}
