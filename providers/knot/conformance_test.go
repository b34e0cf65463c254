package knot_test

import (
	"context"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
)

// A scoped provider is asked for what the samples have, as the engine asks for
// what the files and the state have: a server cannot be asked for all its zones.
type scoped struct {
	providers.Provider
	prior []schema.ID
}

func (p scoped) Read(ctx context.Context, _ providers.Scope) ([]providers.Observed, error) {
	return p.Provider.Read(ctx, providers.Scope{Prior: p.prior})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	zones, sets := providertest.ZoneSample(), providertest.RRsetSample()
	// What Knot does not take as a zone, or not from its control program.
	delete(zones.Odd, "a name of 253 bytes") // nor does a file system as a file
	zones.Many = zones.Many[:20]
	for _, z := range sets.Needs { // no zone is without
		ns := providertest.RRsetResource(z.Key+".", z.Key+".", "NS", "ns1.example.net.")
		sets.Needs = append(sets.Needs, providertest.With(ns, "ttl", z.Attrs.GetAttr("negative_ttl")))
	}
	var ids []schema.ID
	add := func(rs ...schema.Resource) {
		for _, r := range rs {
			ids = append(ids, r.ID())
		}
	}
	for _, s := range []providertest.Sample{zones, sets} {
		add(s.Needs...)
		add(s.Good)
		add(s.Many...)
		for _, r := range s.Odd {
			add(r)
		}
	}
	providertest.Run(t, providertest.Harness{
		Unmarked: true,
		Untried:  providertest.Others("a name server has none", schema.KindZone, schema.KindRRset),
		New: func(t *testing.T) *providertest.System {
			s := nametest.Knot(t, nametest.Options{})
			newZones := map[string]string{}
			return &providertest.System{
				Provider: func(string) providers.Provider { return scoped{provider(t, s, newZones), ids} },
				Samples:  map[string]providertest.Sample{schema.KindZone: zones, schema.KindRRset: sets},
				Tamper: func(t *testing.T, r schema.Resource) {
					providertest.Tamper(t, scoped{provider(t, s, newZones), ids}, r)
				},
				Kill: func(t *testing.T) {
					s.Kill(t)
					s.Start(t)
				},
			}
		},
	})
}
