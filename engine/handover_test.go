package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
)

// A port has one owner: where another provider takes it, the old one lets go of
// it right before, and everything else of the old one goes in the end as ever.
func TestAPortIsHandedOver(t *testing.T) {
	const server = `
server "main" {
  provider  = %s
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = [%s] }
}`
	tests := map[string]struct {
		before, after string // where the old and the new server listen
		early         bool
	}{
		"the same address":              {`"127.0.0.1:2525"`, `"127.0.0.1:2525"`, true},
		"all addresses, then one":       {`":2525"`, `"127.0.0.1:2525"`, true},
		"one, then all of one family":   {`"127.0.0.1:2525"`, `"0.0.0.0:2525"`, true},
		"one of two":                    {`"127.0.0.1:2525", "127.0.0.1:2526"`, `"127.0.0.1:2526"`, true},
		"another port":                  {`"127.0.0.1:2525"`, `"127.0.0.1:2526"`, false},
		"another address, the same one": {`"127.0.0.1:2525"`, `"127.0.0.2:2525"`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: memories{}.provider}
			var p *plan.Plan
			for i, text := range []string{fmt.Sprintf(server, "embedded", tt.before), fmt.Sprintf(server, "[postfix, dovecot]", tt.after)} {
				if err := os.WriteFile(filepath.Join(w.Dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				module, diags := w.Load(config.Options{})
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				s, err := w.Open(context.Background(), module, engine.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if p, diags = s.Plan(context.Background(), engine.PlanOptions{}); diags.HasErrors() {
					t.Fatal(diags)
				}
				if i == 0 {
					if _, diags := s.Apply(context.Background(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
						t.Fatal(diags)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			phase := func(target string, deletes bool) int {
				return slices.IndexFunc(p.Phases, func(ph plan.Phase) bool {
					return slices.ContainsFunc(ph.Batches, func(b plan.Batch) bool {
						return b.Target == target && b.Deletes == deletes && slices.ContainsFunc(b.Changes, func(i int) bool {
							return p.Changes[i].ID.Kind == "listener" || p.Changes[i].PrevID.Kind == "listener"
						})
					})
				})
			}
			goes, comes := phase("embedded", true), phase("postfix", false)
			if goes < 0 || comes < 0 {
				t.Fatalf("the old listener goes in phase %d, the new one comes in phase %d", goes, comes)
			}
			if early := goes < comes; early != tt.early {
				t.Errorf("the old listener goes in phase %d, the new one comes in phase %d", goes, comes)
			}
		})
	}
}
