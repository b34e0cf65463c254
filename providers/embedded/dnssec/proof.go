package dnssec

import (
	"slices"
	"strings"
)

// The proofs below are places in [Zone.Chain]. They take wire names in lower case.
// encloser is the nearest name above the one that was asked for that exists in the
// zone (RFC 4592 §3.3.1).

// NoName proves that a name is not there, and that no wildcard stands for it (RFC
// 4035 §3.1.3.2, RFC 5155 §7.2.2).
func (z *Zone) NoName(name, encloser string) []int {
	if z.nsec3 {
		return unique(z.link(encloser), z.link(nextCloser(name, encloser)), z.link(wildcard(encloser)))
	}
	return unique(z.link(name), z.link(wildcard(encloser)))
}

// NoType proves that a name, which is there, has no records of the type that was
// asked for (RFC 4035 §3.1.3.1, RFC 5155 §7.2.3 and §7.2.4). An empty non-terminal
// has no NSEC: what covers it proves as much.
func (z *Zone) NoType(name string) []int { return unique(z.link(name)) }

// Expanded proves that a wildcard rightly stood for a name: the name itself is not
// there (RFC 4035 §3.1.3.3, RFC 5155 §7.2.6).
func (z *Zone) Expanded(name, encloser string) []int {
	if z.nsec3 {
		return unique(z.link(nextCloser(name, encloser)))
	}
	return unique(z.link(name))
}

// ExpandedNoType proves that the wildcard that stands for a name has no records of
// the type (RFC 4035 §3.1.3.4, RFC 5155 §7.2.5).
func (z *Zone) ExpandedNoType(name, encloser string) []int {
	if z.nsec3 {
		return unique(z.link(encloser), z.link(nextCloser(name, encloser)), z.link(wildcard(encloser)))
	}
	return unique(z.link(name), z.link(wildcard(encloser)))
}

// wildcard is the name of "*" below another one.
func wildcard(encloser string) string { return "\x01*" + encloser }

// nextCloser is the encloser with one more label of the name.
func nextCloser(name, encloser string) string {
	at := 0
	for next := 0; len(name)-next > len(encloser); next += 1 + int(name[next]) {
		at = next
	}
	return name[at:]
}

// link finds the link of a name, or else the one that it would come after.
func (z *Zone) link(name string) int {
	at := ""
	if z.nsec3 {
		at = nsec3Hash(name)
	} else {
		at = order(name)
	}
	i, found := slices.BinarySearchFunc(z.chain, at, func(l link, at string) int { return strings.Compare(l.at, at) })
	switch {
	case found:
		return i
	case i == 0: // before the first comes the last
		return len(z.chain) - 1
	}
	return i - 1
}

// unique leaves out what is there twice.
func unique(places ...int) []int {
	out := places[:0]
	for _, p := range places {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
