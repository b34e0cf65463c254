package rate

import (
	"net/netip"
	"testing"
	"time"
)

// A clock is set by the test.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

// taken is how many of a client are let through out of many.
func taken(c *Counter, client netip.Addr, most int) int {
	n := 0
	for range 1000 {
		if c.Take(client, most) {
			n++
		}
	}
	return n
}

func TestClientsAreCountedOverATimeThatSlides(t *testing.T) {
	at := &clock{time.Unix(3600, 0)}
	c := New(time.Minute, at.now)
	steps := []struct {
		name   string
		after  time.Duration
		client netip.Addr
		want   int
	}{
		{"at first it may do all", 0, one, 60},
		{"then nothing more", 0, one, 0},
		{"another is not meant", 0, two, 60},
		{"a minute later all of it still counts", time.Minute, one, 0},
		{"half a minute later half of it", 30 * time.Second, one, 30},
		{"and what it did since counts, too", 0, one, 0},
		{"after a long time nothing counts", time.Hour, one, 60},
	}
	for _, s := range steps {
		at.at = at.at.Add(s.after)
		if got := taken(c, s.client, 60); got != s.want {
			t.Errorf("%s: %d got through, want %d", s.name, got, s.want)
		}
	}
}

func TestWithoutALimitNothingIsCounted(t *testing.T) {
	c := New(time.Minute, nil)
	if got := taken(c, one, 0); got != 1000 || len(c.clients) != 0 {
		t.Errorf("%d got through, %d are counted", got, len(c.clients))
	}
}

func TestTheMemoryOfACounterIsBounded(t *testing.T) {
	at := &clock{time.Unix(3600, 0)}
	c := New(time.Minute, at.now)
	client := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for i := range maxClients + 10 {
		if !c.Take(client(i), 1) {
			t.Fatalf("client %d is refused at its first try", i)
		}
	}
	if len(c.clients) != maxClients {
		t.Errorf("%d are counted, want %d", len(c.clients), maxClients)
	}
	if c.Take(client(0), 1) {
		t.Error("who was counted before is counted no more")
	}
	at.at = at.at.Add(time.Hour)
	c.Take(client(maxClients+1), 1)
	if len(c.clients) != 1 {
		t.Errorf("an hour later %d are counted, want 1", len(c.clients))
	}
}
