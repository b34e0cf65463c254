package auth

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// How guessing is slowed down.
const (
	// freeFailures cost nothing: people mistype.
	freeFailures = 5
	// firstDelay is that of the next try; each further failure doubles it.
	firstDelay = 500 * time.Millisecond
	// Tries from one address go one after the other, each with the delay, so many
	// connections at once guess no faster. A try that would have to wait for
	// longer than maxPeerWait is refused.
	maxPeerDelay = 8 * time.Second
	maxPeerWait  = 30 * time.Second
	// Tries for one account wait side by side: whoever guesses must not lock the
	// owner out.
	maxAccountDelay = 4 * time.Second
	// forgiveEvery is how long it takes for one failure to be forgotten.
	forgiveEvery = time.Minute
	// maxFailures are counted, so that all are forgotten in time. An address with so
	// many is locked for lockedFor: nothing that comes from it is looked at. An account
	// is not: whoever guesses would lock its owner out.
	maxFailures = 20
	lockedFor   = 15 * time.Minute
	// throttleSize is how many addresses, and accounts, are remembered.
	throttleSize = 16384
)

// throttleKeys name who tries: the network of the peer, and the account. Zero
// fields are not throttled.
type throttleKeys struct {
	peer    netip.Prefix
	account string
}

// A tally counts failures. It is forgotten when all of them are.
type tally struct {
	failures int
	since    time.Time // from when on the next one is forgotten after forgiveEvery
	nextTry  time.Time // before that, nothing from this peer is looked at
	locked   time.Time // until then, nothing from this peer is looked at
	name     string    // of the account, or the beginning of it
}

// at is the tally some time later.
func (t tally) at(now time.Time) tally {
	if t.failures == 0 {
		t.since = now
		return t
	}
	if n := int(now.Sub(t.since) / forgiveEvery); n > 0 {
		t.failures = max(0, t.failures-n)
		t.since = t.since.Add(time.Duration(n) * forgiveEvery)
	}
	return t
}

func (t tally) delay(longest time.Duration) time.Duration {
	if t.failures < freeFailures {
		return 0
	}
	return min(longest, firstDelay<<(t.failures-freeFailures))
}

func (t tally) expires() time.Time {
	forgotten := t.since.Add(time.Duration(t.failures) * forgiveEvery)
	if t.locked.After(forgotten) {
		return t.locked
	}
	return forgotten
}

// An accountKey is a digest, so that an entry has the same size however long the
// name is that somebody tries.
type accountKey [sha256.Size]byte

// A throttle remembers failures by peer and by account.
type throttle struct {
	mu       sync.Mutex
	peers    *expiring[netip.Prefix, tally]
	accounts *expiring[accountKey, tally]
}

func newThrottle() *throttle {
	return &throttle{
		peers:    newExpiring[netip.Prefix, tally](throttleSize),
		accounts: newExpiring[accountKey, tally](throttleSize),
	}
}

// wait says how long a try has to wait. It reports false if that is too long.
func (t *throttle) wait(k throttleKeys, now time.Time) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wait time.Duration
	if k.account != "" {
		y, _ := t.accounts.get(sha256.Sum256([]byte(k.account)), now)
		wait = y.at(now).delay(maxAccountDelay)
	}
	if !k.peer.IsValid() {
		return wait, true
	}
	y, _ := t.peers.get(k.peer, now)
	y = y.at(now)
	if y.locked.After(now) {
		return 0, false
	}
	delay := y.delay(maxPeerDelay)
	if delay == 0 {
		return wait, true
	}
	turn := now
	if y.nextTry.After(now) {
		turn = y.nextTry
	}
	turn = turn.Add(delay)
	if turn.Sub(now) > maxPeerWait {
		return 0, false
	}
	y.nextTry = turn
	t.peers.put(k.peer, y, y.expires(), now)
	return max(wait, turn.Sub(now)), true
}

// failed counts a failure.
func (t *throttle) failed(k throttleKeys, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.peer.IsValid() {
		count(t.peers, k.peer, now, func(y *tally) {
			if y.failures == maxFailures {
				y.locked = now.Add(lockedFor)
			}
		})
	}
	if k.account != "" {
		count(t.accounts, sha256.Sum256([]byte(k.account)), now, func(y *tally) { y.name = k.account[:min(len(k.account), maxName)] })
	}
}

// maxName is how much of the name of an account is remembered: as long as an address
// may be (RFC 5321 §4.5.3.1.3).
const maxName = 254

func count[K comparable](m *expiring[K, tally], key K, now time.Time, note func(*tally)) {
	y, _ := m.get(key, now)
	y = y.at(now)
	y.failures = min(y.failures+1, maxFailures)
	note(&y)
	m.put(key, y, y.expires(), now)
}

// network is what one customer usually has: an IPv4 address, an IPv6 /64.
func network(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	// The number of bits fits the address.
	p, _ := ip.Prefix(bits)
	return p
}
