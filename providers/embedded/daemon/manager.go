package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/providers/embedded/systemd"
)

// underManager is what the service manager wants to hear and what it hands over.
// Whatever the error, the rest can be used.
func underManager(env systemd.Environ) (*systemd.Notifier, *systemd.Pool, error) {
	n, err := systemd.New(env)
	given, gerr := systemd.Sockets(env)
	return n, systemd.NewPool(given), errors.Join(err, gerr)
}

// tell logs that the service manager could not be told something. It goes on
// without having heard it, or ends us.
func (d *daemon) tell(what string, err error) {
	if err != nil {
		d.log.Warn("tell the service manager", "what", what, "error", err)
	}
}

// summary is how the daemon is, in a line.
func (d *daemon) summary() string {
	open, shut, connections := d.sockets.count()
	out := fmt.Sprintf("Serving on %s; %s", counted(open, "socket"), counted(connections, "connection"))
	if shut > 0 {
		out += fmt.Sprintf("; %s that cannot be opened", counted(shut, "socket"))
	}
	return out
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// report tells the service manager how the daemon is, where that has changed. One
// goroutine calls it.
func (d *daemon) report() {
	if now := d.summary(); now != d.reported {
		d.reported = now
		d.tell("status", d.manager.Status(now))
	}
}

// reload takes the settings out of the store anew, and the certificates out of their
// files. Sessions go on.
func (d *daemon) reload(ctx context.Context) {
	d.tell("reloading", d.manager.Reloading())
	d.log.Info("taking settings and certificates anew")
	d.applying.Lock()
	err := errors.Join(d.loadDeclared(ctx), d.loadSecondaries(ctx))
	d.applying.Unlock()
	if err != nil && ctx.Err() == nil {
		d.log.Error("take the settings anew", "error", err)
	}
	d.sockets.retry()
	d.reported = d.summary()
	d.tell("ready", d.manager.Ready(d.reported))
}

// watchdog tells the service manager that the daemon is well, for as long as it is:
// its store can be read and its sockets be looked at. One that hangs is started anew.
func (d *daemon) watchdog(ctx context.Context) {
	limit := d.manager.Watchdog()
	if limit == 0 {
		return
	}
	tick := time.NewTicker(limit / 3)
	defer tick.Stop()
	for {
		_ = d.summary() // waits for as long as the sockets are held
		if _, err := d.store.Settings(ctx); err == nil {
			d.tell("watchdog", d.manager.Alive())
		} else if ctx.Err() == nil {
			d.log.Error("the store cannot be read: the service manager does not hear that all is well", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
