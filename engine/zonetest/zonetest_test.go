package zonetest_test

import (
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers/memory"
)

// What the engine makes of the groups, at a system that takes everything.
func TestZonesInMemory(t *testing.T) {
	zonetest.Run(t, zonetest.System{
		Config:      `nameserver "ns" { hostname = "ns1.example.net" }`,
		NewProvider: (&memory.World{}).NewProvider,
	})
}
