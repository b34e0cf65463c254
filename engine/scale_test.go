package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
)

// scaleFiles describe n users, in the two ways to write down many.
var scaleFiles = map[string]func(n int) map[string]string{
	"for_each": func(n int) map[string]string {
		var csv strings.Builder
		csv.WriteString("name,quota\n")
		for i := range n {
			fmt.Fprintf(&csv, "user%d,2GiB\n", i)
		}
		return map[string]string{"staff.csv": csv.String(), "staff.mf.hcl": `
user "staff" {
  for_each = { for r in csvdecode(file("staff.csv")) : r.name => r }
  domain   = domain.example
  name     = each.key
  quota    = each.value.quota
}
`}
	},
	"blocks": func(n int) map[string]string {
		files := map[string]string{}
		for from := 0; from < n; from += 100 {
			var text strings.Builder
			for i := from; i < min(n, from+100); i++ {
				fmt.Fprintf(&text, "user \"u%d\" {\n  domain = domain.example\n  name   = \"user%d\"\n  quota  = \"2GiB\"\n}\n", i, i)
			}
			files[fmt.Sprintf("u%06d.mf.hcl", from)] = text.String()
		}
		return files
	},
}

// TestCostOfAUser counts what is allocated for a user in a small configuration
// and in one that is ten times as large. Time on a shared machine proves
// nothing; but what is done again for each of the others allocates, and then a
// user costs more where there are more of them.
func TestCostOfAUser(t *testing.T) {
	if testing.Short() {
		t.Skip("plans 8,800 users")
	}
	const small = 400
	for name, files := range scaleFiles {
		t.Run(name, func(t *testing.T) {
			steps := []string{"validate", "plan, all new", "plan, nothing changed", "plan -target"}
			scaleCost(t, files(1)) // what is made once, is made
			// The cost of all users but the first half: what does not grow falls out.
			perUser := func(n int) map[string]float64 {
				half, whole := scaleCost(t, files(n/2)), scaleCost(t, files(n))
				cost := map[string]float64{}
				for _, step := range steps {
					cost[step] = float64(whole[step]-half[step]) / float64(n/2)
				}
				return cost
			}
			few, many := perUser(small), perUser(10*small)
			for _, step := range steps {
				t.Logf("%s: %.1f allocations a user of %d, %.1f a user of %d", step, few[step], small, many[step], 10*small)
				if many[step] > few[step]*1.1+1 {
					t.Errorf("%s: a user takes %.1f allocations where there are %d, and %.1f where there are %d", step, few[step], small, many[step], 10*small)
				}
			}
			// What is not meant costs no more than its text and what is there.
			if all, one := many["plan, all new"], many["plan -target"]; one > all/2 {
				t.Errorf("with -target, another user takes %.1f allocations of %.1f", one, all)
			}
		})
	}
}

// scaleCost counts the allocations of each step for a configuration.
func scaleCost(t *testing.T, files map[string]string) map[string]uint64 {
	t.Helper()
	w := &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: memories{}.provider}
	files["main.mf.hcl"] = targetBase
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cost := map[string]uint64{}
	var before, after runtime.MemStats
	session := func() *engine.Session {
		module, diags := w.Load(config.Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s, err := w.Open(context.Background(), module, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	planned := func(s *engine.Session, o engine.PlanOptions) *plan.Plan {
		p, diags := s.Plan(context.Background(), o)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return p
	}
	step := func(name string, f func()) {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		cost[name] = after.Mallocs - before.Mallocs
	}
	step("validate", func() {
		module, diags := w.Load(config.Options{})
		if diags = append(diags, w.Validate(module, config.Options{})...); diags.HasErrors() {
			t.Fatal(diags)
		}
	})
	var s *engine.Session
	var p *plan.Plan
	step("plan -target", func() {
		s = session()
		planned(s, engine.PlanOptions{Targets: []string{"user.u1", `user.staff["user1"]`}})
		s.Close()
	})
	step("plan, all new", func() {
		s = session()
		p = planned(s, engine.PlanOptions{})
	})
	// Not counted: from some size on, the journal is folded into the snapshot.
	if _, diags := s.Apply(context.Background(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
		t.Fatal(diags)
	}
	s.Close()
	step("plan, nothing changed", func() {
		s = session()
		planned(s, engine.PlanOptions{})
		s.Close()
	})
	return cost
}
