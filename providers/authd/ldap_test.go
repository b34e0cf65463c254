package authd_test

import (
	"testing"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
)

// A directory judges the password of a user, and authd which services it is for.
func TestADirectoryJudgesThePassword(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{})
	s.Modify(t, "dn: uid=dora,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nuid: dora\ncn: Dora\nsn: D\nuserPassword: secret\n")
	c := serve(t, authd.User{Address: "dora@example.com", Protocols: []string{"imap"}, Verifiers: []string{"{LDAP}" + s.URL + "/uid=dora,ou=people,dc=example,dc=com"}})
	for _, tt := range []struct {
		password, service string
		want              bool
	}{{"secret", "imap", true}, {"secret", "smtp", true}, {"secret", "pop", false}, {"Secret", "imap", false}, {"", "imap", false}} {
		got, err := authd.Ask(t.Context(), authd.Socket(c.Dir), "dora@example.com", tt.password, tt.service)
		if err != nil || got != tt.want {
			t.Errorf("%q at %s: %v, %v", tt.password, tt.service, got, err)
		}
	}
}

// Whom the file does not have a directory may, from the next question on.
func TestADirectoryHasTheRest(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{})
	s.Modify(t, "dn: uid=dora,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: mailformAccount\nuid: dora\ncn: Dora\nsn: D\nmail: dora@example.com\nmailformProtocol: imap\nuserPassword: secret\n")
	c := serve(t, authd.User{Address: "alice@example.com", Protocols: []string{"imap"}, Verifiers: []string{sha512}})
	asks := func(user, password, service string, want bool) {
		t.Helper()
		got, err := authd.Ask(t.Context(), authd.Socket(c.Dir), user+"@example.com", password, service)
		if err != nil || got != want {
			t.Errorf("%s at %s: %v, %v", user, service, got, err)
		}
	}
	asks("dora", "secret", "imap", false)
	l := schema.Lookup{Owner: "main", URL: s.URL, BindDN: ldaptest.ReaderDN, BindPassword: ldaptest.Password, UsersBase: ldaptest.People, UsersFilter: "(objectClass=inetOrgPerson)",
		UserAddress: "mail", UserProtocols: "mailformProtocol", UserMail: "mailformMail"}
	write := func(l *schema.Lookup) {
		t.Helper()
		_, was, err := c.Lookup(t.Context())
		if err == nil {
			err = c.WriteLookup(t.Context(), was, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(&l)
	if got, _, err := c.Lookup(t.Context()); err != nil || got == nil || got.BindPassword != ldaptest.Password {
		t.Errorf("it is read back as %v, %v", got, err)
	}
	asks("dora", "secret", "imap", true)
	asks("dora", "secret", "smtp", true)
	asks("dora", "secret", "pop", false)
	asks("dora", "Secret", "imap", false)
	asks("nosuch", "secret", "imap", false)
	asks("alice", "quickstart", "imap", true)
	write(nil)
	asks("dora", "secret", "imap", false)
	asks("alice", "quickstart", "imap", true)
}

func FuzzParseLookup(f *testing.F) {
	text, err := authd.FormatLookup(schema.Lookup{URL: "ldap://localhost", UsersBase: "dc=example", UsersFilter: "(mail=*)", UserAddress: "mail"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := authd.ParseLookup(text)
		if err != nil {
			return
		}
		again, err := authd.FormatLookup(l)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := authd.ParseLookup(again); err != nil || back != l {
			t.Errorf("%v comes back as %v, %v", l, back, err)
		}
	})
}
