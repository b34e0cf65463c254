package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/mailform/mailform/providers/masterfile/masterfiletest"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// recordLines are the records of a zone, a line each.
func recordLines(things []providers.Observed) []string {
	var out []string
	for _, o := range things {
		if o.Kind != schema.KindRRset {
			continue
		}
		ttl, _ := o.Attrs.GetAttr("ttl").AsBigFloat().Uint64()
		for _, v := range o.Attrs.GetAttr("values").AsValueSlice() {
			out = append(out, rdata.Line(rdata.Name(o.Attrs.GetAttr("name").AsString()), uint32(ttl), o.Attrs.GetAttr("type").AsString(), v.AsString()))
		}
	}
	slices.Sort(out)
	return out
}

// A zone of 10,000 names, of every type and in several files, becomes blocks; an
// apply brings it to another server, whose transfer has the same records.
func TestALargeZoneMoves(t *testing.T) {
	// BIND does not like all names that the zone has, and is told not to look.
	s := nametest.BIND(t, nametest.Options{Zones: map[string]string{"example.org": nametest.Zone("example.org")}, ZoneOptions: "check-names ignore;"})
	defer func() {
		if t.Failed() {
			t.Logf("the server: %.3000s", s.Log())
		}
	}()
	w := newWorld(t, map[string]string{"main.mf.hcl": fmt.Sprintf(`provider "rfc2136" {
  server = %q
  tsig {
    name   = %q
    secret = %q
  }
}

nameserver "ns1" {
  hostname  = "ns1.example.org"
  addresses = ["127.0.0.1"]
  provider  = rfc2136
}
`, s.Addr, nametest.WriteKey, nametest.WriteSecret)})
	for name, text := range masterfiletest.Files(10_000) {
		path := filepath.Join(w.dir, "zones", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	timed := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%s: %v", what, time.Since(begin).Round(time.Millisecond))
	}
	main := filepath.Join("zones", masterfiletest.Main)
	timed("import", func() {
		if got := w.ok("import", "zone", "example.org", main, "-generate-config-out=zone.mf.hcl"); !strings.HasPrefix(got, "Wrote zone.mf.hcl: 1 domain, ") {
			t.Errorf("import: %s", got)
		}
	})
	timed("apply", func() { w.ok("apply", "-auto-approve", "-no-color") })
	timed("plan", w.noChanges)

	// The other server has what the files have.
	root, err := os.OpenRoot(filepath.Join(w.dir, "zones"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	text, err := root.ReadFile(masterfiletest.Main)
	if err != nil {
		t.Fatal(err)
	}
	fromFiles, err := masterfile.Read(strings.NewReader(string(text)), "example.org.", masterfile.Options{Include: root.FS()})
	if err != nil {
		t.Fatal(err)
	}
	keyText := fmt.Sprintf("key %q { algorithm hmac-sha256; secret %q; };\n", nametest.ReadKey, nametest.ReadSecret)
	key, err := rfc2136.ParseTSIG(keyText)
	if err != nil {
		t.Fatal(err)
	}
	records, err := rfc2136.Transfer(t.Context(), s.Addr, "example.org.", &key)
	if err != nil {
		t.Fatal(err)
	}
	transferred, err := masterfile.FromRecords(records, "example.org.")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(recordLines(fromFiles.Things), recordLines(transferred.Things)); d != "" {
		t.Errorf("the server has other records:\n%.3000s", d)
	}
	// And to import it from there adds nothing to the files.
	w.write("read.key", keyText)
	if r := w.mailform("import", "zone", "example.org", "-axfr="+s.Addr, "-tsig-file=read.key"); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "There is nothing to write") {
		t.Errorf("import from the server: %.3000v", r)
	}
	if r := w.mailform("import", "zone", "example.org", "-axfr="+s.Addr); r.code != 1 || !strings.Contains(r.stderr, "REFUSED") {
		t.Errorf("import without the key: %.500v", r)
	}
}

// The embedded name server takes the same zone, and answers for what is odd in it.
func TestEveryTypeOfRecordAtTheEmbeddedServer(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": "nameserver \"ns1\" {\n  hostname  = \"ns1.example.org\"\n  addresses = [\"127.0.0.1\"]\n  listen    = [\"127.0.0.1:2053\"]\n}\n"})
	for name, text := range masterfiletest.Files(400) {
		path := filepath.Join(w.dir, "zones", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.ok("import", "zone", "example.org", filepath.Join("zones", masterfiletest.Main), "-generate-config-out=zone.mf.hcl")
	w.apply()
	w.noChanges()
	host, port, _ := strings.Cut(w.addr("dns"), ":")
	for question, want := range map[string]string{
		"n17.example.org CSYNC":             "1 3 A NS",
		"n17.example.org TYPE65280":         `\# 4 0A000011`,
		"n17.example.org EUI48":             "00-00-5e-00-53-2a",
		"n4.example.org TXT":                `"a \"quote\"; a semicolon and \\ more"`,
		"n14.example.org OPENPGPKEY":        "mDMEX6ZJABYJKwYBBAHaRw8BAQdAmDMEX6ZJABYJKwYBBAHaRw8BAQdA",
		`a\.b.n18.example.org A`:            "192.0.2.8",
		"x.n16.example.org A":               "192.0.2.9",
		"n12.example.org HTTPS":             `1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.7`,
		"n10.example.org LOC":               "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
		"n6.example.org CAA":                `128 issuemail ";"`,
		"dhcp-7.example.org A":              "10.0.0.7",
		"below.n15.example.org A":           "below.N15.example.net.",
		"_sip._tcp.n5.example.org SRV":      "0 5 5060 host1.example.org.",
		"s1._domainkey.example.org TXT":     `"v=DKIM1; k=rsa; p=` + strings.Repeat("A", 200),
		"xn--bcher-kva.n19.example.org PTR": "host3.example.org.",
	} {
		q := strings.Fields(question)
		got := w.run(need(t, "dig"), "@"+host, "-p", port, "+short", "+norecurse", "+nosplit", "+noidnout", "+noidnin", q[0], q[1]).stdout
		if !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("%s: %s, want %s", question, got, want)
		}
	}
	w.ok("destroy", "-auto-approve")
}
