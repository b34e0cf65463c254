package daemon

import (
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// Slowed implements admin.Hooks.
func (d *daemon) Slowed() []admin.SlowedLogin {
	list := []admin.SlowedLogin{}
	for _, s := range d.auth.Slowed() {
		one := admin.SlowedLogin{Who: s.Who, Failures: s.Failures, Forgotten: s.Forgotten.UTC().Format(time.RFC3339)}
		if !s.Locked.IsZero() {
			one.Locked = s.Locked.UTC().Format(time.RFC3339)
		}
		list = append(list, one)
	}
	return list
}

// Unlock implements admin.Hooks.
func (d *daemon) Unlock(who []string) []string {
	done := []string{}
	for _, w := range who {
		if d.auth.Unlock(w) {
			d.log.Info("failed logins are forgotten", "who", w)
			done = append(done, w)
		}
	}
	return done
}
