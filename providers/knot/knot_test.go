package knot_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/knot"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

func provider(t testing.TB, s *nametest.Server, newZones map[string]string) providers.Provider {
	t.Helper()
	attrs := map[string]cty.Value{"knotc": nametest.Nested("knot", "knotc", map[string]string{"socket": s.Control})}
	if newZones != nil {
		attrs["new_zones"] = nametest.Nested("knot", "new_zones", newZones)
	}
	p := &knot.Provider{}
	if diags := p.Configure(context.Background(), providers.Config{Value: nametest.Block("knot", s.Addr, attrs), Dir: s.Dir}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestZonesAreMadeAndRemoved(t *testing.T) {
	for name, newZones := range map[string]map[string]string{
		"plain":         {},
		"by a template": {"template": "other"},
		"signed":        {"dnssec_policy": "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nametest.Knot(t, nametest.Options{ZoneOptions: "  - id: other\n    acl: [write, read]\n    storage: " + strconv.Quote(t.TempDir()) + "\n"})
			for _, z := range []string{"example.org", "0/25.2.0.192.in-addr.arpa"} {
				p := provider(t, s, newZones)
				first, then := nametest.Content(z)
				all := append(first, then...)
				nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), first...)...)
				nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, all...), then...)...)
				more := append(all[:len(all):len(all)], nametest.Set(z, "www."+z, "A", 60, "192.0.2.7"))
				nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, more...), more...)...)
				there := nametest.Read(t, p, more...)
				if left := nametest.Plan(there, more...); len(left) > 0 || len(there) != len(more) {
					t.Fatalf("%d changes are left, and there are %d things, want %d:\n%v", len(left), len(there), len(more), there)
				}
				if signed := newZones["dnssec_policy"] != ""; signed != hasKeys(s.Transfer(t, z)) {
					t.Errorf("signed: %v", !signed)
				}
				nametest.Apply(t, p, nametest.RemoveAll(there, append(more[1:], more[0])...)...)
				if there := nametest.Read(t, p, first...); len(there) > 0 {
					t.Errorf("there is still %v", there)
				}
				left, err := filepath.Glob(filepath.Join(s.Dir, "*.zone*"))
				if err != nil || len(left) > 0 {
					t.Errorf("files are left: %v %v", left, err)
				}
			}
		})
	}
}

func hasKeys(rrs []dns.RR) bool {
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeRRSIG {
			return true
		}
	}
	return false
}

// A zone is removed with what mailform has made, and with nothing else.
func TestZonesWithWhatIsForeignStay(t *testing.T) {
	const z = "example.org"
	s := nametest.Knot(t, nametest.Options{Zones: map[string]string{z: nametest.Zone(z, "theirs A 192.0.2.66")}})
	p := provider(t, s, nil)
	own := []schema.Resource{nametest.Set(z, z, "NS", 3600, "ns1.example.org."), nametest.Set(z, "ns1."+z, "A", 3600, "127.0.0.1"), nametest.ZoneResource(z, 14400)}
	there := nametest.Read(t, p, own...)
	for i, err := range nametest.Try(t, p, nametest.RemoveAll(there, own...)...) {
		if err == nil || !strings.Contains(err.Error(), "what mailform did not make: theirs.example.org. A") {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if now := nametest.Read(t, p, own...); len(now) != len(there) {
		t.Errorf("there are %d things, want %d", len(now), len(there))
	}
}

func TestZonesThatCannotBeMade(t *testing.T) {
	s := nametest.Knot(t, nametest.Options{})
	first, _ := nametest.Content("example.org")
	p := provider(t, s, map[string]string{"template": "nosuch"})
	errs := nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, first...), first...)...)
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "knotc conf-set") {
		t.Errorf("the error is %v", errs[0])
	}
	// The transaction is not left open.
	nametest.Apply(t, provider(t, s, map[string]string{}), nametest.Plan(nil, first...)...)
	if _, err := provider(t, s, nil).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{nametest.ZoneResource("example.net", 1)}}); err == nil || !strings.Contains(err.Error(), "no new_zones") {
		t.Errorf("the error is %v", err)
	}
}

// A zone is made in two transactions, and removed in two. Killed between them,
// Knot has one without data: that is no zone, and is made. One of somebody else's
// that has no data is left alone.
func TestAZoneMadeHalfwayIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := nametest.Knot(t, nametest.Options{})
	p := provider(t, s, map[string]string{})
	first, _ := nametest.Content("example.org")
	others, _ := nametest.Content("example.net")
	for _, args := range [][]string{
		{"conf-begin"}, {"conf-set", "zone[example.org.]"}, {"conf-set", "zone[example.net.]"},
		{"conf-set", "zone[example.org.].comment", "mailform is making or removing it"}, {"conf-commit"},
	} {
		s.Do(t, args...)
	}
	there := nametest.Read(t, p, first...)
	if len(there) > 0 {
		t.Errorf("there is %v", there)
	}
	nametest.Apply(t, p, nametest.Plan(there, first...)...)
	if len(nametest.Read(t, p, first...)) == 0 {
		t.Error("it is not there")
	}
	if said, err := s.Try("conf-read", "zone[example.org.].comment"); err != nil || strings.Contains(said, "mailform") {
		t.Errorf("its comment: %s, %v", said, err)
	}
	if _, err := p.Read(t.Context(), providers.Scope{Wanted: others}); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("somebody's zone without data: %v", err)
	}
}
