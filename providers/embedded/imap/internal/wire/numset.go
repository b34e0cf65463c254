package wire

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// SeqSet reads a set of sequence numbers, or "$" (RFC 5182).
func (r *Reader) SeqSet() imap.NumSet {
	if r.Accept('$') {
		return imap.SearchRes()
	}
	return r.ParseSeqSet(r.setText())
}

// UIDSet reads a set of UIDs, or "$".
func (r *Reader) UIDSet() imap.UIDSet {
	if r.Accept('$') {
		return imap.SearchRes()
	}
	ranges := r.parseSet(r.setText())
	out := make(imap.UIDSet, len(ranges))
	for i, g := range ranges {
		out[i] = imap.UIDRange{Start: imap.UID(g.start), Stop: imap.UID(g.stop)}
	}
	return out
}

// ParseSeqSet parses a set that has been read already.
func (r *Reader) ParseSeqSet(text string) imap.SeqSet {
	ranges := r.parseSet(text)
	out := make(imap.SeqSet, len(ranges))
	for i, g := range ranges {
		out[i] = imap.SeqRange{Start: g.start, Stop: g.stop}
	}
	return out
}

func (r *Reader) setText() string {
	return r.takeSome("set of message numbers", func(c byte) bool {
		return isDigit(c) || c == ':' || c == ',' || c == '*'
	})
}

// numRange is start:stop; 0 stands for "*".
type numRange struct{ start, stop uint32 }

// parseSet parses a sequence-set into the order that package imap keeps: rising,
// without overlap, "*" last. It is linear but for the sort; the library's own
// insertion is quadratic for a set in falling order.
func (r *Reader) parseSet(text string) []numRange {
	if r.err != nil {
		return nil
	}
	ranges := make([]numRange, 0, strings.Count(text, ",")+1)
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, ":")
		a, ok := setNumber(from)
		b := a
		if isRange && ok {
			b, ok = setNumber(to)
		}
		if !ok {
			r.Fail("bad set of message numbers")
			return nil
		}
		if a == 0 || (b != 0 && b < a) {
			a, b = b, a
		}
		ranges = append(ranges, numRange{a, b})
	}
	slices.SortFunc(ranges, func(x, y numRange) int {
		return cmp.Compare(x.start-1, y.start-1) // "*" (0) wraps to the end
	})
	out := ranges[:1]
	for _, g := range ranges[1:] {
		last := &out[len(out)-1]
		switch {
		case last.stop == 0: // n:* takes in all that follows
		case g.start != 0 && g.start-1 <= last.stop:
			if g.stop == 0 || g.stop > last.stop {
				last.stop = g.stop
			}
		default:
			out = append(out, g)
		}
	}
	return out
}

func setNumber(s string) (uint32, bool) {
	if s == "*" {
		return 0, true
	}
	if s == "" || s[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}
