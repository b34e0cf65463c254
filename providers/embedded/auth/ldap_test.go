package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
)

// A directory says whether a password is right, at once when it has another one,
// and that it cannot be asked is no wrong password.
func TestADirectoryJudgesPasswords(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{TLS: true})
	s.Modify(t, "dn: cn=Alice Liddell,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Alice Liddell\nsn: x\nuserPassword: looking-glass\n")
	const entry = "/cn=Alice%20Liddell,ou=people,dc=example,dc=com"
	local := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for what, verifier := range map[string]string{
		"in clear text": "{LDAP}" + s.URL + entry,
		"with TLS":      "{LDAP}" + s.TLSURL + entry + "????x-ca-file=" + s.CAFile,
		"with STARTTLS": "{LDAP}" + local + entry + "????x-start-tls,x-ca-file=" + s.CAFile,
		"by a socket":   "{LDAP}" + s.SocketURL + entry,
	} {
		for password, want := range map[string]bool{"looking-glass": true, "Looking-glass": false, "": false} {
			if got, err := Verify([]string{verifier}, []byte(password)); err != nil || got != want {
				t.Errorf("%s, %q: %v, %v", what, password, got, err)
			}
		}
	}
	if ok, err := Verify([]string{"{LDAP}" + s.URL + "/cn=nobody,dc=example,dc=com"}, []byte("x")); ok || err != nil {
		t.Errorf("nobody: %v, %v", ok, err)
	}
	if ok, err := Verify([]string{"{LDAP}" + s.TLSURL + entry}, []byte("looking-glass")); ok || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a certificate that nobody vouches for: %v, %v", ok, err)
	}

	dir, clock := &fakeDirectory{}, &fakeClock{now: time.Unix(1e9, 0)}
	dir.set(store.Account{Address: "alice@example.com", IMAP: true, Mail: "enabled", PasswordHashes: []string{"{LDAP}" + s.URL + entry}})
	dir.set(store.Account{Address: "both@example.com", IMAP: true, Mail: "enabled", PasswordHashes: []string{"{LDAP}" + s.URL + entry, cheap}})
	a := New(dir, Options{Clock: clock})
	login := func(user, password string) error {
		_, err := a.Login(t.Context(), user+"@example.com", password, ServiceIMAP, nil)
		return err
	}
	for _, c := range []struct {
		user, password string
		want           error
	}{{"alice", "looking-glass", nil}, {"alice", "wrong", ErrInvalid}, {"alice", "", ErrInvalid}, {"both", "secret", nil}, {"both", "looking-glass", nil}, {"both", "wrong", ErrInvalid}} {
		if err := login(c.user, c.password); !errors.Is(err, c.want) {
			t.Errorf("%s with %q: %v", c.user, c.password, err)
		}
	}
	s.Modify(t, "dn: cn=Alice Liddell,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: userPassword\nuserPassword: white-queen\n")
	if err := login("alice", "white-queen"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	clock.now = clock.now.Add(ldapCacheTTL + time.Second)
	if err := login("alice", "looking-glass"); !errors.Is(err, ErrInvalid) {
		t.Errorf("the old password: %v", err)
	}
	s.Kill(t)
	if err := login("alice", "white-queen-2"); err == nil || errors.Is(err, ErrInvalid) {
		t.Errorf("without a directory: %v", err)
	}
	s.Start(t)
	if err := login("alice", "white-queen"); err != nil {
		t.Errorf("with one again: %v", err)
	}
}
