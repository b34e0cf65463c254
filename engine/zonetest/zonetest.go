package zonetest

import (
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A System is one live system that holds a zone.
type System struct {
	// Config are blocks that say where the system is. Among them is a block
	// nameserver "ns" with the hostname ns1.example.net.
	Config string
	// NewProvider makes the providers that Config names, as main does.
	NewProvider func(name string) providers.Provider
	// Version of mailform; empty: none.
	Version string
	// MakesZones: it makes any zone that is declared.
	MakesZones bool
	// ZoneLines are further lines in the block of the zone, in each step.
	ZoneLines string
	// Zone is the name of the zone; empty: example.com. It is there beforehand
	// only where the system has no way to make one.
	Zone string
	// Live asks a program that knows nothing of mailform which records the zone
	// has. It may return more than was asked for, but no records that others have
	// no business with. Nil: there is no such program.
	Live func(t *testing.T, zone rdata.Name, questions []Question) []dns.RR
	// Signed: the zone is signed, and what Live tells has signatures.
	Signed bool
	// Addr is where the server answers by UDP; empty: it has no server.
	Addr string
	// Edit makes a record set what it says behind mailform's back, or takes it
	// away if it has no values. Nil: the system has no other way in.
	Edit func(t *testing.T, zone rdata.Name, set providertest.Set)
	// Cannot says of groups, or of single steps ("group/step"), that the system
	// cannot go through why.
	Cannot map[string]string
}

// A Question is what a name server can be asked.
type Question struct {
	Name rdata.Name
	Type string
}

// Run takes a system through all groups, and ends with taking the zone away.
func Run(t *testing.T, sys System) {
	if sys.Zone == "" {
		sys.Zone = "example.com"
	}
	w := newWorld(t, sys)
	if !t.Run("an empty zone", func(t *testing.T) { w.begin(t) }) {
		return
	}
	for _, g := range providertest.ZoneGroups() {
		t.Run(g.Name, func(t *testing.T) {
			if why, ok := sys.Cannot[g.Name]; ok {
				t.Skip(why)
			}
			w.begin(t)
			for _, s := range g.Steps {
				if why, ok := sys.Cannot[g.Name+"/"+s.Name]; ok {
					t.Run(s.Name, func(t *testing.T) { t.Skip(why) })
					continue
				}
				if !t.Run(s.Name, func(t *testing.T) { w.take(t, s) }) {
					return // the steps after it begin where it ends
				}
			}
		})
	}
	t.Run("two zones that name each other", func(t *testing.T) { w.two(t) })
	t.Run("a name that changes is never empty", func(t *testing.T) { w.watched(t) })
	t.Run("a change behind our back is not overwritten", func(t *testing.T) { w.stale(t) })
	t.Run("the zone is taken away", func(t *testing.T) { w.end(t) })
}
