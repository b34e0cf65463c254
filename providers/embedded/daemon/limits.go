package daemon

import (
	"context"
	"fmt"
	"sync"

	"github.com/mailform/mailform/providers/embedded/dns"
)

// limiters are those of the name servers, by the labels of their blocks. One stays
// for as long as the daemon runs, so that what is counted outlives a listener.
type limiters struct {
	mu      sync.Mutex
	byOwner map[string]*dns.Limiter
	limits  map[string]dns.Limits
}

// of is the limiter of a name server.
func (l *limiters) of(owner string) *dns.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byOwner == nil {
		l.byOwner = map[string]*dns.Limiter{}
	}
	one := l.byOwner[owner]
	if one == nil {
		one = dns.NewLimiter(l.limit(owner))
		l.byOwner[owner] = one
	}
	return one
}

func (l *limiters) limit(owner string) dns.Limits {
	if limits, ok := l.limits[owner]; ok {
		return limits
	}
	return dns.Limits{PerSecond: dns.DefaultPerSecond}
}

// loadLimits takes the limits out of the store.
func (d *daemon) loadLimits(ctx context.Context) error {
	list, err := d.store.RateLimits(ctx)
	if err != nil {
		return fmt.Errorf("load the rate limits: %w", err)
	}
	l := &d.limiters
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = map[string]dns.Limits{}
	for _, r := range list {
		l.limits[r.Owner] = dns.Limits{PerSecond: r.ResponsesPerSecond, Exempt: r.Exempt}
	}
	for owner, one := range l.byOwner {
		one.Set(l.limit(owner))
	}
	return nil
}
