package primary

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// Run does what comes up by time, until ctx ends.
func (p *Primary) Run(ctx context.Context) {
	for {
		next := p.Tick(ctx)
		wait := time.Hour
		if !next.IsZero() {
			wait = min(wait, max(time.Second, next.Sub(p.o.Now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// hurry lets the next round come at once.
func (p *Primary) hurry() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Tick does what is due, and says when the next thing is; zero: nothing is to be
// expected.
func (p *Primary) Tick(ctx context.Context) time.Time {
	now := p.o.Now()
	for _, zone := range p.due(now) {
		p.askParent(ctx, zone, now)
		p.mu.Lock()
		if err := p.load(ctx, zone); err != nil && ctx.Err() == nil {
			p.log.Error("publish a zone anew", "zone", zone, "error", err)
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var next time.Time
	for _, s := range p.signed {
		if next.IsZero() || s.due.Before(next) {
			next = s.due
		}
	}
	return next
}

func (p *Primary) due(now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var zones []string
	for name, s := range p.signed {
		if !s.due.After(now) {
			zones = append(zones, name)
		}
	}
	return zones
}

// askParent asks for the DS records of a zone where a key waits for them. That can
// take long, so that nothing is held meanwhile.
func (p *Primary) askParent(ctx context.Context, zone string, now time.Time) {
	p.mu.Lock()
	s := p.signed[zone]
	ask := s != nil && s.asks && !s.nextAsk().After(now)
	var agents []string
	if ask {
		s.asked, agents = now, s.agents
	}
	p.mu.Unlock()
	if !ask {
		return
	}
	var err error
	parent, ours := p.ownParent(ctx, zone)
	if !ours {
		parent, err = p.o.AskParent(ctx, zone, agents)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.signed[zone]; s == nil || ctx.Err() != nil {
		return
	}
	s.parent = parent
	if err == nil {
		s.failed, s.complaint = 0, ""
		return
	}
	s.failed++
	if s.complaint != err.Error() { // once is enough
		s.complaint = err.Error()
		p.log.Warn("dnssec: the parent zone cannot be asked for the DS records", "zone", zone, "error", err)
	}
}

// ownParent finds the DS records of a zone where its parent is ours too.
func (p *Primary) ownParent(ctx context.Context, zone string) (dnssec.Parent, bool) {
	for at := zone; at != "."; {
		i, end := dns.NextLabel(at, 0)
		if at = at[i:]; end {
			at = "."
		}
		z, err := p.o.Store.Zone(ctx, at)
		if err != nil {
			continue
		}
		parent := dnssec.Parent{Seen: true}
		delegated := false
		for _, set := range z.RRsets {
			if dns.CanonicalName(set.Name) != zone {
				continue
			}
			delegated = delegated || set.Type == "NS"
			if set.Type != "DS" {
				continue
			}
			parent.TTL = set.TTL
			for _, v := range set.Values {
				if rr, err := dns.NewRR(zone + " DS " + v); err == nil {
					parent.DS = append(parent.DS, rr.(*dns.DS))
				}
			}
		}
		return parent, delegated
	}
	return dnssec.Parent{}, false
}
