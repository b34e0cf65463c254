package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// cheap is an argon2id hash of "secret" that takes no time.
var cheap = cheapHash("secret")

func cheapHash(password string) string {
	h := argon2Hash{argon2Params: argon2Params{memory: 8, passes: 1, lanes: 1}, salt: []byte("saltsalt")}
	h.digest = h.derive([]byte(password), 16)
	return h.String()
}

type fakeDirectory struct {
	mu       sync.Mutex
	accounts map[string]store.Account
	err      error
}

func (d *fakeDirectory) Account(_ context.Context, address string) (*store.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	a, ok := d.accounts[strings.ToLower(address)]
	if !ok {
		return nil, fmt.Errorf("account %s: %w", address, store.ErrNotFound)
	}
	return &a, nil
}

func (d *fakeDirectory) set(a store.Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts == nil {
		d.accounts = map[string]store.Account{}
	}
	d.accounts[a.Address] = a
}

// A fakeClock passes the time by sleeping, and remembers how long.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.pass(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
	return ctx.Err()
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// takeSlept returns how long was slept since the last call.
func (c *fakeClock) takeSlept() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.slept
	c.slept = 0
	return d
}

func newFixture(t *testing.T, o Options) (*Authenticator, *fakeDirectory, *fakeClock) {
	t.Helper()
	clock := &fakeClock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	dir := &fakeDirectory{}
	dir.set(store.Account{ID: 1, Address: "alice@example.com", PasswordHashes: []string{cheap}, IMAP: true, POP3: true, Mail: "enabled"})
	o.Clock = clock
	a := New(dir, o)
	a.dummy.argon2Params = argon2Params{memory: 8, passes: 1, lanes: 1}
	return a, dir, clock
}

var (
	loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000}
	stranger = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4000}
)

func TestLoginChecksPasswordAndService(t *testing.T) {
	a, dir, _ := newFixture(t, Options{})
	for _, acc := range []store.Account{
		{Address: "pia@example.com", PasswordHashes: []string{cheap}, POP3: true, Mail: "enabled"},
		{Address: "none@example.com", PasswordHashes: []string{cheap}, Mail: "enabled"},
		{Address: "off@example.com", PasswordHashes: []string{cheap}, IMAP: true, POP3: true, Mail: "disabled"},
		{Address: "fwd@example.com", PasswordHashes: []string{cheap}, IMAP: true, Mail: "forward"},
		{Address: "nohash@example.com", IMAP: true, Mail: "enabled"},
		{Address: "broken@example.com", PasswordHashes: []string{"nonsense"}, IMAP: true, Mail: "enabled"},
	} {
		dir.set(acc)
	}
	for name, tc := range map[string]struct {
		address, password, service string
		want                       error
	}{
		"the right password":                          {"alice@example.com", "secret", "imap", nil},
		"the address in capitals":                     {"ALICE@Example.COM", "secret", "pop3", nil},
		"the wrong password":                          {"alice@example.com", "Secret", "imap", ErrInvalid},
		"the empty password":                          {"alice@example.com", "", "imap", ErrInvalid},
		"a password beyond the limit":                 {"alice@example.com", strings.Repeat("x", MaxPassword+1), "imap", ErrInvalid},
		"no such user":                                {"nobody@example.com", "secret", "imap", ErrInvalid},
		"the empty address":                           {"", "secret", "imap", ErrInvalid},
		"no password set":                             {"nohash@example.com", "", "imap", ErrInvalid},
		"a hash that cannot be read":                  {"broken@example.com", "nonsense", "imap", ErrInvalid},
		"POP3 for who has POP3 alone":                 {"pia@example.com", "secret", "pop3", nil},
		"IMAP for who has POP3 alone":                 {"pia@example.com", "secret", "imap", ErrDisabled},
		"the same with the wrong password":            {"pia@example.com", "x", "imap", ErrInvalid},
		"submission for who may not read":             {"none@example.com", "secret", "submission", nil},
		"an account whose mail is disabled":           {"off@example.com", "secret", "imap", ErrDisabled},
		"submission for an account that is disabled":  {"off@example.com", "secret", "submission", ErrDisabled},
		"an account that is disabled, wrong password": {"off@example.com", "x", "imap", ErrInvalid},
		"an account that forwards its mail":           {"fwd@example.com", "secret", "imap", nil},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time it is remembered
				acc, err := a.Login(t.Context(), tc.address, tc.password, tc.service, loopback)
				if !errors.Is(err, tc.want) {
					t.Fatalf("error %v, want %v", err, tc.want)
				}
				if (acc != nil) != (tc.want == nil) || acc != nil && acc.Address != strings.ToLower(tc.address) {
					t.Errorf("account %v", acc)
				}
				if err != nil && err != tc.want {
					t.Errorf("the error tells more than %q: %q", tc.want, err)
				}
			}
		})
	}
	if _, err := a.Login(t.Context(), "alice@example.com", "secret", "http", loopback); err == nil || errors.Is(err, ErrInvalid) {
		t.Errorf("unknown service: %v", err)
	}
	dir.err = errors.New("disk gone")
	if _, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", loopback); !errors.Is(err, dir.err) || errors.Is(err, ErrInvalid) {
		t.Errorf("the store fails: %v", err)
	}
}

func TestLoginOfAnUnknownUserHashesToo(t *testing.T) {
	// Time is no measure on a busy machine; that a slot for hashing is taken is.
	a, _, _ := newFixture(t, Options{Concurrency: 1})
	a.slots <- struct{}{} // nobody hashes
	for _, address := range []string{"nobody@example.com", "alice@example.com"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := a.Login(ctx, address, "wrong", "imap", loopback)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v: answered without hashing", address, err)
		}
	}
	if New(nil, Options{}).dummy.argon2Params != defaultArgon2 {
		t.Error("hashing for nobody does not cost as much as for a hash that Hash made")
	}
}

func TestLoginRemembersSuccess(t *testing.T) {
	a, dir, clock := newFixture(t, Options{Concurrency: 1})
	login := func(password string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := a.Login(ctx, "alice@example.com", password, "imap", loopback)
		return err
	}
	hashes := func(password string) error { // nobody who has to hash comes to an end
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := a.Login(ctx, "alice@example.com", password, "imap", loopback)
		return err
	}
	if err := login("secret"); err != nil {
		t.Fatal(err)
	}
	a.slots <- struct{}{} // from now on hashing blocks
	if err := login("secret"); err != nil {
		t.Errorf("not remembered: %v", err)
	}
	if err := hashes("wrong"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wrong password is not checked: %v", err)
	}

	acc := dir.accounts["alice@example.com"]
	changed := acc
	changed.PasswordHashes = []string{cheapHash("new")}
	dir.set(changed)
	if err := hashes("secret"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("remembered after the hash has changed: %v", err)
	}

	acc.IMAP = false
	dir.set(acc)
	if err := login("secret"); !errors.Is(err, ErrDisabled) {
		t.Errorf("after the protocol was taken away: %v", err)
	}
	acc.IMAP = true
	dir.set(acc)
	clock.pass(defaultCacheTTL)
	if err := hashes("secret"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("remembered for too long: %v", err)
	}
}

func TestLoginSlowsGuessingDown(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	fail := func(address string, remote net.Addr) time.Duration {
		t.Helper()
		if _, err := a.Login(t.Context(), address, "wrong", "imap", remote); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		return clock.takeSlept()
	}
	for i := range freeFailures {
		if d := fail(fmt.Sprintf("user%d@example.com", i), stranger); d != 0 {
			t.Errorf("failure %d waited %v", i+1, d)
		}
	}
	for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		if d := fail(fmt.Sprintf("other%d@example.com", i), stranger); d != want {
			t.Errorf("failure %d from one address waited %v, want %v", freeFailures+1+i, d, want)
		}
	}
	if d := fail("alice@example.com", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 8)}); d != 0 {
		t.Errorf("another address waited %v", d)
	}
	clock.pass(time.Hour)
	if d := fail("alice@example.com", stranger); d != 0 {
		t.Errorf("after an hour it waited %v", d)
	}
}

func TestLoginSlowsGuessingFromManyAddressesDown(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	var last time.Duration
	for i := range 30 {
		remote := &net.TCPAddr{IP: net.IPv4(198, 51, 100, byte(i))}
		if _, err := a.Login(t.Context(), "Alice@example.com", "wrong", "imap", remote); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		last = clock.takeSlept()
	}
	if last != maxAccountDelay {
		t.Errorf("the thirtieth guess waited %v, want %v", last, maxAccountDelay)
	}
	// The owner has to wait, and gets in; then she need not wait again.
	for _, most := range []time.Duration{maxAccountDelay, 0} {
		if _, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1)}); err != nil {
			t.Fatal(err)
		}
		if d := clock.takeSlept(); d > most {
			t.Errorf("the owner waited %v", d)
		}
	}
}

func TestLoginsFromOneGuessingAddressStandInLine(t *testing.T) {
	th := newThrottle()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	k := throttleKeys{peer: network(sessions.Peer(stranger))}
	for range 9 {
		th.failed(k, now)
	}
	var waits []time.Duration
	for {
		d, ok := th.wait(k, now)
		if !ok {
			break
		}
		waits = append(waits, d)
	}
	if len(waits) != 3 || waits[0] != 8*time.Second || waits[2] != 24*time.Second {
		t.Errorf("tries at one moment wait %v", waits)
	}
	if _, ok := th.wait(k, now.Add(20*time.Second)); !ok {
		t.Error("refused after the line has moved on")
	}
}

func TestLoginIsBusyForTooManyAtOnce(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	k := a.throttleKeys("x", stranger)
	for range 9 {
		a.throttle.failed(k, clock.Now())
	}
	for range 3 {
		a.throttle.wait(k, clock.Now())
	}
	if _, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", stranger); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want ErrBusy", err)
	}
}

func TestLoginDoesNotThrottleLoopback(t *testing.T) {
	for name, tc := range map[string]struct {
		remote   net.Addr
		throttle bool
		want     bool
	}{
		"IPv4 loopback":                    {loopback, false, false},
		"IPv6 loopback":                    {&net.TCPAddr{IP: net.IPv6loopback}, false, false},
		"IPv4 loopback in IPv6 form":       {&net.TCPAddr{IP: net.ParseIP("::ffff:127.0.0.1")}, false, false},
		"loopback where that is asked for": {loopback, true, true},
		"an address of the same IPv6 /64":  {&net.TCPAddr{IP: net.ParseIP("2001:db8::7")}, false, true},
		"a peer without an IP address":     {&net.UnixAddr{Name: "x"}, false, true},
		"no address":                       {nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, clock := newFixture(t, Options{ThrottleLoopback: tc.throttle})
			for range 10 {
				_, _ = a.Login(t.Context(), "alice@example.com", "wrong", "imap", tc.remote)
			}
			if got := clock.takeSlept() > 0; got != tc.want {
				t.Errorf("throttled: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestThrottleForgetsOneFailureAtATime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	y := tally{failures: 10, since: now}
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{59 * time.Second, 10}, {time.Minute, 9}, {150 * time.Second, 8}, {time.Hour, 0}} {
		if got := y.at(now.Add(tc.after)).failures; got != tc.want {
			t.Errorf("after %v there are %d failures, want %d", tc.after, got, tc.want)
		}
	}
}

func TestExpiringIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	m := newExpiring[int, int](100)
	for i := range 1000 {
		m.put(i, i, now.Add(time.Hour), now)
	}
	if len(m.entries) > 100 {
		t.Errorf("%d entries", len(m.entries))
	}
	if v, ok := m.get(999, now); !ok || v != 999 {
		t.Errorf("the last entry: %v, %v", v, ok)
	}
	if _, ok := m.get(999, now.Add(time.Hour)); ok {
		t.Error("an entry that has ended is found")
	}
	none := newExpiring[int, int](-1)
	none.put(1, 1, now.Add(time.Hour), now)
	if _, ok := none.get(1, now); ok {
		t.Error("a map of no size keeps something")
	}
}

func TestLoginsAtOnce(t *testing.T) {
	a, _, _ := newFixture(t, Options{Concurrency: 2, CacheSize: -1})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			password, want := "secret", error(nil)
			if i%2 == 1 {
				password, want = "wrong", ErrInvalid
			}
			if _, err := a.Login(t.Context(), "alice@example.com", password, "imap", loopback); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		})
	}
	wg.Wait()
}

func BenchmarkLogin(b *testing.B) {
	hash, err := Hash([]byte("secret"))
	if err != nil {
		b.Fatal(err)
	}
	dir := &fakeDirectory{}
	dir.set(store.Account{Address: "alice@example.com", PasswordHashes: []string{hash}, IMAP: true})
	for name, size := range map[string]int{"remembered": 0, "hashed": -1} {
		b.Run(name, func(b *testing.B) {
			a := New(dir, Options{CacheSize: size})
			for b.Loop() {
				if _, err := a.Login(b.Context(), "alice@example.com", "secret", "imap", loopback); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
