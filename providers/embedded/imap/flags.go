package imap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

// spelling of flags that are defined somewhere: flags are the same in any case,
// so that each is stored in one.
var spelling = func() map[string]string {
	known := []string{
		`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`,
		"$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing", "$Important",
	}
	m := make(map[string]string, len(known))
	for _, f := range known {
		m[strings.ToLower(f)] = f
	}
	return m
}()

// canonical is the spelling in which a flag is stored and compared.
func canonical(flag string) string {
	if known := spelling[strings.ToLower(flag)]; known != "" {
		return known
	}
	return flag
}

// newFlags checks flags that a client sets.
func newFlags(flags []string) ([]string, error) {
	const most, longest = 64, 100 // keywords of a message, bytes of one
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		f = canonical(f)
		switch {
		case equalFold(f, `\Recent`):
			continue // is the server's to set, and is not kept
		case strings.HasPrefix(f, `\`) && spelling[strings.ToLower(f)] == "":
			return nil, bad("Unknown system flag")
		case len(f) > longest:
			return nil, no("LIMIT", "Keyword is too long")
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	if len(out) > most {
		return nil, no("LIMIT", fmt.Sprintf("More than %d flags", most))
	}
	return out, nil
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

func equalFold(a, b string) bool { return wire.EqualFold(a, b) }
