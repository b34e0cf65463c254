package dnssec

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// The proofs below take canonical names. encloser is the nearest name above the
// one that was asked for that exists in the zone (RFC 4592 §3.3.1).

// NoName proves that a name is not there, and that no wildcard stands for it (RFC
// 4035 §3.1.3.2, RFC 5155 §7.2.2).
func (z *Zone) NoName(name, encloser string) []*Set {
	if z.nsec3 {
		return unique(z.match(encloser), z.cover(nextCloser(name, encloser)), z.cover(wildcard(encloser)))
	}
	return unique(z.cover(name), z.cover(wildcard(encloser)))
}

// NoType proves that a name, which is there, has no records of the type that was
// asked for (RFC 4035 §3.1.3.1, RFC 5155 §7.2.3 and §7.2.4).
func (z *Zone) NoType(name string) []*Set {
	if set := z.match(name); set != nil {
		return unique(set)
	}
	return unique(z.cover(name)) // NSEC: an empty non-terminal
}

// Expanded proves that a wildcard rightly stood for a name: the name itself is not
// there (RFC 4035 §3.1.3.3, RFC 5155 §7.2.6).
func (z *Zone) Expanded(name, encloser string) []*Set {
	if z.nsec3 {
		return unique(z.cover(nextCloser(name, encloser)))
	}
	return unique(z.cover(name))
}

// ExpandedNoType proves that the wildcard that stands for a name has no records of
// the type (RFC 4035 §3.1.3.4, RFC 5155 §7.2.5).
func (z *Zone) ExpandedNoType(name, encloser string) []*Set {
	if z.nsec3 {
		return unique(z.match(encloser), z.cover(nextCloser(name, encloser)), z.match(wildcard(encloser)))
	}
	return unique(z.cover(name), z.match(wildcard(encloser)))
}

func wildcard(encloser string) string {
	if encloser == "." {
		return "*."
	}
	return "*." + encloser
}

// nextCloser is the encloser with one more label of the name.
func nextCloser(name, encloser string) string {
	at := dns.Split(name)
	return name[at[len(at)-dns.CountLabel(encloser)-1]:]
}

func (z *Zone) place(name string) string {
	if z.nsec3 {
		return nsec3Hash(name)
	}
	return order(name)
}

// match finds the link of a name; nil: it has none.
func (z *Zone) match(name string) *Set {
	i, found := z.search(z.place(name))
	if !found {
		return nil
	}
	return z.chain[i].set
}

// cover finds the link that a name would come after; of a name that has a link, it
// is this one.
func (z *Zone) cover(name string) *Set {
	i, found := z.search(z.place(name))
	if !found {
		i-- // before the first comes the last
	}
	return z.chain[(i+len(z.chain))%len(z.chain)].set
}

func (z *Zone) search(at string) (int, bool) {
	return slices.BinarySearchFunc(z.chain, at, func(l link, at string) int { return strings.Compare(l.at, at) })
}

// unique leaves out what is there twice, and nil.
func unique(sets ...*Set) []*Set {
	out := make([]*Set, 0, len(sets))
	for _, s := range sets {
		if s != nil && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
