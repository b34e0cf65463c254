package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// BenchmarkAccept has 20 senders deliver messages of 4 KiB, each durably.
func BenchmarkAccept(b *testing.B) {
	for _, accounts := range []int{1, 20, 1000} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			s := openStore(b, b.TempDir())
			ids := make([]int64, accounts)
			for i := range ids {
				ids[i] = newAccount(b, s, fmt.Sprintf("u%d", i))
			}
			text := bytes.Repeat([]byte("0123456789abcde\n"), 256)
			b.SetBytes(int64(len(text)))
			b.ResetTimer()
			next := make(chan int64)
			errs := make(chan error, 20)
			for range 20 {
				go func() {
					for id := range next {
						if err := accept(b.Context(), s, text, id); err != nil {
							errs <- err
							return
						}
					}
					errs <- nil
				}()
			}
			for i := range b.N {
				next <- ids[i%accounts]
			}
			close(next)
			for range 20 {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func manyMailboxes(n int) []admin.Change {
	changes := make([]admin.Change, n)
	for i := range changes {
		changes[i] = mailbox(fmt.Sprintf("user%06d@example.com", i), `,"quota":1073741824`)
	}
	return changes
}

func BenchmarkApplyChanges(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			changes := manyMailboxes(n)
			for b.Loop() {
				b.StopTimer()
				s, err := Open(b.Context(), b.TempDir(), Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				apply(b, s, changes...)
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkResources(b *testing.B) {
	const n = 100000
	s := openStore(b, b.TempDir())
	apply(b, s, manyMailboxes(n)...)
	for b.Loop() {
		rs, err := s.Resources(b.Context())
		if err != nil || len(rs) != n {
			b.Fatalf("%d resources, %v", len(rs), err)
		}
	}
}
