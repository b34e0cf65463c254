package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

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
	return checkNetworks("exempt", a.Exempt)
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
		list = append(list, RateLimit{Owner: a.Owner, ResponsesPerSecond: a.ResponsesPerSecond, Exempt: networks(a.Exempt)})
	})
	if err != nil {
		return nil, fmt.Errorf("list rate limits: %w", err)
	}
	return list, nil
}
