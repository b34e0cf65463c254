package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mailform/mailform/schema"
)

type rateLimitAttrs struct {
	Owner              string   `json:"owner"`
	ResponsesPerSecond int      `json:"responses_per_second"`
	Exempt             []string `json:"exempt"`
}

func (a *rateLimitAttrs) key() string  { return a.Owner }
func (*rateLimitAttrs) parent() string { return "" }

// maxResponses is the largest limit that means anything.
const maxResponses = 1_000_000

func (a *rateLimitAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if a.ResponsesPerSecond < 0 || a.ResponsesPerSecond > maxResponses {
		return fmt.Errorf("responses_per_second is %d: expected 0 to %d", a.ResponsesPerSecond, maxResponses)
	}
	if a.Exempt == nil {
		return errors.New("exempt is null")
	}
	for _, s := range a.Exempt {
		if p, err := netip.ParsePrefix(s); err != nil || p != p.Masked() {
			return fmt.Errorf("exempt has %q: expected networks", s)
		}
	}
	if !slices.IsSorted(a.Exempt) {
		return errors.New("exempt is not sorted")
	}
	return nil
}

// A RateLimit is how many answers a network gets from a name server, as in the
// kind ratelimit.
type RateLimit struct {
	Owner              string
	ResponsesPerSecond int // 0: any number
	Exempt             []netip.Prefix
}

// RateLimits lists the limits of name servers that have any of their own.
func (s *Store) RateLimits(ctx context.Context) (list []RateLimit, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindRateLimit}, func(_ string, a rateLimitAttrs) {
		l := RateLimit{Owner: a.Owner, ResponsesPerSecond: a.ResponsesPerSecond}
		for _, text := range a.Exempt {
			p, _ := netip.ParsePrefix(text) // checked when it was stored
			l.Exempt = append(l.Exempt, p)
		}
		list = append(list, l)
	})
	if err != nil {
		return nil, fmt.Errorf("list rate limits: %w", err)
	}
	return list, nil
}
