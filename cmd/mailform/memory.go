package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// softLimit is how much memory a command takes before the collector works
// harder, in bytes. Up to there the heap may double between two collections,
// which is quick; a plan of a hundred thousand users would take half as much
// again as it needs.
const softLimit = 1000 << 20

// boundMemory sets the limit, unless whoever runs the program has set one. What
// needs more gets more: the limit follows what is in use with some way between
// them, because a collector that is always at its limit does nothing else.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(softLimit)
	afterEachCollection(func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetMemoryLimit(max(softLimit, int64(live[0].Value.Uint64())/2*3))
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
