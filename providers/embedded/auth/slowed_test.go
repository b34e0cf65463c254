package auth

import (
	"errors"
	"fmt"
	"net"
	"testing"
)

func TestAnAddressThatGoesOnGuessingIsLocked(t *testing.T) {
	for name, tc := range map[string]struct{ guesser, neighbour, unlock, who string }{
		"an IPv4 address": {"192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.7"},
		"an IPv6 /64":     {"2001:db8::7", "2001:db8:0:1::7", "2001:db8::8", "2001:db8::/64"},
		"by its network":  {"2001:db8::7", "2001:db8:0:1::7", "2001:db8::/64", "2001:db8::/64"},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, clock := newFixture(t, Options{})
			from := &net.TCPAddr{IP: net.ParseIP(tc.guesser), Port: 1}
			// All services count together. Some failures are forgotten meanwhile: each
			// guess takes its time.
			guess := func() {
				for i := range 2 * maxFailures {
					service := []string{"imap", "pop3", "submission"}[i%3]
					_, err := a.Login(t.Context(), fmt.Sprintf("user%d@example.com", i), "wrong", service, from)
					if errors.Is(err, ErrBusy) && i >= maxFailures {
						return
					}
					if !errors.Is(err, ErrInvalid) {
						t.Fatalf("guess %d: %v", i+1, err)
					}
				}
				t.Fatalf("%d guesses, and nothing is locked", 2*maxFailures)
			}
			guess()
			login := func(from net.Addr) error {
				_, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", from)
				return err
			}
			if err := login(from); !errors.Is(err, ErrBusy) {
				t.Errorf("the right password of somebody: %v", err)
			}
			if err := login(&net.TCPAddr{IP: net.ParseIP(tc.neighbour), Port: 1}); err != nil {
				t.Errorf("the neighbour: %v", err)
			}
			list := a.Slowed()
			if len(list) != 1 || list[0].Who != tc.who || list[0].Failures != maxFailures || list[0].Locked.Sub(clock.Now()) != lockedFor {
				t.Errorf("the list: %+v", list)
			}
			if !a.Unlock(tc.unlock) || a.Unlock(tc.unlock) {
				t.Error("unlocking does not say what it did")
			}
			a.recent = newExpiring[cacheKey, string](1)
			if err := login(from); err != nil {
				t.Errorf("once it is unlocked: %v", err)
			}
			if len(a.Slowed()) != 0 {
				t.Errorf("then the list has %+v", a.Slowed())
			}
			guess()
			clock.pass(lockedFor)
			a.recent = newExpiring[cacheKey, string](1)
			if err := login(from); err != nil {
				t.Errorf("when the lock has run out: %v", err)
			}
		})
	}
}

func TestAnAccountIsUnlocked(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	for i := range freeFailures + 3 {
		from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 1}
		if _, err := a.Login(t.Context(), "Alice@example.com", "wrong", "imap", from); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if list := a.Slowed(); len(list) != 1 || list[0].Who != "alice@example.com" || list[0].Failures != freeFailures+3 || !list[0].Locked.IsZero() {
		t.Errorf("the list: %+v", list)
	}
	clock.takeSlept()
	if !a.Unlock("ALICE@example.com") {
		t.Error("there was nothing to unlock")
	}
	if _, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", stranger); err != nil {
		t.Fatal(err)
	}
	if d := clock.takeSlept(); d != 0 {
		t.Errorf("the owner still waits %v", d)
	}
	if a.Unlock("nobody@example.com") || a.Unlock("") {
		t.Error("nobody is unlocked")
	}
}
