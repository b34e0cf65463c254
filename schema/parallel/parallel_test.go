package parallel_test

import (
	"testing"

	"github.com/mailform/mailform/schema/parallel"
)

func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 10007} {
		calls := make([]int, n)
		parallel.Each(n, func(i int) { calls[i]++ })
		for i, c := range calls {
			if c != 1 {
				t.Fatalf("of %d, %d is called %d times", n, i, c)
			}
		}
	}
}
