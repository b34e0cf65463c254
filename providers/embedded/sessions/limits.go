package sessions

import (
	"net/netip"
	"slices"
)

// Limits are how many connections there may be. A limit of 0 is none. What counts
// for one client counts for its network (see [Network]).
type Limits struct {
	Connections          int // at once, of all clients
	ConnectionsPerClient int // at once, of one client
	ConnectionsPerMinute int // begun in a minute, by one client
	// Exempt are networks whose clients only Connections counts for.
	Exempt []netip.Prefix
}

// Exempts says whether a client is one that is not counted by itself.
func (l Limits) Exempts(client netip.Addr) bool {
	return slices.ContainsFunc(l.Exempt, func(p netip.Prefix) bool { return p.Contains(client) })
}
