package verify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/embedded/arc"
)

// ARC is what those say who handed a message on.
type ARC struct {
	Result Result // empty: there is nothing to check, or it was not checked
	Reason string
	// Chain is what further sets go on top of; nil where it was not checked.
	Chain *arc.Chain
}

func (c *Checker) arc(ctx context.Context, m *Message) ARC {
	chain, err := arc.Validate(ctx, m.reader(), c.Resolver.LookupTXT)
	switch {
	case errors.Is(err, arc.ErrTemporary):
		return ARC{Result: TempError}
	case err != nil:
		return ARC{Result: PermError}
	}
	return ARC{Result: Result(chain.Status), Reason: chain.Reason, Chain: chain}
}

// sawPass says whether a server that is believed, with only such ones between it
// and us, saw the message pass DMARC.
func (a ARC) sawPass(trusted []string) bool {
	if a.Result != Pass {
		return false
	}
	for _, set := range slices.Backward(a.Chain.Sets) {
		if !slices.Contains(trusted, set.Domain) {
			return false
		}
		if hasResult(set.Results, "dmarc", Pass) {
			return true
		}
	}
	return false
}

// hasResult says whether the value of an Authentication-Results field has a result
// of a method.
func hasResult(value, method string, want Result) bool {
	for part := range strings.SplitSeq(withoutComments(value), ";") {
		words := strings.Fields(part)
		if len(words) > 0 && strings.EqualFold(words[0], method+"="+string(want)) {
			return true
		}
	}
	return false
}

// withoutComments blanks comments and quoted strings, whose text is not a result.
func withoutComments(s string) string {
	b := []byte(s)
	depth, inQuotes := 0, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		hidden := depth > 0 || inQuotes
		switch {
		case hidden && c == '\\':
			b[i] = 'x'
			if i++; i < len(b) {
				b[i] = 'x'
			}
			continue
		case !inQuotes && c == '(':
			depth++
			hidden = true
		case !inQuotes && c == ')' && depth > 0:
			depth--
		case depth == 0 && c == '"':
			inQuotes = !inQuotes
			hidden = true
		}
		if hidden {
			b[i] = 'x'
			if depth > 0 || c == ')' {
				b[i] = ' '
			}
		}
	}
	return string(b)
}
