package powerdns_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/powerdns"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema/rdata"
)

// config is a configuration for a server.
func config(s *nametest.Server, more string) string {
	return fmt.Sprintf(`
provider "powerdns" {
  url     = "http://%s"
  api_key = %q
%s
}
nameserver "ns" {
  provider = powerdns
  hostname = "ns1.example.net"
}
`, s.Control, nametest.APIKey, more)
}

func testZones(t *testing.T, more string) {
	t.Parallel()
	s := nametest.PowerDNS(t)
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	zonetest.Run(t, zonetest.System{
		Config:      config(s, more),
		NewProvider: func(string) providers.Provider { return &powerdns.Provider{} },
		Addr:        s.Addr,
		Signed:      more != "",
		MakesZones:  true,
		Live:        zonetest.Transfer("@"+host, "-p", port),
		Cannot: map[string]string{
			"odd names/a dot within a label": "PowerDNS: the name contains unsupported characters",
			"DNSKEY":                         "PowerDNS: only allowed at the apex",
			"CDS and CDNSKEY":                "PowerDNS takes them anywhere, and answers with them only at the apex",
		},
		Edit: func(t *testing.T, zone rdata.Name, set providertest.Set) {
			body := fmt.Sprintf(`{"rrsets": [{"name": %q, "type": %q, "ttl": 300, "changetype": "REPLACE", "records": [{"content": %q, "disabled": false}]}]}`,
				zone.Under(set.Name), set.Type, set.Values[0])
			r, err := s.API("PATCH", "/api/v1/servers/localhost/zones/"+string(zone), body)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if r.StatusCode != http.StatusNoContent {
				t.Fatal(r.Status)
			}
		},
	})
}

// Zones in PowerDNS by way of plan and apply, and out again by zone transfer.
func TestZones(t *testing.T) { testZones(t, "") }

func TestZonesThatAreSigned(t *testing.T) { testZones(t, "  dnssec = true") }
