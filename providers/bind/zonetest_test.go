package bind_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/bind"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// Zones by way of files, plan and apply, looked at by transfer with dig.
func TestZones(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{Options: "max-records-per-type 1000;"})
	zonetest.Run(t, zonetest.System{
		Config: fmt.Sprintf(`
provider "bind" {
  server = %q
  tsig {
    name   = "mailform"
    secret = %q
  }
  rndc {
    address  = %q
    key_file = %q
  }
  new_zones {
    directory     = %q
    options       = "update-policy { grant mailform zonesub ANY; }; check-names ignore;"
    dnssec_policy = "default"
  }
}
nameserver "ns" {
  hostname = "ns1.example.net"
  provider = bind
}
`, s.Addr, nametest.WriteSecret, s.Control, s.RNDCKey(), s.Dir),
		NewProvider: func(string) providers.Provider { return &bind.Provider{} },
		Addr:        s.Addr,
		MakesZones:  true,
		Signed:      true,
		Live:        zonetest.Transfer(s.Digs()...),
		Cannot:      map[string]string{"TTL limits": "BIND's dnssec-policy ignores what lives longer than its max-zone-ttl, a day"},
		Edit: func(t *testing.T, zone rdata.Name, set providertest.Set) {
			ttl, err := schema.ParseTTL(set.TTL)
			if err != nil {
				t.Fatal(err)
			}
			s.Edit(t, zone, zone.Under(set.Name), set.Type, ttl, set.Values)
		},
	})
}
