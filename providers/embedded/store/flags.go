package store

import (
	"slices"
	"strings"
	"time"
)

// systemFlags are the flags of RFC 9051 §2.3.2 as bits. The values are stored.
type systemFlags uint8

const (
	flagSeen systemFlags = 1 << iota
	flagAnswered
	flagFlagged
	flagDeleted
	flagDraft
)

// systemNames are in the order of the bits.
var systemNames = [...]string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

// splitFlags sorts flags out, each once. Names of flags have no case (RFC 9051
// §2.3.2); a keyword keeps the case of its first use. \Recent and what cannot
// be a keyword is left out.
func splitFlags(flags []string) (system systemFlags, keywords []string) {
	for _, f := range flags {
		if strings.HasPrefix(f, `\`) {
			if i := slices.IndexFunc(systemNames[:], func(n string) bool { return strings.EqualFold(n, f) }); i >= 0 {
				system |= 1 << i
			}
			continue
		}
		if f == "" || strings.ContainsAny(f, " \r\n") || hasKeyword(keywords, f) {
			continue
		}
		keywords = append(keywords, f)
	}
	return system, keywords
}

func hasKeyword(keywords []string, k string) bool {
	return slices.ContainsFunc(keywords, func(have string) bool { return strings.EqualFold(have, k) })
}

// joinKeywords is how keywords are stored: sorted, with a blank between them.
func joinKeywords(keywords []string) string {
	if len(keywords) > 1 {
		keywords = slices.Clone(keywords)
		slices.Sort(keywords)
	}
	return strings.Join(keywords, " ")
}

// flagNames is the reverse of splitFlags for what was stored.
func flagNames(system systemFlags, keywords string) []string {
	var names []string
	for i, n := range systemNames {
		if system&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return append(names, strings.Fields(keywords)...)
}

// combine applies a STORE to the flags of one message.
func (op FlagOp) combine(system systemFlags, keywords string, bySystem systemFlags, byKeywords []string) (systemFlags, string) {
	switch op {
	case FlagsAdd:
		have := strings.Fields(keywords)
		for _, k := range byKeywords {
			if !hasKeyword(have, k) {
				have = append(have, k)
			}
		}
		return system | bySystem, joinKeywords(have)
	case FlagsRemove:
		have := slices.DeleteFunc(strings.Fields(keywords), func(k string) bool { return hasKeyword(byKeywords, k) })
		return system &^ bySystem, joinKeywords(have)
	default:
		return bySystem, joinKeywords(byKeywords)
	}
}

// micros is how times are stored: microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
