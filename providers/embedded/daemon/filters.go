package daemon

import (
	"context"
	"fmt"

	"github.com/mailform/mailform/providers/embedded/milter"
)

// loadFilters takes over which filters the services have. Connections that have
// brought mail already go on with those that they began with.
func (d *daemon) loadFilters(ctx context.Context) error {
	list, err := d.store.Filters(ctx)
	if err != nil {
		return fmt.Errorf("load the filters: %w", err)
	}
	byService := map[[2]string][]milter.Filter{}
	for _, f := range list {
		at := [2]string{f.Owner, f.Service}
		byService[at] = append(byService[at], milter.Filter{
			Name: f.Name, Address: f.Address, OnFailure: milter.Failure(f.OnFailure), Timeout: f.Timeout, Junk: f.Junk,
			RefusesQuarantine: f.Type == "clamav",
		})
	}
	d.live.mu.Lock()
	defer d.live.mu.Unlock()
	d.live.filters = byService
	return nil
}

// filtersOf are the filters of a service of a server, in their order.
func (l *live) filtersOf(owner, service string) []milter.Filter {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.filters[[2]string{owner, service}]
}
