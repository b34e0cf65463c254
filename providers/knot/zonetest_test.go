package knot_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/knot"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// Zones by way of files, plan and apply, looked at by transfer with dig.
func TestZones(t *testing.T) {
	t.Parallel()
	s := nametest.Knot(t, nametest.Options{})
	zonetest.Run(t, zonetest.System{
		Config: fmt.Sprintf(`
provider "knot" {
  server = %q
  tsig {
    name   = "mailform"
    secret = %q
  }
  knotc { socket = %q }
  new_zones { dnssec_policy = "default" }
}
nameserver "ns" {
  hostname = "ns1.example.net"
  provider = knot
}
`, s.Addr, nametest.WriteSecret, s.Control),
		NewProvider: func(string) providers.Provider { return &knot.Provider{} },
		Addr:        s.Addr,
		MakesZones:  true,
		Signed:      true,
		Live:        zonetest.Transfer(s.Digs()...),
		Edit: func(t *testing.T, zone rdata.Name, set providertest.Set) {
			ttl, err := schema.ParseTTL(set.TTL)
			if err != nil {
				t.Fatal(err)
			}
			s.Edit(t, zone, zone.Under(set.Name), set.Type, ttl, set.Values)
		},
	})
}
