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

// A heap of less than firstHeap bytes is not looked at: most runs end before they
// have that much, and what they have was built up in one go. Above, it may double
// between two collections while it is small. From a live heap
// of largeHeap bytes on it grows to roomyHeap first: a collection looks at all
// that lives, and what a large plan is made of is built up in one go and not given
// back on the way.
const (
	firstHeap       = 96 << 20
	smallHeapGrowth = 100 // percent of the live heap
	largeHeap       = 96 << 20
	roomyHeap       = 700 << 20
	// leastHeap is what Go takes for the live heap where it is smaller than that.
	leastHeap = 4 << 20
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
	if ownGrowth {
		debug.SetGCPercent(firstHeap / leastHeap * 100)
	}
	afterEachCollection(func() {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		live := int64(sample[0].Value.Uint64())
		debug.SetMemoryLimit(max(softLimit, live/2*3))
		if growth := smallHeapGrowth; ownGrowth {
			if live < firstHeap/2 {
				growth = int((firstHeap - live) * 100 / max(live, leastHeap))
			}
			if live >= largeHeap {
				growth = max(growth, int((roomyHeap-live)*100/live))
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
