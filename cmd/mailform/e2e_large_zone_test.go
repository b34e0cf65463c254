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
