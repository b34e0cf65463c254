package rfc2136_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// Zones by way of files, plan and apply, looked at by transfer with dig.
func TestZones(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{
		Zones:       map[string]string{"example.com": "@ 3600 IN SOA ns1.example.net. hostmaster.example.com. 1 14400 3600 1209600 3600\n@ 3600 IN NS ns1.example.net.\n"},
		Options:     "max-records-per-type 1000;",
		ZoneOptions: "check-names ignore;",
	})
	zonetest.Run(t, zonetest.System{
		Config: fmt.Sprintf(`
provider "rfc2136" {
  server = %q
  tsig {
    name   = "mailform"
    secret = %q
  }
}
nameserver "ns" {
  hostname = "ns1.example.net"
  provider = rfc2136
}
`, s.Addr, nametest.WriteSecret),
		NewProvider: func(string) providers.Provider { return &rfc2136.Provider{} },
		Addr:        s.Addr,
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
