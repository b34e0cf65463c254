// Package lines makes long texts on all processors: many pieces that do not
// depend on each other, such as the lines of a state or the changes of a plan,
// written in their order.
package lines

import (
	"bytes"
	"runtime"
	"sync"
)

// atOnce is how many pieces are made before they are written: enough to keep all
// processors busy, and few enough that they take no memory to speak of.
const atOnce = 8192

// least is how many pieces are worth a goroutine.
const least = 256

// Write makes n pieces, and hands them to write in their order, many at a time.
// Piece i is what one writes to the end of dst; it is called by several
// goroutines. The first error, in the order of the pieces, ends it.
func Write(n int, one func(dst []byte, i int) ([]byte, error), write func([]byte) error) error {
	var parts []bytes.Buffer
	for from := 0; from < n; from += atOnce {
		count := min(atOnce, n-from)
		workers := min(runtime.GOMAXPROCS(0), count/least+1)
		if len(parts) < workers {
			parts = make([]bytes.Buffer, workers)
		}
		errs := make([]error, workers)
		part := func(w int) {
			parts[w].Reset()
			for i := from + w*count/workers; i < from+(w+1)*count/workers && errs[w] == nil; i++ {
				var piece []byte
				piece, errs[w] = one(parts[w].AvailableBuffer(), i)
				parts[w].Write(piece)
			}
		}
		var wg sync.WaitGroup
		for w := 1; w < workers; w++ {
			wg.Go(func() { part(w) })
		}
		part(0)
		wg.Wait()
		for w, err := range errs {
			if err == nil {
				err = write(parts[w].Bytes())
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
