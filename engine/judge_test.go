package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// A judge is a system in memory that cannot hold bob's quota, and that is asked
// what is in a mailbox.
type judge struct {
	*memory
	counted *[]string
}

func (j judge) Validate(_ context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	var problems []providers.Problem
	for i := range wanted {
		if wanted[i].Key == "bob@example.com" && wanted[i].Kind == schema.KindMailbox {
			problems = append(problems, providers.Problem{Address: wanted[i].Address, Attribute: "quota", Detail: "memory has no quotas."})
		}
	}
	return problems, nil
}

// Read lists everything, also where a part would do.
func (j judge) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	scope.Part = false
	return j.memory.Read(ctx, scope)
}

func (j judge) Count(_ context.Context, keys []string) (map[string]providers.Held, error) {
	*j.counted = append(*j.counted, keys...)
	return map[string]providers.Held{"alice@example.com": {Messages: 3, Bytes: 4096}}, nil
}

func TestProvidersJudgeAndCount(t *testing.T) {
	var counted []string
	systems := memories{}
	w := &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: func(name string) providers.Provider {
		return judge{systems.provider(name).(*memory), &counted}
	}}
	session := func(text string) *engine.Session {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.Dir, "main.mf.hcl"), []byte(targetBase+text), 0o600); err != nil {
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
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := session("user \"bob\" {\n domain = domain.example\n name = \"bob\"\n quota = \"2GiB\"\n}")
	_, diags := s.Plan(context.Background(), engine.PlanOptions{})
	if len(diags) != 1 || diags[0].Detail != "quota of user.bob.mailbox: memory has no quotas." || diags[0].Subject == nil {
		t.Fatalf("what the system cannot hold: %v", diags)
	}
	if line := diags[0].Subject.Start.Line; line != strings.Count(targetBase, "\n")+4 {
		t.Errorf("the error is at line %d", line)
	}
	s.Close()

	s = session("user \"alice\" {\n domain = domain.example\n name = \"alice\"\n}\nuser \"carol\" {\n domain = domain.example\n name = \"carol\"\n}")
	p, diags := s.Plan(context.Background(), engine.PlanOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if _, diags := s.Apply(context.Background(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
		t.Fatal(diags)
	}
	s.Close()
	// Whoever plans a part does not take the rest away.
	s = session("user \"alice\" {\n domain = domain.example\n name = \"alice\"\n quota = \"1GiB\"\n}\nuser \"carol\" {\n domain = domain.example\n name = \"carol\"\n}")
	if _, diags := s.Plan(context.Background(), engine.PlanOptions{Targets: []string{"user.alice"}}); diags.HasErrors() {
		t.Fatal(diags)
	}
	s.Close()
	if len(counted) > 0 {
		t.Errorf("counted %v, and nothing is taken away", counted)
	}

	s = session("user \"carol\" {\n domain = domain.example\n name = \"carol\"\n}")
	p, diags = s.Plan(context.Background(), engine.PlanOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(counted) != 1 || counted[0] != "alice@example.com" {
		t.Errorf("counted %v, want what is taken away alone", counted)
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Address == "user.alice.mailbox" && !strings.Contains(strings.Join(c.Notes, " "), "3 messages, 4") {
			t.Errorf("the plan says of the mailbox: %q", c.Notes)
		}
	}
}
