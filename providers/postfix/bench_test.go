package postfix_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// BenchmarkUsers is what 10,000 users and 1,000 aliases cost at a Postfix that runs:
// all at once, a look at them, and one more.
func BenchmarkUsers(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		i := newInstance(b)
		i.apply(b, i.everything()...)
		var users, lists []schema.Resource
		for n := range 10000 {
			users = append(users, recipient(fmt.Sprintf("user%05d@example.com", n)))
		}
		for n := range 1000 {
			lists = append(lists, route(fmt.Sprintf("list%04d@example.com", n), "alias", false, fmt.Sprintf("user%05d@example.com", n)))
		}
		b.StartTimer()
		start := b.Elapsed()
		i.apply(b, append(create(users...), create(lists...)...)...)
		all := b.Elapsed()
		if _, err := i.provider("L").Read(b.Context(), providers.Scope{Wanted: append(users, lists...)}); err != nil {
			b.Fatal(err)
		}
		read := b.Elapsed()
		i.apply(b, create(recipient("one.more@example.com"))...)
		one := b.Elapsed()
		b.ReportMetric((all - start).Seconds(), "s/all")
		b.ReportMetric((read - all).Seconds(), "s/look")
		b.ReportMetric((one - read).Seconds(), "s/one")
	}
}
