package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// BenchmarkSignedNameServers asks validators' questions (DO) in the zone of
// BenchmarkNameServers, which mailform has signed. The other servers have it as it
// has been transferred, so that all serve the same signatures out of memory. They are
// asked for addresses, for names that do not exist, and for names that a wildcard
// stands for.
func BenchmarkSignedNameServers(b *testing.B) {
	ours := benchMailform(b, fmt.Sprintf("secondary {\n address = \"127.0.0.1:%d\"\n unsigned = true\n}", porttest.Port(b)), "dnssec {}")
	zone, err := exec.Command(need(b, "dig"), "@127.0.0.1", "-p", strconv.Itoa(ours.port), "+onesoa", "bench.test", "AXFR").Output()
	if err != nil {
		b.Fatal(err)
	}
	servers := []*benchServer{ours, benchBIND(b, string(zone)), benchKnot(b, string(zone)), benchNSD(b, string(zone))}
	for _, c := range []struct{ name, question string }{
		{"addresses", "h%d.bench.test A"},
		{"no such name", "no%d.bench.test A"},
		{"a wildcard", "w%d.wild.bench.test A"},
	} {
		b.Run(c.name, func(b *testing.B) {
			queries := benchQueries(b, func(i int) string { return fmt.Sprintf(c.question, i) })
			for range b.N {
				compareServers(b, servers, queries, "-D")
			}
		})
	}
}
