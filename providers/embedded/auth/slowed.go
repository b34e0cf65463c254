package auth

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Slowed is an account or a network whose logins have to wait, or are not looked at.
type Slowed struct {
	// Who is the address of an account, which need not exist, or a network.
	Who      string
	Failures int
	// Locked is until when nothing is looked at; zero: it is, after a while.
	Locked time.Time
	// Forgotten is when all failures are forgotten, if there are no more.
	Forgotten time.Time
}

// Slowed lists them, those with most failures first.
func (a *Authenticator) Slowed() []Slowed {
	now := a.clock.Now()
	var list []Slowed
	add := func(who string, y tally) {
		locked := y.locked.After(now)
		y = y.at(now)
		if y.failures < freeFailures && !locked {
			return
		}
		one := Slowed{Who: who, Failures: y.failures, Forgotten: y.expires()}
		if locked {
			one.Locked = y.locked
		}
		list = append(list, one)
	}
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.peers.each(now, func(k netip.Prefix, y tally) { add(network6(k), y) })
	a.throttle.accounts.each(now, func(_ accountKey, y tally) { add(y.name, y) })
	slices.SortFunc(list, func(a, b Slowed) int {
		if a.Failures != b.Failures {
			return b.Failures - a.Failures
		}
		return strings.Compare(a.Who, b.Who)
	})
	return list
}

// network6 writes an IPv4 address without its length.
func network6(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Unlock forgets the failures of an account, by its address, or of a network, by any
// address in it. It reports whether there were any.
func (a *Authenticator) Unlock(who string) bool {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	if p, err := netip.ParsePrefix(who); err == nil {
		return a.throttle.peers.drop(network(p.Addr().Unmap()))
	}
	if ip, err := netip.ParseAddr(who); err == nil {
		return a.throttle.peers.drop(network(ip.Unmap()))
	}
	return a.throttle.accounts.drop(sha256.Sum256([]byte(strings.ToLower(who))))
}
