package resolve

import (
	"sync"
	"time"
)

// However long an answer holds by itself, it is not kept for longer than this; and
// that something is not there, which is often about to change, for less.
const (
	longest    = time.Hour
	longestNot = 5 * time.Minute
)

// A cache keeps answers for as long as they hold.
type cache struct {
	limit int

	mu   sync.Mutex
	kept map[question]kept
}

type kept struct {
	answer Answer
	err    error // that the name does not exist
	until  time.Time
}

func (c *cache) get(q question, now time.Time) (Answer, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[q]
	if !ok || !now.Before(k.until) {
		return Answer{}, nil, false
	}
	return k.answer, k.err, true
}

func (c *cache) put(q question, a Answer, err error, now time.Time) {
	if a.TTL <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[question]kept{}
	}
	if len(c.kept) >= c.limit {
		c.shrink(now)
	}
	c.kept[q] = kept{a, err, now.Add(a.TTL)}
}

// shrink makes room: what has run out goes, and where that is little, others, as
// the map has them.
func (c *cache) shrink(now time.Time) {
	for q, k := range c.kept {
		if !now.Before(k.until) {
			delete(c.kept, q)
		}
	}
	for q := range c.kept {
		if len(c.kept) <= c.limit*3/4 {
			return
		}
		delete(c.kept, q)
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = nil
}
