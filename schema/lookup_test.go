package schema

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestReadLookup(t *testing.T) {
	whole := Lookup{Owner: "main", URL: "ldap://127.0.0.1", StartTLS: true, BindDN: "cn=reader", BindPassword: "secret", UsersBase: "ou=people",
		UsersFilter: "(objectClass=inetOrgPerson)", UserAddress: "mail", UserMail: "mailformMail", AliasesBase: "ou=aliases",
		AliasesFilter: "(objectClass=mailformRoute)", AliasAddress: "mail", AliasMembers: "mailformMember"}
	tests := map[string]struct {
		name  string
		value cty.Value
		want  string // of the error; empty: there is none
	}{
		"as it is":                   {"owner", cty.StringVal("main"), ""},
		"a URL of another scheme":    {"url", cty.StringVal("http://127.0.0.1"), "url: "},
		"no URL":                     {"url", cty.StringVal(""), "url: "},
		"a value that is not known":  {"bind_dn", cty.UnknownVal(cty.String), "bind_dn: it has no value"},
		"a line break":               {"users_filter", cty.StringVal("(a=b)\nbind_dn = cn=other"), "users_filter: it holds a line break"},
		"no filter":                  {"users_filter", cty.StringVal(""), "users_filter: it is empty"},
		"no address":                 {"user_address", cty.StringVal(""), "user_address: it is empty"},
		"an attribute that is none":  {"alias_members", cty.StringVal("member, x"), "alias_members: "},
		"another that is none":       {"user_quota", cty.StringVal("quota=1)(x"), "user_quota: "},
		"a password that is refused": {"bind_password", cty.StringVal("hush\nhush"), "bind_password: it holds a line break"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			vals := whole.Attrs()
			vals[tt.name] = tt.value
			l, err := ReadLookup(KindByName(KindLookup).Object(vals))
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "hush")):
				t.Errorf("the error is %v", err)
			case tt.want == "":
				l.Server = LDAPServer{}
				if l != whole {
					t.Errorf("%+v", l)
				}
			}
		})
	}
	if got, want := whole.Users("(mail=%s)"), "(&(objectClass=inetOrgPerson)(mail=%s)(!(mailformMail=disabled)))"; got != want {
		t.Errorf("users are %s", got)
	}
}
