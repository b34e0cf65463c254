package bind_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/bind"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

const options = "update-policy { grant mailform zonesub ANY; }; check-names ignore;"

func provider(t testing.TB, s *nametest.Server, newZones map[string]string) providers.Provider {
	t.Helper()
	attrs := map[string]cty.Value{
		"rndc": nametest.Nested("bind", "rndc", map[string]string{"address": s.Control, "key_file": s.RNDCKey()}),
	}
	if newZones != nil {
		attrs["new_zones"] = nametest.Nested("bind", "new_zones", newZones)
	}
	p := &bind.Provider{}
	if diags := p.Configure(context.Background(), providers.Config{Value: nametest.Block("bind", s.Addr, attrs), Dir: s.Dir}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestZonesAreMadeAndRemoved(t *testing.T) {
	for name, newZones := range map[string]map[string]string{
		"plain":            {"directory": ".", "options": options},
		"signed":           {"directory": ".", "options": options, "dnssec_policy": "default"},
		"signed in a copy": {"directory": ".", "options": options + " inline-signing yes;", "dnssec_policy": "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nametest.BIND(t, nametest.Options{})
			for _, z := range []string{"example.org", "0/25.2.0.192.in-addr.arpa"} {
				p := provider(t, s, newZones)
				first, then := nametest.Content(z)
				all := append(first, then...)
				nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), first...)...)
				nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), then...)...)
				there := nametest.Read(t, p, all...)
				if left := nametest.Plan(there, all...); len(left) > 0 || len(there) != len(all) {
					t.Fatalf("%d changes are left, and there are %d things, want %d:\n%v", len(left), len(there), len(all), there)
				}
				// Once more, now that the zone is signed where it is to be.
				more := append(all[:len(all):len(all)], nametest.Set(z, "www."+z, "A", 60, "192.0.2.7"))
				nametest.Apply(t, p, nametest.Plan(there, more...)...)
				there = nametest.Read(t, p, more...)
				if len(nametest.Plan(there, more...)) > 0 {
					t.Error("a second plan is not empty")
				}
				if newZones["dnssec_policy"] == "" {
					if isSigned(s, t, z) {
						t.Error("the zone is signed")
					}
				} else {
					// named makes the keys and signs when it comes to it.
					eventually(t, "the zone is signed", func() bool { return isSigned(s, t, z) })
				}
				nametest.Apply(t, p, nametest.RemoveAll(there, append(more[1:], more[0])...)...)
				if there := nametest.Read(t, provider(t, s, nil), nil...); len(there) > 0 {
					t.Errorf("there is still %v", there)
				}
				eventually(t, "no zone file is left", func() bool {
					left, err := filepath.Glob(filepath.Join(s.Dir, "*.zone"))
					return err == nil && len(left) == 0
				})
			}
		})
	}
}

// A zone that is taken away and made anew at once is there: BIND answers before it
// has removed the files of the old one.
func TestAZoneIsMadeAnewAtOnce(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{})
	p := provider(t, s, map[string]string{"directory": ".", "options": options})
	first, then := nametest.Content("example.org")
	zone := append(first, then...)
	for round := range 15 {
		for _, err := range nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, zone...), zone...)...) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		there := nametest.Read(t, p, zone...)
		if len(there) != len(zone) {
			t.Fatalf("round %d: there is %v", round, there)
		}
		nametest.Apply(t, p, nametest.RemoveAll(there, append(then, first...)...)...)
	}
}

func isSigned(s *nametest.Server, t *testing.T, zone string) bool {
	t.Helper()
	return slices.ContainsFunc(s.Transfer(t, zone), func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG })
}

// eventually waits for what named does in its own time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

// A zone is removed with what mailform has made, and with nothing else.
func TestZonesWithWhatIsForeignStay(t *testing.T) {
	s := nametest.BIND(t, nametest.Options{Zones: map[string]string{"static.example": nametest.Zone("static.example")}})
	p := provider(t, s, map[string]string{"directory": ".", "options": options})
	const z = "example.org"
	first, then := nametest.Content(z)
	all := append(first, then...)
	nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), first...)...)
	nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), then...)...)
	there := nametest.Read(t, p, all...)
	rr, _ := dns.NewRR("theirs.example.org. 300 IN A 192.0.2.66")
	s.Update(t, z, func(m *dns.Msg) { m.Insert([]dns.RR{rr}) })
	for i, err := range nametest.Try(t, p, nametest.RemoveAll(there, append(then, first...)...)...) {
		if err == nil || !strings.Contains(err.Error(), "what mailform did not make: theirs.example.org. A") {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if now := nametest.Read(t, p, all...); len(now) != len(all)+1 {
		t.Errorf("there are %d things, want %d", len(now), len(all)+1)
	}

	const static = "static.example"
	own := []schema.Resource{nametest.ZoneResource(static, 14400), nametest.Set(static, static, "NS", 3600, "ns1.static.example."), nametest.Set(static, "ns1."+static, "A", 3600, "127.0.0.1")}
	for i, err := range nametest.Try(t, p, nametest.RemoveAll(nametest.Read(t, p, own...), own...)...) {
		if err == nil || !strings.Contains(err.Error(), "it stands in BIND's configuration files") {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

func TestZonesThatCannotBeMade(t *testing.T) {
	s := nametest.BIND(t, nametest.Options{})
	taken := filepath.Join(s.Dir, "example.org.zone")
	if err := os.WriteFile(taken, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		zone     string
		newZones map[string]string
		want     string
	}{
		"a file of somebody's":            {"example.org", map[string]string{"directory": "."}, "there is a file"},
		"no directory":                    {"example.net", map[string]string{"directory": "none"}, "no such file or directory"},
		"options that BIND denies":        {"example.net", map[string]string{"directory": ".", "options": "what is this;"}, "rndc addzone"},
		"name servers without an address": {"example.com", map[string]string{"directory": "."}, "rndc addzone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := provider(t, s, tc.newZones)
			first, then := nametest.Content(tc.zone)
			if tc.zone == "example.com" {
				then = nil
			}
			there := nametest.Read(t, p, append(first, then...)...)
			errs := nametest.Try(t, p, nametest.Plan(there, first...)...)
			if errs[0] == nil || !strings.Contains(errs[0].Error(), tc.want) {
				t.Errorf("the error is %v, want one with %q", errs[0], tc.want)
			}
			t.Log(errs[0])
			if _, err := os.Stat(filepath.Join(s.Dir, tc.zone+".zone")); err == nil && tc.zone != "example.org" {
				t.Error("a zone file is left")
			}
		})
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "theirs" {
		t.Errorf("the file of somebody's is %q, %v", text, err)
	}
	t.Run("without new_zones", func(t *testing.T) {
		first, _ := nametest.Content("example.com")
		_, err := provider(t, s, nil).Read(t.Context(), providers.Scope{Wanted: first})
		if err == nil || !strings.Contains(err.Error(), "no new_zones") {
			t.Errorf("the error is %v", err)
		}
	})
}
