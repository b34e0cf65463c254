package zonetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/zonetest"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/memory"
	"github.com/mailform/mailform/schema"
)

// What the engine makes of the groups, at a system that takes everything but
// what a zone must never be, not even between two batches.
func TestZonesInMemory(t *testing.T) {
	w := &memory.World{}
	zonetest.Run(t, zonetest.System{
		MakesZones:  true,
		Config:      `nameserver "ns" { hostname = "ns1.example.net" }`,
		NewProvider: func(name string) providers.Provider { return &strict{w.NewProvider(name)} },
	})
}

// A strict provider refuses to leave a CNAME beside other records.
type strict struct{ providers.Provider }

func (s *strict) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := s.Provider.Apply(ctx, batch, done); err != nil {
		return err
	}
	all, err := s.Read(ctx, providers.Scope{})
	if err != nil {
		return err
	}
	aliases, others := map[string]bool{}, map[string]bool{}
	for _, o := range all {
		if o.Kind != schema.KindRRset {
			continue
		}
		if name, ok := strings.CutSuffix(o.Key, "/CNAME"); ok {
			aliases[name] = true
		} else {
			others[o.Key[:strings.LastIndexByte(o.Key, '/')]] = true
		}
	}
	for name := range aliases {
		if others[name] {
			return fmt.Errorf("%s has a CNAME and other records", name)
		}
	}
	return nil
}
