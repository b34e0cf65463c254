package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// clocks are the time zones of the servers.
type clocks struct {
	byOwner atomic.Pointer[map[string]*time.Location]
	// first is that of the first server, which the queue and the log go by; nil: it
	// has none.
	first atomic.Pointer[time.Location]
}

// zone is that of a server; nil: it has none.
func (c *clocks) zone(owner string) *time.Location {
	if all := c.byOwner.Load(); all != nil {
		return (*all)[owner]
	}
	return nil
}

// of is what the clock of a server shows.
func (c *clocks) of(owner string) func() time.Time {
	return func() time.Time { return in(c.zone(owner), time.Now()) }
}

// now is what the clock of the first server shows.
func (c *clocks) now() time.Time { return in(c.first.Load(), time.Now()) }

// in is a time in a zone; nil: as it is.
func in(zone *time.Location, t time.Time) time.Time {
	if zone == nil {
		return t
	}
	return t.In(zone)
}

// loadClocks takes the zones out of the store. The settings are there already.
func (d *daemon) loadClocks(ctx context.Context) error {
	all, err := d.store.TimeZones(ctx)
	if err != nil {
		return err
	}
	d.clocks.byOwner.Store(&all)
	var first *time.Location
	if servers := d.live.all(); len(servers) > 0 {
		first = all[servers[0].Key]
	}
	d.clocks.first.Store(first)
	return nil
}

// A zonedLog writes records with the time that a clock shows.
type zonedLog struct {
	slog.Handler
	clocks *clocks
}

// Handle implements slog.Handler.
func (z zonedLog) Handle(ctx context.Context, r slog.Record) error {
	r.Time = in(z.clocks.first.Load(), r.Time)
	return z.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (z zonedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return zonedLog{z.Handler.WithAttrs(attrs), z.clocks}
}

// WithGroup implements slog.Handler.
func (z zonedLog) WithGroup(name string) slog.Handler {
	return zonedLog{z.Handler.WithGroup(name), z.clocks}
}
