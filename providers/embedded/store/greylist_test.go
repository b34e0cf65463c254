package store

import (
	"net/netip"
	"testing"
	"time"
)

var greylisting = Greylisting{Delay: 5 * time.Minute, RetryWithin: 48 * time.Hour, Keep: 35 * 24 * time.Hour, KnownAfter: 3}

func TestUnknownSendersArePutOff(t *testing.T) {
	type attempt struct {
		after    time.Duration
		client   string // empty: 192.0.2.7
		from, to string // empty: bob@far.test, alice@example.com
		wait     time.Duration
	}
	const day = 24 * time.Hour
	cases := map[string][]attempt{
		"who comes again after the delay is taken, and then at once": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute}, {}, {after: time.Hour},
		},
		"who comes again too early waits for the rest": {
			{wait: 5 * time.Minute}, {after: 2 * time.Minute, wait: 3 * time.Minute}, {after: 3 * time.Minute},
		},
		"who comes again after a long time is new": {
			{wait: 5 * time.Minute}, {after: 3 * day, wait: 5 * time.Minute}, {after: 5 * time.Minute},
		},
		"another machine of the network is the same sender": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute, client: "192.0.2.200"}, {client: "192.0.3.7", wait: 5 * time.Minute},
		},
		"of IPv6 it is the /64": {
			{client: "2001:db8::1", wait: 5 * time.Minute}, {after: 5 * time.Minute, client: "2001:db8::ffff:1"}, {client: "2001:db8:0:1::1", wait: 5 * time.Minute},
		},
		"another sender or recipient is another": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute, from: "carol@far.test", wait: 5 * time.Minute}, {to: "bob@example.com", wait: 5 * time.Minute}, {},
		},
		"upper case, numbers and what stands behind a plus do not make another": {
			{from: "list-17-alice@far.test", wait: 5 * time.Minute}, {after: 5 * time.Minute, from: "List-1234-alice+x@Far.test", to: "Alice@example.com"},
		},
		"who has no name has to wait, too": {
			{from: "<>", wait: 5 * time.Minute}, {after: 5 * time.Minute, from: "<>"},
		},
		"who was not seen for long is new": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute}, {after: 36 * day, wait: 5 * time.Minute},
		},
		"who is seen now and then stays known": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute}, {after: 30 * day}, {after: 30 * day},
		},
		"once three senders of a network came again it is known as a whole": {
			{wait: 5 * time.Minute}, {after: 5 * time.Minute},
			{from: "b@far.test", wait: 5 * time.Minute}, {after: 5 * time.Minute, from: "b@far.test"},
			{from: "c@far.test", wait: 5 * time.Minute}, {after: 5 * time.Minute, from: "c@far.test"},
			{from: "new@far.test"}, {after: 30 * day, from: "newer@far.test"}, {after: 30 * day, from: "newest@far.test"},
			{after: 36 * day, from: "late@far.test", wait: 5 * time.Minute},
		},
	}
	for name, attempts := range cases {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			s := openAt(t, t.TempDir(), func() time.Time { return now })
			defer s.Close()
			for i, a := range attempts {
				now = now.Add(a.after)
				or := func(s, other string) string {
					if s == "" {
						return other
					}
					return s
				}
				from := or(a.from, "bob@far.test")
				if from == "<>" {
					from = ""
				}
				wait, err := s.Greylist(t.Context(), greylisting, netip.MustParseAddr(or(a.client, "192.0.2.7")), from, or(a.to, "alice@example.com"))
				if err != nil || wait != a.wait {
					t.Errorf("attempt %d: wait %v (%v), want %v", i+1, wait, err, a.wait)
				}
			}
		})
	}
}

func openAt(t *testing.T, dir string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheGreylistOutlivesTheStoreAndForgets(t *testing.T) {
	now, dir := time.Unix(1_800_000_000, 0), t.TempDir()
	clock := func() time.Time { return now }
	client := netip.MustParseAddr("192.0.2.7")
	count := func(s *Store) (n int) {
		t.Helper()
		if err := s.read.row(t.Context(), `SELECT COUNT(*) FROM greylist`, nil, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s := openAt(t, dir, clock)
	for _, from := range []string{"bob@far.test", "spam@far.test"} {
		if wait, err := s.Greylist(t.Context(), greylisting, client, from, "alice@example.com"); err != nil || wait != greylisting.Delay {
			t.Fatalf("%s: %v, %v", from, wait, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Minute)
	s = openAt(t, dir, clock)
	defer s.Close()
	if wait, err := s.Greylist(t.Context(), greylisting, client, "bob@far.test", "alice@example.com"); err != nil || wait != 0 {
		t.Errorf("after the restart: %v, %v", wait, err)
	}
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{0, 2}, {72 * time.Hour, 1}, {36 * 24 * time.Hour, 0}} {
		now = now.Add(step.after)
		if err := s.ForgetGreylist(t.Context(), greylisting); err != nil {
			t.Fatal(err)
		}
		if got := count(s); got != step.left {
			t.Errorf("%v later: %d are left, want %d", step.after, got, step.left)
		}
	}
}
