package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/store"
)

// sampled is a directory that lets others see what verifiers there are.
type sampled struct {
	*fakeDirectory
	hashes [][]string
}

func (d sampled) Sample(_ context.Context, n uint64) ([]string, error) {
	if len(d.hashes) == 0 {
		return nil, nil
	}
	return slices.Clone(d.hashes[n%uint64(len(d.hashes))]), nil
}

// How long an answer takes must not tell who exists: for nobody the work is that of
// somebody's verifiers, whatever scheme and cost they are of.
func TestAWrongPasswordIsAsMuchWorkForNobody(t *testing.T) {
	for name, hash := range map[string]string{
		"bcrypt":       bcryptSecret,
		"salted SHA-1": "{SSHA}POhbgPg+VmGqnWs/Nxsti6GQi6kMDcYe",
		"SCRAM":        scramSecret,
		"argon2id":     cheap,
	} {
		t.Run(name, func(t *testing.T) {
			_, dir, clock := newFixture(t, Options{})
			dir.set(store.Account{Address: "alice@example.com", PasswordHashes: []string{hash}, IMAP: true, Mail: "enabled"})
			dir.set(store.Account{Address: "nopassword@example.com", IMAP: true, Mail: "enabled"})
			a := New(sampled{dir, [][]string{{hash}}}, Options{Clock: clock})
			var work [][]string
			a.check = func(hashes []string, password []byte) (bool, error) {
				work = append(work, hashes)
				return false, nil
			}
			for _, user := range []string{"alice@example.com", "nobody@example.com", "nopassword@example.com"} {
				if _, err := a.Login(t.Context(), user, "wrong", "imap", loopback); !errors.Is(err, ErrInvalid) {
					t.Fatal(err)
				}
			}
			for i, w := range work {
				if !slices.Equal(w, []string{hash}) {
					t.Errorf("login %d: compared with %d verifiers, not with the one of that scheme", i, len(w))
				}
			}
			if len(work) != 3 {
				t.Errorf("%d of 3 wrong logins were any work", len(work))
			}
		})
	}
}

func TestNobodyGetsInByTheVerifierOfSomebody(t *testing.T) {
	_, dir, clock := newFixture(t, Options{})
	dir.set(store.Account{Address: "nopassword@example.com", IMAP: true, Mail: "enabled"})
	a := New(sampled{dir, [][]string{{cheap}, {"{LDAP}ldap://127.0.0.1:1/uid=alice"}}}, Options{Clock: clock})
	for i := range 20 {
		for _, user := range []string{fmt.Sprintf("nobody%d@example.com", i), "nopassword@example.com"} {
			if _, err := a.Login(t.Context(), user, "secret", "imap", loopback); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v", user, err)
			}
		}
	}
	if got := a.somebodys(t.Context(), "NOBODY@example.com"); !slices.Equal(got, a.somebodys(t.Context(), "nobody@example.com")) {
		t.Error("what is somebody's work for an address changes with its letter case")
	}
	if slices.ContainsFunc(a.somebodys(t.Context(), "x"), func(h string) bool { return strings.HasPrefix(h, "{LDAP}") }) {
		t.Error("a directory would be asked for nobody")
	}
}
