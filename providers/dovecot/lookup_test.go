package dovecot

import (
	"testing"

	"github.com/mailform/mailform/schema"
)

// What would be a variable to Dovecot, or another setting, is a text to it, and is
// read back as it was.
func TestLookupTextsStay(t *testing.T) {
	for name, d := range map[string]*lookupDialect{"2.3": lookup23, "2.4": lookup24} {
		l := schema.Lookup{
			URL: "ldap://127.0.0.1", BindDN: "cn=100%,dc=example", BindPassword: `$SET:a%{user}%41 "#'\`, UsersBase: "ou=%{user},dc=%u", CAFile: "/etc/ca.pem",
			UsersFilter: "(cn=%{user})", UserAddress: "mail",
		}
		text := d.file(l)
		for attribute, v := range l.Attrs() {
			if d.keys[attribute] == "" {
				continue
			}
			if got := d.value(text, attribute); got != v.AsString() {
				t.Errorf("%s: %s is read back as %q of %s", name, attribute, got, text)
			}
		}
	}
}
