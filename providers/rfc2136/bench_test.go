package rfc2136_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
)

// What the provider alone takes of what BenchmarkRecords in cmd/mailform measures
// as a whole.
func BenchmarkApply10000(b *testing.B) {
	wanted := many(10000, "example.com", "A", 300, "192.0.2.1")
	for name, start := range servers {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := start(b, exampleZone())
				p := provider(b, s.Addr, nil)
				batch := nametest.Plan(nametest.Read(b, p, wanted...), wanted...)
				b.StartTimer()
				nametest.Apply(b, p, batch...)
				b.StopTimer()
				s.Kill(b)
				b.StartTimer()
			}
		})
	}
}

func BenchmarkRead100000(b *testing.B) {
	lines := make([]string, 100000)
	for i := range lines {
		lines[i] = fmt.Sprintf("h%d 600 A 192.0.2.1", i)
	}
	wanted := many(len(lines), "example.com", "A", 600, "192.0.2.1")
	for name, start := range servers {
		b.Run(name, func(b *testing.B) {
			s := start(b, exampleZone(lines...))
			p := provider(b, s.Addr, nil)
			for b.Loop() {
				if _, err := p.Read(b.Context(), providers.Scope{Wanted: wanted}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
