package daemon

import (
	"context"
	"fmt"

	"github.com/mailform/mailform/providers/embedded/seek"
)

// loadLookups takes over which directories know users.
func (d *daemon) loadLookups(ctx context.Context) error {
	lookups, err := d.store.Lookups(ctx)
	if err != nil {
		return fmt.Errorf("load the lookups: %w", err)
	}
	before := d.seeker
	d.seeker = nil
	if len(lookups) == 0 {
		d.store.SetSource(nil)
	} else {
		d.seeker = seek.New(lookups)
		d.store.SetSource(d.seeker)
	}
	if before != nil {
		before.Close()
	}
	return nil
}
