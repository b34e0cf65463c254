// Package parallel does one thing for each of many, on all processors.
package parallel

import (
	"runtime"
	"sync"
)

// least is how many are worth a goroutine.
const least = 256

// Each calls f for 0 to n-1 and returns when all calls have. Calls may run side by
// side, so that f writes only what belongs to its i.
func Each(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n/least+1)
	part := func(w int) {
		for i := w * n / workers; i < (w+1)*n/workers; i++ {
			f(i)
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { part(w) })
	}
	part(0)
	wg.Wait()
}
