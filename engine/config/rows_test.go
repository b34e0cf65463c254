package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Many rows are evaluated side by side. What comes of them is what comes of them one
// after the other, and what is wrong is told in their order.
func TestManyRowsAreAsFew(t *testing.T) {
	for name, c := range map[string]struct{ name, want string }{
		"without functions": {`"r${each.key}"`, ""},
		"with a function":   {`upper("r${each.key}")`, ""},
		"a wrong one":       {`each.value >= 1500 ? null : "r${each.key}"`, `record.x["1500"]`},
	} {
		dir := t.TempDir()
		text := fmt.Sprintf(`nameserver "n" { hostname = "ns.example.com" }
zone "z" {
  name       = "example.com"
  nameserver = nameserver.n
}
record "x" {
  for_each = { for i in concat(range(1000), range(1000, 2000), range(2000, %d)) : tostring(i) => i }
  zone   = zone.z
  name   = %s
  type   = "A"
  ttl    = each.value == 3 ? "5m" : "10m"
  values = ["192.0.2.1"]
}
`, 2*manyRows, c.name)
		if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m, diags := Load(dir)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		cfg, diags := m.Evaluate(Options{}, nil)
		if c.want != "" {
			if len(diags) != maxErrors || !strings.Contains(diags[0].Detail, c.want) || !strings.Contains(diags[maxErrors-1].Detail, "not looked at") {
				t.Errorf("%s: %d errors, the first %v", name, len(diags), diags)
			}
			continue
		}
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		seen := 0
		for i := range cfg.Instances {
			inst := &cfg.Instances[i]
			if inst.Ref.Type != "record" {
				continue
			}
			key := inst.Ref.Key.AsString()
			attrs := inst.Body.Object().AsValueMap()
			got, ttl := attrs["name"].AsString(), attrs["ttl"].AsString()
			if !strings.EqualFold(got, "r"+key) || ttl != map[bool]string{true: "5m", false: "10m"}[key == "3"] {
				t.Errorf("%s: row %s has the name %q and the TTL %q", name, key, got, ttl)
			}
			seen++
		}
		if seen != 2*manyRows {
			t.Errorf("%s: %d rows", name, seen)
		}
	}
}
