package dovecot_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// BenchmarkUsers makes 10,000 users in a Dovecot that runs, reads them, and changes
// one of them. All of that is done in the same time however many programs a machine
// can start: none is for one user.
func BenchmarkUsers(b *testing.B) {
	d := mailtest.Dovecot(b)
	p := configured(b, d, "L")
	done := func(_ providers.Change, _ providers.Observed, err error) error { return err }
	apply := func(batch ...providers.Change) time.Duration {
		b.Helper()
		from := time.Now()
		if err := p.Apply(b.Context(), batch, done); err != nil {
			b.Fatal(err)
		}
		return time.Since(from)
	}
	apply(creates(store())...)
	apply(creates(service())...)
	rs := make([]schema.Resource, 10000)
	for i := range rs {
		rs[i] = user(fmt.Sprintf("u%d", (i*7919)%len(rs)), nil) // in no order
	}
	for b.Loop() {
		made := apply(creates(rs...)...)
		from := time.Now()
		have, err := p.Read(b.Context(), providers.Scope{Wanted: rs})
		if err != nil || len(have) != len(rs)+2 {
			b.Fatal(len(have), err)
		}
		read := time.Since(from)
		one := have[len(have)/2]
		changed := mailbox(one.Key, attrs{"password_hash": list(quickstart), "quota": num(1 << 20)})
		changing := apply(providers.Change{Action: providers.Update, Resource: changed, Prior: &one})
		b.ReportMetric(made.Seconds(), "s/create")
		b.ReportMetric(read.Seconds(), "s/read")
		b.ReportMetric(changing.Seconds(), "s/change")
		b.StopTimer()
		have, err = p.Read(b.Context(), providers.Scope{})
		if err != nil {
			b.Fatal(err)
		}
		var batch []providers.Change
		for _, o := range have {
			if o.Kind == schema.KindMailbox && !o.Retained {
				batch = append(batch, providers.Change{Action: providers.Delete, Prior: &o, Resource: schema.Resource{Address: o.Owner, Kind: o.Kind, Key: o.Key, Attrs: o.Attrs}})
			}
		}
		apply(batch...)
		b.StartTimer()
	}
}
