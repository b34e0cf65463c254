package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type upkeepAttrs struct {
	Owner string `json:"owner"`
	Trash int64  `json:"trash"` // seconds
	Junk  int64  `json:"junk"`  // seconds
	Warn  []int  `json:"warn"`  // percent
}

func (a *upkeepAttrs) key() string  { return a.Owner }
func (*upkeepAttrs) parent() string { return "" }

func (a *upkeepAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	for name, n := range map[string]int64{"trash": a.Trash, "junk": a.Junk} {
		if n < 0 || n > maxSeconds {
			return fmt.Errorf("%s is %d: it cannot be negative or beyond %d seconds", name, n, maxSeconds)
		}
	}
	if a.Warn == nil || !slices.IsSorted(a.Warn) || len(slices.Compact(slices.Clone(a.Warn))) != len(a.Warn) {
		return errors.New("warn is null, or not rising")
	}
	for _, p := range a.Warn {
		if p < 0 || p > 100 {
			return fmt.Errorf("warn has %d: expected percentages", p)
		}
	}
	return nil
}

// Upkeep is what is done with mailboxes as time goes by, as in the kind upkeep.
type Upkeep struct {
	// Trash and Junk are how long messages stay there; 0: for ever.
	Trash, Junk time.Duration
	// Warn are percentages of the quota, rising.
	Warn []int
}

// Upkeep is what all servers together ask for: the longest times, all thresholds.
func (s *Store) Upkeep(ctx context.Context) (u Upkeep, err error) {
	n := 0
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindUpkeep}, func(_ string, a upkeepAttrs) {
		u.Trash = longest(u.Trash, a.Trash, n == 0)
		u.Junk = longest(u.Junk, a.Junk, n == 0)
		u.Warn = append(u.Warn, a.Warn...)
		n++
	})
	if err != nil {
		return Upkeep{}, fmt.Errorf("find out how mailboxes are kept: %w", err)
	}
	slices.Sort(u.Warn)
	u.Warn = slices.Compact(u.Warn)
	return u, nil
}

// longest takes 0 for ever.
func longest(have time.Duration, seconds int64, first bool) time.Duration {
	d := time.Duration(seconds) * time.Second
	if first {
		return d
	}
	if have == 0 || d == 0 {
		return 0
	}
	return max(have, d)
}
