package auth

import (
	"sync"
	"time"
)

// An expiring is a map of bounded size whose entries end by time. It is safe for
// concurrent use.
type expiring[K comparable, V any] struct {
	mu      sync.Mutex
	size    int
	entries map[K]expiringEntry[V]
}

type expiringEntry[V any] struct {
	value V
	until time.Time
}

// newExpiring makes a map of at most size entries; below 1 it stays empty.
func newExpiring[K comparable, V any](size int) *expiring[K, V] {
	return &expiring[K, V]{size: size, entries: map[K]expiringEntry[V]{}}
}

func (m *expiring[K, V]) get(key K, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || !now.Before(e.until) {
		var zero V
		return zero, false
	}
	return e.value, true
}

func (m *expiring[K, V]) put(key K, value V, until, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size < 1 {
		return
	}
	if _, ok := m.entries[key]; !ok && len(m.entries) >= m.size {
		m.evict(now)
	}
	m.entries[key] = expiringEntry[V]{value, until}
}

// drop takes an entry out, and reports whether it was there.
func (m *expiring[K, V]) drop(key K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.entries[key]
	delete(m.entries, key)
	return ok
}

// each calls do for the entries that have not ended, in no order.
func (m *expiring[K, V]) each(now time.Time, do func(K, V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, e := range m.entries {
		if now.Before(e.until) {
			do(k, e.value)
		}
	}
}

// evict makes room: of some entries, which Go's map chooses anyhow, those that
// have ended go, or the one that ends first.
func (m *expiring[K, V]) evict(now time.Time) {
	const sample = 16
	var first K
	var until time.Time
	seen, gone := 0, false
	for k, e := range m.entries {
		if !now.Before(e.until) {
			delete(m.entries, k)
			gone = true
		} else if seen == 0 || e.until.Before(until) {
			first, until = k, e.until
		}
		if seen++; seen == sample {
			break
		}
	}
	if !gone {
		delete(m.entries, first)
	}
}
