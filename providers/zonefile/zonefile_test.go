package zonefile_test

import (
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/zonefile"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type attrs = map[string]cty.Value

// provider makes a provider for a directory, with further arguments.
func provider(t *testing.T, folder string, more attrs) *zonefile.Provider {
	t.Helper()
	block := attrs{"directory": cty.StringVal(folder)}
	for name, v := range more {
		block[name] = v
	}
	p := &zonefile.Provider{Now: func() time.Time { return time.Date(2026, 11, 25, 23, 0, 0, 0, time.UTC) }}
	if diags := p.Configure(t.Context(), providers.Config{Value: cty.ObjectVal(block), Dir: folder}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Harness{
		Unmarked: true,
		Untried:  providertest.Others("a zone file has none", schema.KindZone, schema.KindRRset),
		New: func(t *testing.T) *providertest.System {
			folder := t.TempDir()
			return &providertest.System{
				Provider: func(string) providers.Provider { return provider(t, folder, nil) },
				Samples: map[string]providertest.Sample{
					schema.KindZone: providertest.ZoneSample(), schema.KindRRset: providertest.RRsetSample(),
				},
				Tamper: func(t *testing.T, r schema.Resource) { providertest.Tamper(t, provider(t, folder, nil), r) },
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
