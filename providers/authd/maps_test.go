package authd_test

import (
	"context"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
)

// What Sendmail asks about addresses of a directory is answered as the embedded server
// would treat their mail.
func TestMapsOfADirectory(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	user := func(name, more string) string {
		return "dn: uid=" + name + "," + ldaptest.People + "\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: mailformAccount\nuid: " + name + "\ncn: x\nsn: x\nmail: " + name + "@example.com\n" + more + "\n"
	}
	alias := func(address, members string) string {
		return "dn: cn=" + address + "," + ldaptest.Aliases + "\nchangetype: add\nobjectClass: mailformRoute\ncn: " + address + "\nmail: " + address + "\n" + members + "\n"
	}
	s.Modify(t, user("dora", "")+user("off", "mailformMail: disabled\n")+user("away", "mailformMail: forward\n")+user("both", "mailformMail: forward\n")+
		alias("away@example.com", "mailformMember: off@example.com\n")+
		alias("both@example.com", "mailformMember: off@example.com\nmailformKeepCopy: TRUE\n")+
		alias("sales@example.com", "mailformMember: dora@example.com\nmailformMember: off@example.com\nmailformMember: away@example.com\nmailformMember: partner@elsewhere.test\n")+
		alias("closed@example.com", "mailformMember: off@example.com\nmailformMember: away@example.com\n")+
		alias("round@example.com", "mailformMember: trip@example.com\n")+alias("trip@example.com", "mailformMember: round@example.com\n")+
		alias("@caught.example", "mailformMember: dora@example.com\n")+alias("@closed.example", "mailformMember: off@example.com\n"))
	c := serve(t, authd.User{Address: "alice@example.com", Verifiers: []string{sha512}})
	ask := func(name, key string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := authd.LookUp(ctx, authd.MapSocket(c.Dir), name, key)
		if err != nil {
			t.Errorf("%s %s: %v", name, key, err)
		}
		return got
	}
	if got := ask(authd.MapAddresses, "dora@example.com"); got != "NOTFOUND " {
		t.Errorf("without a directory dora is %q", got)
	}
	l := schema.Lookup{Owner: "main", URL: s.URL, BindDN: ldaptest.ReaderDN, BindPassword: ldaptest.Password, UsersBase: ldaptest.People, UsersFilter: "(objectClass=inetOrgPerson)",
		UserAddress: "mail", UserMail: "mailformMail", AliasesBase: ldaptest.Aliases, AliasesFilter: "(objectClass=mailformRoute)", AliasAddress: "mail", AliasMembers: "mailformMember", AliasKeepCopy: "mailformKeepCopy"}
	_, was, err := c.Lookup(t.Context())
	if err == nil {
		err = c.WriteLookup(t.Context(), was, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, name, key, want string }{
		{"a user", authd.MapAddresses, "Dora@Example.com", "OK dora@example.com"},
		{"nobody", authd.MapAddresses, "nosuch@example.com", "NOTFOUND "},
		{"a disabled user", authd.MapAddresses, "off@example.com", "OK REFUSED"},
		{"a forward to a disabled user", authd.MapAddresses, "away@example.com", "OK REFUSED"},
		{"a forward to one that keeps a copy", authd.MapAddresses, "both@example.com", "OK both@example.com"},
		{"where that goes", "Alias1", "both@example.com", "OK both+*@example.com"},
		{"the copy", authd.MapAddresses, "both+*@example.com", "OK both+*@example.com"},
		{"the copy of nobody", authd.MapAddresses, "nosuch+*@example.com", "NOTFOUND "},
		{"an alias", authd.MapAddresses, "sales@example.com", "OK sales@example.com"},
		{"where that goes, without who is disabled", "Alias1", "sales@example.com", "OK dora@example.com, partner@elsewhere.test"},
		{"a user has no alias", "Alias1", "dora@example.com", "NOTFOUND "},
		{"an alias of disabled users alone", authd.MapAddresses, "closed@example.com", "OK REFUSED"},
		{"a circle", authd.MapAddresses, "round@example.com", "OK REFUSED"},
		{"a catch-all", authd.MapAddresses, "@caught.example", "OK *@caught.example"},
		{"where that goes", "Alias0", "*@caught.example", "OK dora@example.com"},
		{"a catch-all to a disabled user", authd.MapAddresses, "@closed.example", "NOTFOUND "},
		{"a local name of the machine", "Alias0", "root", "NOTFOUND "},
		{"in his own name", authd.MapSenders, "dora@example.com,dora@example.com", "OK OK"},
		{"in that of an alias", authd.MapSenders, "sales@example.com,dora@example.com", "OK OK"},
		{"in that of another", authd.MapSenders, "both@example.com,dora@example.com", "NOTFOUND "},
		{"a disabled user", authd.MapSenders, "off@example.com,off@example.com", "NOTFOUND "},
		{"a map that there is not", "other", "dora@example.com", "TEMP the directory does not answer"},
	} {
		if got := ask(tt.name, tt.key); got != tt.want {
			t.Errorf("%s: %s %s is answered %q, want %q", tt.what, tt.name, tt.key, got, tt.want)
		}
	}
	s.End(t)
	if got := ask(authd.MapAddresses, "another@example.com"); got != "TEMP the directory does not answer" {
		t.Errorf("without an answer of the directory it is %q", got)
	}
}
