package draft_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// manyUsers is a world with n mailboxes, a tenth of which have an alias.
func manyUsers(b testing.TB, n int) ([]providers.Observed, *config.Config) {
	cfg := evaluate(b, map[string]string{"main.mf.hcl": base})
	list := things(resources(b, cfg)[schema.DefaultProvider])
	for i := range n {
		address := fmt.Sprintf("u%06d@example.com", i)
		list = append(list, mailbox(address, "enabled"))
		if i%10 == 0 {
			list = append(list, route("alias", fmt.Sprintf("a%06d@example.com", i), address))
		}
	}
	return list, cfg
}

// BenchmarkMake drafts and writes users; the time for each is to stay the same.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{1000, 10000, 40000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list, cfg := manyUsers(b, n)
			b.ReportAllocs()
			for b.Loop() {
				made, err := draft.Make(draft.Input{Target: schema.DefaultProvider, Things: list, Config: &config.Config{Dir: cfg.Dir}, Expand: options})
				if err != nil || len(made.Left) > 0 {
					b.Fatal(err, made.Left)
				}
				made.Config(draft.Options{Imports: true})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/user")
		})
	}
}
