package powerdns_test

import (
	"maps"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/powerdns"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type attrs = map[string]cty.Value

// provider makes a provider for a server at a URL, with further arguments.
func provider(t *testing.T, url string, more attrs) *powerdns.Provider {
	t.Helper()
	block := attrs{"url": cty.StringVal(url), "api_key": cty.StringVal(nametest.APIKey)}
	maps.Copy(block, more)
	p := &powerdns.Provider{}
	if diags := p.Configure(t.Context(), providers.Config{Value: cty.ObjectVal(block), Dir: t.TempDir()}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Harness{
		Unmarked: true,
		Untried:  providertest.Others("a name server has none", schema.KindZone, schema.KindRRset),
		New: func(t *testing.T) *providertest.System {
			s := nametest.PowerDNS(t)
			made := func() *powerdns.Provider { return provider(t, "http://"+s.Control, nil) }
			zones, rrsets := providertest.ZoneSample(), providertest.RRsetSample()
			// PowerDNS refuses names with other characters than those.
			delete(zones.Odd, "escapes")
			delete(rrsets.Odd, "a dot within a label")
			delete(rrsets.Odd, "escapes in a name")
			zones.Many, rrsets.Many = zones.Many[:20], rrsets.Many[:300]
			return &providertest.System{
				Provider: func(string) providers.Provider { return made() },
				Samples:  map[string]providertest.Sample{schema.KindZone: zones, schema.KindRRset: rrsets},
				Tamper:   func(t *testing.T, r schema.Resource) { providertest.Tamper(t, made(), r) },
				Kill:     func(t *testing.T) { s.Kill(t); s.Start(t) },
			}
		},
	})
}

// apply applies a batch and returns the error of each change.
func apply(t *testing.T, p providers.Provider, batch ...providers.Change) []error {
	t.Helper()
	var errs []error
	err := p.Apply(t.Context(), batch, func(_ providers.Change, _ providers.Observed, err error) error {
		errs = append(errs, err)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return errs
}
