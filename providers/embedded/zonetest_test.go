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

// Zones by way of files, plan and apply, looked at with dig: by questions, and as a
// secondary does.
func TestZones(t *testing.T) {
	for name, c := range map[string]struct{ zone, transfer string }{
		"by questions":        {"", ""},
		"by transfer":         {"", "unsigned = true"},
		"by transfer, signed": {"dnssec {}", "unsigned = true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testZones(t, c.zone, c.transfer)
		})
	}
}

func testZones(t *testing.T, zoneLines, transfer string) {
	d := newDir(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	free := freePorts(t, 2)
	host, port, err := net.SplitHostPort(free[0])
	if err != nil {
		t.Fatal(err)
	}
	live, secondary := zonetest.Queries("@"+host, "-p", port), ""
	if transfer != "" {
		live = zonetest.Transfer("@"+host, "-p", port)
		secondary = fmt.Sprintf("secondary {\n address = %q\n %s\n}", free[1], transfer)
	}
	zonetest.Run(t, zonetest.System{
		Config: fmt.Sprintf(`
provider "embedded" {
  data_dir = %q
}
nameserver "ns" {
  hostname = "ns1.example.net"
  listen   = [%q]
  %s
}
`, d.path, free[0], secondary),
		ZoneLines: zoneLines,
		NewProvider: func(name string) providers.Provider {
			return &embedded.Provider{Executable: exe, Version: testVersion}
		},
		Signed:     zoneLines != "",
		MakesZones: true,
		Version:    testVersion,
		Live:       live,
		Addr:       free[0],
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
