package state

import (
	"context"
	"time"
)

// A Poll spaces out the tries of one who waits for a lock: each wait is twice as
// long as the one before, up to a bound, and the last try is when the time is up.
type Poll struct {
	wait, most time.Duration
	deadline   time.Time
}

// NewPoll begins to wait. Without a timeout there is but the first try.
func NewPoll(timeout, first, most time.Duration) *Poll {
	return &Poll{wait: first, most: most, deadline: time.Now().Add(timeout)}
}

// Again waits for the next try, no longer than longest where that is above 0. It
// reports whether there is one; the error is that of the context.
func (p *Poll) Again(ctx context.Context, longest time.Duration) (bool, error) {
	left := time.Until(p.deadline)
	if left <= 0 {
		return false, nil
	}
	wait := min(p.wait, left)
	if longest > 0 {
		wait = min(wait, longest)
	}
	p.wait = min(2*p.wait, p.most)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		return true, nil
	}
}
