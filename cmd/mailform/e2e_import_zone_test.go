package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/porttest"
)

const providersZone = `$TTL 1h
$ORIGIN example.org.
@ SOA ns1 hostmaster 7 4h 1h 2w 1h
@ NS ns1
@ NS ns2.provider.example.
@ MX 10 mail
@ TXT "v=spf1 mx -all"
@ TXT "site=abc"
ns1 A 127.0.0.1
mail A 192.0.2.2
www 300 CNAME mail
_dmarc TXT "v=DMARC1; p=quarantine"
`

// nsd serves a zone, to be transferred.
func nsd(t *testing.T, zone, text string) (addr string) {
	t.Helper()
	program := need(t, "nsd")
	dir, port := t.TempDir(), porttest.Port(t)
	conf := fmt.Sprintf(`
server:
  ip-address: 127.0.0.1@%d
  username: ""
  database: ""
  zonesdir: "%[2]s"
  pidfile: ""
  logfile: "%[2]s/log"
  xfrdfile: "%[2]s/xfrd"
  zonelistfile: "%[2]s/zones"
  xfrdir: "%[2]s"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: %[3]s
  zonefile: "zone"
  provide-xfr: 127.0.0.1 NOKEY
`, port, dir, zone)
	for name, data := range map[string]string{"conf": conf, "zone": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-d", "-c", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it ends with the signal
	})
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// A zone moves from another name server to ours, and no record is lost.
func TestAZoneMovesToUs(t *testing.T) {
	addr := nsd(t, "example.org", providersZone)
	w := newWorld(t, map[string]string{"ns.mf.hcl": "nameserver \"ns1\" {\n  hostname = \"ns1.example.org\"\n  listen   = [\"127.0.0.1:2053\"]\n}\n"})
	var r result
	eventually(t, "the server answers", func() bool {
		r = w.mailform("import", "zone", "example.org", "-axfr="+addr, "-generate-config-out=zone.mf.hcl")
		return r.code == 0
	})
	if r.stderr != "" || !strings.Contains(r.stdout, "Wrote zone.mf.hcl: 1 domain, 4 records.") {
		t.Errorf("import zone: %v", r)
	}
	w.apply()
	w.noChanges()
	zone := func(server string) []string {
		var out []string
		host, port, _ := strings.Cut(server, ":")
		for _, q := range []string{"example.org NS", "example.org MX", "example.org TXT", "ns1.example.org A", "mail.example.org A", "www.example.org CNAME", "_dmarc.example.org TXT"} {
			answer := w.run(need(t, "dig"), append([]string{"@" + host, "-p", port, "+noall", "+answer", "+norecurse"}, strings.Fields(q)...)...)
			for line := range strings.Lines(answer.stdout) {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
		return sortedLines(out)
	}
	if d := cmp.Diff(zone(addr), zone(w.addr("dns"))); d != "" {
		t.Errorf("our server answers otherwise:\n%s", d)
	}
	// Ours gives no zone away.
	if r := w.mailform("import", "zone", "example.org", "-axfr="+w.addr("dns")); r.code != 1 || !strings.Contains(r.stderr, "The server has to allow this machine the transfer") {
		t.Errorf("from a server that refuses: %v", r)
	}
	// From the file it is the same.
	w.write("old.zone", providersZone)
	fromFile := w.ok("import", "zone", "example.org", "old.zone")
	if fromFile != "" {
		t.Errorf("what is declared is written again:\n%s", fromFile)
	}
}

// sortedLines is lines without what is empty or there twice: the order of records
// in an answer says nothing.
func sortedLines(lines []string) []string {
	slices.Sort(lines)
	return slices.DeleteFunc(slices.Compact(lines), func(l string) bool { return l == "" })
}
