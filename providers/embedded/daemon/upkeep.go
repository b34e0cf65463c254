package daemon

import (
	"context"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// loadUpkeep takes over when users are warned. What is done by the clock asks the
// store each time.
func (d *daemon) loadUpkeep(ctx context.Context) error {
	u, err := d.store.Upkeep(ctx)
	if err != nil {
		return err
	}
	d.store.SetWarnings(store.Warnings{Percents: u.Warn, Hostname: d.queueSettings().Hostname, Now: d.clocks.now})
	return nil
}

// expire removes what has been in Trash and Junk for long enough.
func (d *daemon) expire(ctx context.Context, now time.Time) {
	u, err := d.store.Upkeep(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("expire messages", "error", err)
		}
		return
	}
	for _, e := range []struct {
		use  string
		keep time.Duration
	}{{`\Trash`, u.Trash}, {`\Junk`, u.Junk}} {
		if e.keep == 0 {
			continue
		}
		switch n, err := d.store.Expire(ctx, e.use, now.Add(-e.keep)); {
		case err != nil && ctx.Err() == nil:
			d.log.Error("expire messages", "error", err)
		case n > 0:
			d.log.Info("expired messages", "mailbox", e.use, "messages", n)
		}
	}
}
