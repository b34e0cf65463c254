package authd_test

import (
	"testing"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
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
