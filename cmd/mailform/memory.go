package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// softLimit is how much memory a command takes before the collector works
// harder, in bytes. Up to there the heap may grow between two collections as
// below, which is quick; a plan of a hundred thousand users would take half as
// much again as it needs.
const softLimit = 1050 << 20

// The heap may double between two collections while it is small, and grow to its
// threefold from a live heap of largeHeap bytes on: a collection looks at all
// that lives, and a large plan is built up in one go and given back never.
const (
	smallHeapGrowth = 100 // percent of the live heap
	largeHeapGrowth = 200
	largeHeap       = 96 << 20
)

// boundMemory sets the limit, unless whoever runs the program has set one. What
// needs more gets more: the limit follows what is in use with some way between
// them, because a collector that is always at its limit does nothing else.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(softLimit)
	ownGrowth := os.Getenv("GOGC") == ""
	afterEachCollection(func() {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		live := int64(sample[0].Value.Uint64())
		debug.SetMemoryLimit(max(softLimit, live/2*3))
		if growth := smallHeapGrowth; ownGrowth {
			if live >= largeHeap {
				growth = largeHeapGrowth
			}
			debug.SetGCPercent(growth)
		}
	})
}

// afterEachCollection calls f then, in a goroutine of the runtime.
func afterEachCollection(f func()) {
	type token struct{ _ *token } // a pointer, so that it shares its memory with nothing else
	var arm func(*token)
	arm = func(*token) {
		f()
		runtime.SetFinalizer(&token{}, arm)
	}
	runtime.SetFinalizer(&token{}, arm)
}
