package dnssec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzOrder compares the keys that names are sorted by with the definition: label by
// label from the right (RFC 4034 §6.1).
func FuzzOrder(f *testing.F) {
	f.Add("a.example.", "*.example.")
	f.Add(`\000.example.`, `\001.example.`)
	f.Add(`\001\001.example.`, `\002.example.`)
	f.Add("a.b.", "b.")
	f.Add(".", "x.")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := canonicalWire(a), canonicalWire(b)
		if x == "" || y == "" {
			return
		}
		if got, want := strings.Compare(order(x), order(y)), compareNames(x, y); got != want {
			t.Fatalf("%q and %q: %d, want %d", x, y, got, want)
		}
	})
}

func canonicalWire(name string) string {
	var wire [256]byte
	n, err := dns.PackDomainName(dns.CanonicalName(name), wire[:], 0, nil, false)
	if err != nil || n > 255 {
		return ""
	}
	return string(wire[:n])
}

func compareNames(a, b string) int {
	x, y := labelsOf(a), labelsOf(b)
	for i := 1; i <= len(x) && i <= len(y); i++ {
		if c := bytes.Compare(x[len(x)-i], y[len(y)-i]); c != 0 {
			return c
		}
	}
	switch {
	case len(x) < len(y):
		return -1
	case len(x) > len(y):
		return 1
	}
	return 0
}

func labelsOf(wire string) [][]byte {
	var out [][]byte
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		out = append(out, []byte(wire[i+1:i+1+int(wire[i])]))
	}
	return out
}
