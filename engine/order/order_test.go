package order_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/order"
)

// item reads "name rank", "-name rank" (a delete), "--name rank" (an early one),
// "name@target rank", each with " < dep dep" at its end.
func item(s string) order.Item {
	head, deps, _ := strings.Cut(s, " < ")
	it := order.Item{Target: "embedded", DependsOn: strings.Fields(deps)}
	var name string
	if _, err := fmt.Sscanf(head, "%s %d", &name, &it.Rank); err != nil {
		panic(err)
	}
	it.Address, it.Delete = strings.CutPrefix(name, "-")
	it.Address, it.Early = strings.CutPrefix(it.Address, "-")
	if a, target, ok := strings.Cut(it.Address, "@"); ok {
		it.Address, it.Target = a, target
	}
	it.Range = hcl.Range{Filename: it.Address + ".mf.hcl"}
	return it
}

func items(list []string) []order.Item {
	out := make([]order.Item, len(list))
	for i, s := range list {
		out[i] = item(s)
	}
	return out
}

// show writes a phase as "embedded: a b | other: -c".
func show(items []order.Item, phases []order.Phase) []string {
	var out []string
	for _, p := range phases {
		var batches []string
		for _, b := range p.Batches {
			s := b.Target + ":"
			for _, i := range b.Items {
				s += " "
				if b.Deletes {
					s += "-"
				}
				s += items[i].Address
			}
			batches = append(batches, s)
		}
		out = append(out, strings.Join(batches, " | "))
	}
	return out
}

func TestPhases(t *testing.T) {
	tests := map[string]struct{ items, want []string }{
		"nothing to do has no phases": {},
		"creates go by rising rank, one batch a rank": {
			items: []string{"mx 90", "alice 40", "bob 40", "key 10"},
			want:  []string{"embedded: key", "embedded: alice bob", "embedded: mx"},
		},
		"deletes go by falling rank, after all else": {
			items: []string{"-key 10", "-mx 90", "alice 40", "www 80"},
			want:  []string{"embedded: alice", "embedded: www", "embedded: -mx", "embedded: -key"},
		},
		"targets run side by side": {
			items: []string{"a@two 40", "b@one 40", "c@two 40", "d@one 50"},
			want:  []string{"one: b | two: a c", "one: d"},
		},
		"a dependency of lower rank changes nothing": {
			items: []string{"alice 40 < domain", "domain 30"},
			want:  []string{"embedded: domain", "embedded: alice"},
		},
		"a dependency of the same rank makes two phases": {
			items: []string{"alice 40 < bob", "bob 40", "carol 40"},
			want:  []string{"embedded: bob carol", "embedded: alice"},
		},
		"a dependency of higher rank delays the dependent and nothing else": {
			items: []string{"alice 40 < www", "bob 40", "www 80", "mx 90"},
			want:  []string{"embedded: bob", "embedded: www", "embedded: alice", "embedded: mx"},
		},
		"what waits for the same thing keeps its own order": {
			items: []string{"alice 40 < www", "domain 30 < www", "www 80"},
			want:  []string{"embedded: www", "embedded: domain", "embedded: alice"},
		},
		"a chain": {
			items: []string{"a 40 < b", "b 40 < c", "c 40 < d", "d 80"},
			want:  []string{"embedded: d", "embedded: c", "embedded: b", "embedded: a"},
		},
		"deletes go the other way round": {
			items: []string{"-www 80", "-domain 30", "-alice 40 < www domain", "-mx 90"},
			want:  []string{"embedded: -mx", "embedded: -alice", "embedded: -www", "embedded: -domain"},
		},
		"a deletion waits for its dependents of lower rank": {
			items: []string{"-www 80", "-alice 40 < www"},
			want:  []string{"embedded: -alice", "embedded: -www"},
		},
		"what is not to be done is ignored": {
			items: []string{"alice 40 < domain.gone.mail", "-bob 40 < alice"},
			want:  []string{"embedded: alice", "embedded: -bob"},
		},
		"an early delete goes before the creates of its rank, in their phase": {
			items: []string{"www 80", "alias 90", "--old 90", "-other 90", "mx@two 90"},
			want:  []string{"embedded: www", "embedded: -old | embedded: alias | two: mx", "embedded: -other"},
		},
		"an early delete waits for nobody": {
			items: []string{"alias 90 < www", "www 80", "--old 90", "-other 40 < old"},
			want:  []string{"embedded: www", "embedded: -old | embedded: alias", "embedded: -other"},
		},
		"both halves of a replacement stand under one address": {
			items: []string{"alice 40", "-alice 40", "sales 50 < alice", "-old 50 < alice"},
			want:  []string{"embedded: alice", "embedded: sales", "embedded: -old", "embedded: -alice"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := items(tt.items)
			phases, diags := order.Phases(in)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(tt.want, show(in, phases)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCyclesAreExplained(t *testing.T) {
	tests := map[string]struct {
		items []string
		want  []string // details
		file  string   // where the first is reported
	}{
		"of three": {
			items: []string{"c 40 < a", "a 40 < b", "b 40 < c", "d 40 < a"},
			want:  []string{"a → b → c → a: each"},
			file:  "a.mf.hcl",
		},
		"among deletes": {
			items: []string{"-c 40 < a", "-a 40 < b", "-b 40 < c"},
			want:  []string{"a → b → c → a: each"},
			file:  "a.mf.hcl",
		},
		"of one": {
			items: []string{"a 40 < a"},
			want:  []string{"a depends on itself."},
			file:  "a.mf.hcl",
		},
		"all of them at once": {
			items: []string{"a 40 < b", "b 40 < a", "x 50 < y", "y 10 < x"},
			want:  []string{"a → b → a", "x → y → x"},
			file:  "a.mf.hcl",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			phases, diags := order.Phases(items(tt.items))
			if phases != nil {
				t.Errorf("there are phases: %v", phases)
			}
			if len(diags) != len(tt.want) {
				t.Fatalf("%d diagnostics, want %d: %v", len(diags), len(tt.want), diags)
			}
			for i, d := range diags {
				if d.Summary != "Dependency cycle" || !strings.HasPrefix(d.Detail, tt.want[i]) {
					t.Errorf("%s: %s, want %q", d.Summary, d.Detail, tt.want[i])
				}
			}
			if diags[0].Subject == nil || diags[0].Subject.Filename != tt.file {
				t.Errorf("reported at %v, want %s", diags[0].Subject, tt.file)
			}
		})
	}
}

// many makes n mailboxes that all depend on n records, by one shared slice.
func many(n int) []order.Item {
	deps := make([]string, n)
	list := make([]order.Item, 0, 2*n)
	for i := range n {
		deps[i] = fmt.Sprintf("record.r[%d].rrset", i)
		list = append(list, order.Item{Address: deps[i], Target: "embedded", Rank: 80})
	}
	for i := range n {
		list = append(list, order.Item{Address: fmt.Sprintf("user.u[%d].mailbox", i), Target: "embedded", Rank: 40, DependsOn: deps})
	}
	return list
}

func TestSharedDependenciesAreLinear(t *testing.T) {
	for _, deletes := range []bool{false, true} {
		list := many(50_000) // 2.5e9 edges if each were one
		for i := range list {
			list[i].Delete = deletes
		}
		phases, diags := order.Phases(list)
		if diags.HasErrors() || len(phases) != 2 {
			t.Fatalf("%d phases, %v", len(phases), diags)
		}
		first := list[phases[0].Batches[0].Items[0]].Rank
		if want := map[bool]int{false: 80, true: 40}[deletes]; first != want {
			t.Errorf("rank %d comes first, want %d", first, want)
		}
	}
}

func BenchmarkPhases(b *testing.B) {
	list := make([]order.Item, 100_000)
	for i := range list {
		list[i] = order.Item{Address: fmt.Sprintf("user.u[%d].mailbox", i), Target: "embedded", Rank: 40 + i%3*10}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := order.Phases(list); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}
