package store

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// A fakeSource knows users by address, and aliases; err is what it says instead.
type fakeSource struct {
	users  map[string]Account
	routes map[string][]string
	err    error
}

func (f *fakeSource) User(_ context.Context, address string) (*Account, error) {
	a, ok := f.users[address]
	if !ok || f.err != nil {
		return nil, f.err
	}
	return &a, nil
}

func (f *fakeSource) Route(_ context.Context, address string) ([]string, error) {
	return f.routes[address], f.err
}

func (f *fakeSource) AliasesOf(_ context.Context, address string) ([]string, error) {
	var list []string
	for alias, members := range f.routes {
		if slices.Contains(members, address) {
			list = append(list, alias)
		}
	}
	return list, f.err
}

// Users of a source have accounts as long as the source knows them, and as it says.
func TestUsersOfASource(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, mailDomain("example.com"), mailbox("own@example.com", ""))
	user := Account{PasswordHashes: []string{"{LDAP}ldap://127.0.0.1/uid=a"}, IMAP: true, Mail: "enabled", Quota: 5}
	off, away := user, user
	off.Mail, away.Mail = "disabled", "forward"
	src := &fakeSource{
		users:  map[string]Account{"alice@example.com": user, "off@example.com": off, "away@example.com": away, "keeps@example.com": away, "x@elsewhere.net": user},
		routes: map[string][]string{"al@example.com": {"alice@example.com"}, "away@example.com": {"p@elsewhere.net"}, "keeps@example.com": {"p@elsewhere.net", "keeps@example.com"}, "@example.com": {"own@example.com"}},
	}
	s.SetSource(src)
	id := func(address string) int64 {
		t.Helper()
		a, err := s.Account(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	alice, own := id("Alice@Example.com"), id("own@example.com")
	if again := id("alice@example.com"); again != alice {
		t.Errorf("alice has another account, %d and not %d", again, alice)
	}
	for name, tt := range map[string]struct {
		rcpt     string
		accounts []int64
		forwards []string
		err      error
	}{
		"a user":                     {"alice@example.com", []int64{alice}, nil, nil},
		"an alias":                   {"al@example.com", []int64{alice}, nil, nil},
		"a user who is declared":     {"own@example.com", []int64{own}, nil, nil},
		"somebody else":              {"nobody@example.com", []int64{own}, nil, nil},
		"a user who forwards":        {"away@example.com", nil, []string{"p@elsewhere.net"}, nil},
		"one who keeps a copy":       {"keeps@example.com", []int64{id("keeps@example.com")}, []string{"p@elsewhere.net"}, nil},
		"one who is disabled":        {"off@example.com", nil, nil, ErrMailDisabled},
		"a user of a foreign domain": {"x@elsewhere.net", nil, nil, ErrUnknownDomain},
	} {
		r, err := s.Resolve(t.Context(), tt.rcpt)
		if !errors.Is(err, tt.err) || !slices.Equal(r.Accounts, tt.accounts) || !slices.Equal(r.Forwards, tt.forwards) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if list, err := s.AddressesOf(t.Context(), alice); err != nil || !slices.Equal(list, []string{"alice@example.com", "al@example.com"}) {
		t.Errorf("alice has %v, %v", list, err)
	}
	user.Quota = 7
	src.users["alice@example.com"] = user
	if a, err := s.Account(t.Context(), "alice@example.com"); err != nil || a.Quota != 7 || a.ID != alice {
		t.Errorf("alice is %+v, %v", a, err)
	}

	// They are declared by nobody, and listed nowhere.
	rs, err := s.Resources(t.Context())
	if err != nil || len(rs) != 2 {
		t.Errorf("there are %v, %v", rs, err)
	}

	// What a source cannot tell is an error, and not that there is nobody.
	src.err = errors.New("down")
	for _, address := range []string{"alice@example.com", "nobody@example.com"} {
		if _, err := s.Account(t.Context(), address); !errors.Is(err, src.err) || errors.Is(err, ErrNotFound) {
			t.Errorf("account %s: %v", address, err)
		}
		if _, err := s.Resolve(t.Context(), address); !errors.Is(err, src.err) || errors.Is(err, ErrUnknownUser) {
			t.Errorf("mail for %s: %v", address, err)
		}
	}
	if id("own@example.com") != own {
		t.Error("who is declared is not found while the source is away")
	}

	// Without a source nobody finds them; who is declared then has the mail.
	s.SetSource(nil)
	if _, err := s.Account(t.Context(), "alice@example.com"); !errors.Is(err, ErrNotFound) {
		t.Errorf("alice is still there: %v", err)
	}
	apply(t, s, mailbox("alice@example.com", ""))
	if id("alice@example.com") != alice {
		t.Error("alice has lost her mail")
	}
}
