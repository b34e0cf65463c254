package auth

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
)

// A directory with app passwords, by the ID of the account.
type appDirectory struct {
	*fakeDirectory
	mu   sync.Mutex
	apps map[int64][]store.AppPassword
	used []string
}

func (d *appDirectory) AppPasswords(_ context.Context, account *store.Account) ([]store.AppPassword, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.apps[account.ID]), nil
}

func (d *appDirectory) AppPasswordUsed(_ context.Context, account int64, name string, when time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used = append(d.used, name)
	for i, p := range d.apps[account] {
		if p.Name == name {
			d.apps[account][i].Used = when
		}
	}
	return nil
}

func (d *appDirectory) set(account int64, apps ...store.AppPassword) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apps[account] = apps
}

func newAppFixture(t *testing.T) (*Authenticator, *appDirectory, *fakeClock) {
	t.Helper()
	a, dir, clock := newFixture(t, Options{})
	d := &appDirectory{fakeDirectory: dir, apps: map[int64][]store.AppPassword{}}
	a.dir = d
	d.fakeDirectory.set(store.Account{ID: 2, Address: "apps@example.com", IMAP: true, POP3: true, Mail: "enabled"})
	d.fakeDirectory.set(store.Account{ID: 3, Address: "off@example.com", IMAP: true, Mail: "disabled"})
	d.fakeDirectory.set(store.Account{ID: 4, Address: "nopop@example.com", IMAP: true, Mail: "enabled"})
	phone := store.AppPassword{Name: "phone", Hashes: []string{cheapHash("of the phone")}, Services: []string{"imap", "submission"}}
	for id := range int64(4) {
		d.set(id+1,
			store.AppPassword{Name: "all", Hashes: []string{cheapHash("of all")}, Services: schema.AppServices},
			store.AppPassword{Name: "broken", Hashes: []string{"nonsense"}, Services: schema.AppServices},
			store.AppPassword{Name: "old", Hashes: []string{cheapHash("of old")}, Services: schema.AppServices, Expires: clock.Now().Add(-time.Second)},
			phone)
	}
	return a, d, clock
}

func TestAppPasswords(t *testing.T) {
	a, _, _ := newAppFixture(t)
	for name, tc := range map[string]struct {
		address, password, service string
		want                       error
		via                        string
	}{
		"the account's own password":                  {"alice@example.com", "secret", "imap", nil, ""},
		"an app password":                             {"alice@example.com", "of the phone", "imap", nil, "phone"},
		"one for a service that it is not for":        {"alice@example.com", "of the phone", "pop3", ErrDisabled, ""},
		"ManageSieve is not IMAP":                     {"alice@example.com", "of the phone", "managesieve", ErrDisabled, ""},
		"one for all services":                        {"alice@example.com", "of all", "managesieve", nil, "all"},
		"one that has expired":                        {"alice@example.com", "of old", "imap", ErrInvalid, ""},
		"a password that is none":                     {"alice@example.com", "of nothing", "imap", ErrInvalid, ""},
		"an empty password":                           {"alice@example.com", "", "imap", ErrInvalid, ""},
		"a user who has no other password":            {"apps@example.com", "of all", "pop3", nil, "all"},
		"a user whose mail is disabled":               {"off@example.com", "of all", "submission", ErrDisabled, ""},
		"a service that the user has not":             {"nopop@example.com", "of all", "pop3", ErrDisabled, ""},
		"nobody":                                      {"nobody@example.com", "of all", "imap", ErrInvalid, ""},
		"its own password where a user has only apps": {"apps@example.com", "secret", "imap", ErrInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []string{"first", "remembered"} {
				account, err := a.Login(t.Context(), tc.address, tc.password, tc.service, loopback)
				if !errors.Is(err, tc.want) {
					t.Fatalf("%s: %v, want %v", how, err, tc.want)
				}
				if err != nil {
					continue
				}
				via := ""
				if account.Via != nil {
					via = account.Via.Name
				}
				if via != tc.via {
					t.Errorf("%s: logged in by %q, want %q", how, via, tc.via)
				}
			}
		})
	}
}

func TestAnAppPasswordIsOverAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		after func(d *appDirectory, clock *fakeClock)
		lasts bool
		want  error
	}{
		"nothing happens":           {func(*appDirectory, *fakeClock) {}, true, nil},
		"it is taken away":          {func(d *appDirectory, _ *fakeClock) { d.set(1) }, false, ErrInvalid},
		"it expires":                {func(_ *appDirectory, c *fakeClock) { c.pass(time.Minute) }, false, ErrInvalid},
		"another one gets its name": {func(d *appDirectory, _ *fakeClock) { d.apps[1][0].Hashes = []string{cheapHash("new")} }, false, ErrInvalid},
		"its services change":       {func(d *appDirectory, _ *fakeClock) { d.apps[1][0].Services = []string{"pop3"} }, true, ErrDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			a, d, clock := newAppFixture(t)
			d.set(1, store.AppPassword{Name: "phone", Hashes: []string{cheapHash("of the phone")}, Services: []string{"imap"}, Expires: clock.Now().Add(time.Minute)})
			account, err := a.Login(t.Context(), "alice@example.com", "of the phone", "imap", loopback)
			if err != nil {
				t.Fatal(err)
			}
			tc.after(d, clock)
			if lasts, err := Lasts(t.Context(), a, account); err != nil || lasts != tc.lasts {
				t.Errorf("the session lasts: %t, %v", lasts, err)
			}
			if _, err := a.Login(t.Context(), "alice@example.com", "of the phone", "imap", loopback); !errors.Is(err, tc.want) {
				t.Errorf("another login: %v, want %v", err, tc.want)
			}
		})
	}
	a, _, _ := newAppFixture(t)
	account, err := a.Login(t.Context(), "alice@example.com", "secret", "imap", loopback)
	if err != nil {
		t.Fatal(err)
	}
	if lasts, err := Lasts(t.Context(), a, account); err != nil || !lasts {
		t.Errorf("a session by the account's own password: %t, %v", lasts, err)
	}
}

func TestTheUseOfAnAppPasswordIsNoted(t *testing.T) {
	a, d, clock := newAppFixture(t)
	login := func() {
		t.Helper()
		if _, err := a.Login(t.Context(), "alice@example.com", "of all", "imap", loopback); err != nil {
			t.Fatal(err)
		}
	}
	login()
	login()
	clock.pass(useResolution)
	login()
	_, _ = a.Login(t.Context(), "alice@example.com", "of the phone", "pop3", loopback) // not for that
	if !slices.Equal(d.used, []string{"all", "all"}) {
		t.Errorf("noted: %v", d.used)
	}
}

// Wrong ones are counted as any wrong password.
func TestGuessingAppPasswordsIsSlowedDown(t *testing.T) {
	a, _, clock := newAppFixture(t)
	for range 6 {
		if _, err := a.Login(t.Context(), "alice@example.com", "guess", "imap", stranger); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if clock.takeSlept() == 0 {
		t.Error("nobody has to wait")
	}
}

// A directory that judges the account's own password is not asked about an app
// password: it might lock the account.
func TestADirectoryIsNotAskedAboutAnAppPassword(t *testing.T) {
	a, d, _ := newAppFixture(t)
	d.fakeDirectory.set(store.Account{ID: 1, Address: "alice@example.com", PasswordHashes: []string{"{LDAP}ldap://127.0.0.1:1/uid=alice"}, IMAP: true, Mail: "enabled"})
	if _, err := a.Login(t.Context(), "alice@example.com", "of all", "imap", loopback); err != nil {
		t.Error(err)
	}
	if _, err := a.Login(t.Context(), "alice@example.com", "of nothing", "imap", loopback); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the directory was not asked: %v", err)
	}
}

func TestNewAppPassword(t *testing.T) {
	secret, hashes, err := NewAppPassword([]string{cheap})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^([a-km-np-z2-9]{4}-){5}[a-km-np-z2-9]{4}$`).MatchString(secret) {
		t.Errorf("%q is not what people copy", secret)
	}
	if ok, err := Verify(hashes, []byte(secret)); !ok || err != nil {
		t.Errorf("it is not its own: %t, %v", ok, err)
	}
	if ok, err := Verify(hashes, []byte(secret+"a")); ok || err != nil {
		t.Errorf("another one is it, too: %t, %v", ok, err)
	}
	other, _, err := NewAppPassword(nil)
	if err != nil || other == secret {
		t.Errorf("another one is the same: %v", err)
	}
	if len(hashes) != 1 || strings.Contains(hashes[0], secret) {
		t.Errorf("%d verifiers, or the secret itself", len(hashes))
	}
	// For SCRAM it has the salt and the count of the others.
	for name, beside := range map[string][]string{"beside a verifier for SCRAM": {cheap, scramSecret}, "beside nothing": nil} {
		secret, hashes, err := NewAppPassword(beside)
		if err != nil || len(hashes) != 2 {
			t.Fatalf("%s: %d verifiers, %v", name, len(hashes), err)
		}
		if ok, err := Verify(hashes[1:], []byte(secret)); !ok || err != nil {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
		if its, _, _ := strings.Cut(hashes[1], ","); beside != nil && !strings.HasPrefix(scramSecret, its+",") {
			t.Errorf("%s: %s", name, its)
		}
	}
}
