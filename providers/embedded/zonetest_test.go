package embedded_test

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// Zones by way of files, plan and apply, looked at with dig.
func TestZones(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	at := freePorts(t, 1)[0]
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	zonetest.Run(t, zonetest.System{
		Config: fmt.Sprintf(`
provider "embedded" {
  data_dir = %q
}
nameserver "ns" {
  hostname = "ns1.example.net"
  listen   = [%q]
}
`, d.path, at),
		NewProvider: func(name string) providers.Provider {
			return &embedded.Provider{Executable: exe, Version: testVersion}
		},
		Version: testVersion,
		Live:    zonetest.Queries("@"+host, "-p", port),
		Edit: func(t *testing.T, zone rdata.Name, set providertest.Set) {
			ttl, err := schema.ParseTTL(set.TTL)
			if err != nil {
				t.Fatal(err)
			}
			r := providertest.RRsetResource(string(zone), string(zone.Under(set.Name)), set.Type, set.Values...)
			d.tamper(t, providertest.With(r, "ttl", num(int64(ttl))))
		},
	})
}
