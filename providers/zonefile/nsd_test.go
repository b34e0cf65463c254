package zonefile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/zonefile"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// An nsd is a private instance of NSD that reads the zone example.com.
type nsd struct {
	dir, conf string
	port      int
}

func startNSD(t *testing.T) *nsd {
	t.Helper()
	program := nametest.Need(t, "nsd")
	n := &nsd{dir: t.TempDir(), port: porttest.Port(t)}
	n.conf = filepath.Join(n.dir, "nsd.conf")
	if err := os.Mkdir(filepath.Join(n.dir, "zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The socket of the control channel has a short path: the kernel takes 107 bytes.
	sockets, err := os.MkdirTemp("", "nsd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	text := fmt.Sprintf(`
server:
  ip-address: 127.0.0.1@%d
  username: ""
  database: ""
  zonesdir: "%[2]s/zones"
  pidfile: ""
  logfile: "%[2]s/log"
  xfrdfile: "%[2]s/xfrd"
  zonelistfile: "%[2]s/list"
  xfrdir: "%[2]s"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: yes
  control-interface: %[3]s/ctl
zone:
  name: example.com
  zonefile: "example.com.zone"
  provide-xfr: 127.0.0.1 NOKEY
`, n.port, n.dir, sockets)
	if err := os.WriteFile(n.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-d", "-c", n.conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it ends with the signal
	})
	control := nametest.Need(t, "nsd-control")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command(control, "-c", n.conf, "status").CombinedOutput()
		if err == nil {
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("NSD does not answer: %v: %s", err, out)
		}
	}
}

// zones is the directory of the files.
func (n *nsd) zones() string { return filepath.Join(n.dir, "zones") }

// config is a configuration for it.
func (n *nsd) config(more string) string {
	return fmt.Sprintf(`
provider "zonefile" {
  directory = %q
  reload    = ["nsd-control", "-c", %q, "reload", "{zone}"]
%s
}
nameserver "ns" {
  provider = zonefile
  hostname = "ns1.example.net"
}
`, n.zones(), n.conf, more)
}

// check has programs judge a file that know zone files best.
func check(t *testing.T, zone, path string) {
	t.Helper()
	for _, args := range [][]string{
		{"named-checkzone", "-i", "local", zone, path},
		{"nsd-checkzone", zone, path},
	} {
		out, err := exec.Command(nametest.Need(t, args[0]), args[1:]...).CombinedOutput()
		if err != nil {
			data, _ := os.ReadFile(path)
			t.Errorf("%s: %v\n%s\nof\n%s", strings.Join(args, " "), err, out, data)
		}
	}
}

// Files by way of plan and apply, read by NSD, and judged by it and by BIND.
func TestZones(t *testing.T) {
	t.Parallel()
	n := startNSD(t)
	path := filepath.Join(n.zones(), "example.com.zone")
	transfer := zonetest.Transfer("@127.0.0.1", "-p", fmt.Sprint(n.port))
	zonetest.Run(t, zonetest.System{
		Config:      n.config(""),
		NewProvider: func(string) providers.Provider { return &zonefile.Provider{} },
		Addr:        fmt.Sprintf("127.0.0.1:%d", n.port),
		Live: func(t *testing.T, zone rdata.Name, q []zonetest.Question) []dns.RR {
			check(t, zone.Host(), path)
			return transfer(t, zone, q)
		},
		Edit: func(t *testing.T, zone rdata.Name, set providertest.Set) {
			edit(t, path, zone, set)
			if out, err := exec.Command(nametest.Need(t, "nsd-control"), "-c", n.conf, "reload", zone.Host()).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		},
	})
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file of the zone that was taken away: %v", err)
	}
	entries, err := os.ReadDir(n.zones())
	if err != nil || len(entries) != 0 {
		t.Errorf("what is left in the directory: %v, %v", entries, err)
	}
}

// edit changes a record set in a file as an editor does.
func edit(t *testing.T, path string, zone rdata.Name, set providertest.Set) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	owner := string(zone.Under(set.Name)) + " "
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.Contains(line, " IN SOA "):
			f := strings.Fields(line)
			serial := 0
			if _, err := fmt.Sscan(f[6], &serial); err != nil {
				t.Fatal(err)
			}
			f[6] = fmt.Sprint(serial + 1)
			line = strings.Join(f, " ") + "\n"
		case strings.HasPrefix(line, owner) && strings.Contains(line, " IN "+set.Type+" "):
			continue
		}
		out = append(out, line)
	}
	for _, v := range set.Values {
		out = append(out, fmt.Sprintf("%s300 IN %s %s\n", owner, set.Type, v))
	}
	if err := os.WriteFile(path, []byte(strings.Join(out, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}
