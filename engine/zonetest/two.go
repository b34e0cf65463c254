package zonetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailform/mailform/providers/providertest"
)

// two has a second zone, whose records point into the first and back: one apply
// changes both, and one takes the second away.
func (w *world) two(t *testing.T) {
	if !w.sys.MakesZones {
		t.Skip("the system makes no zones")
	}
	w.begin(t)
	second := func(exchange, address string) string {
		return fmt.Sprintf(`
zone "second" {
  name       = "second.example"
  nameserver = nameserver.ns
  staging { mode = "off" }
}
record "second_mx" {
  zone   = zone.second
  name   = "@"
  type   = "MX"
  values = [%q]
}
record "second_host" {
  zone   = zone.second
  name   = "mx"
  type   = "A"
  values = [%q]
}
`, exchange, address)
	}
	host := func(name, address string) []providertest.Set {
		return []providertest.Set{
			{Name: name, Type: "A", TTL: "5m", Values: []string{address}}, {Name: "@", Type: "MX", TTL: "5m", Values: []string{"10 mx.second.example."}},
		}
	}
	for _, c := range []struct {
		what, second string
		sets         []providertest.Set
	}{
		{"both are made", second("10 mx1."+w.sys.Zone+".", "192.0.2.1"), host("mx1", "192.0.2.2")},
		{"both change", second("10 mx2."+w.sys.Zone+".", "192.0.2.3"), host("mx2", "192.0.2.4")},
		{"one goes", "", []providertest.Set{{Name: "mx2", Type: "A", TTL: "5m", Values: []string{"192.0.2.4"}}}},
	} {
		s := providertest.ZoneStep{Name: c.what, Sets: c.sets}
		if err := os.WriteFile(filepath.Join(w.dir, "main.mf.hcl"), []byte(w.config(s)+c.second), 0o600); err != nil {
			t.Fatal(err)
		}
		w.apply(t)
		w.empty(t)
		want := w.content(t, s)
		w.live(t, want)
		w.has = want
		if t.Failed() {
			t.Fatal(c.what)
		}
	}
}
