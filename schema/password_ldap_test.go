package schema

import (
	"strings"
	"testing"
)

func TestVerifiersThatNameADirectory(t *testing.T) {
	for text, want := range map[string]string{
		"{LDAP}ldaps://ldap.example.com/uid=alice,dc=example,dc=com":             "{LDAP}ldaps://ldap.example.com:636/uid=alice,dc=example,dc=com",
		"{LDAP}ldap://ldap.example.com/cn=Alice%20Liddell,dc=com????x-start-tls": "{LDAP}ldap://ldap.example.com:389/cn=Alice%20Liddell,dc=com????x-start-tls",
		"{LDAP}ldap://127.0.0.1:3890/uid=a":                                      "{LDAP}ldap://127.0.0.1:3890/uid=a",
		"{LDAP}ldap://[::1]/uid=a%3Fb":                                           "{LDAP}ldap://[::1]:389/uid=a%3Fb",
		"{LDAP}ldapi://%2Frun%2Fslapd%2Fldapi/uid=a":                             "{LDAP}ldapi://%2Frun%2Fslapd%2Fldapi/uid=a",
		"{LDAP}ldap://h.example/uid=a????x-start-tls,x-ca-file=/etc/ssl/ca.pem":  "{LDAP}ldap://h.example:389/uid=a????x-start-tls,x-ca-file=/etc/ssl/ca.pem",
		"{LDAP}ldaps://h.example/uid=a????x-ca-file=/etc/a%20b.pem":              "{LDAP}ldaps://h.example:636/uid=a????x-ca-file=/etc/a%20b.pem",
		"{LDAP}ldap://ldap.example.com/uid=alice,dc=example,dc=com":              "!clear text",
		"{LDAP}http://ldap.example.com/uid=alice":                                "!ldap://",
		"{LDAP}ldaps://ldap.example.com":                                         "!name of an entry",
		"{LDAP}ldaps://ldap.example.com/":                                        "!names no entry",
		"{LDAP}ldaps://ldap.example.com/uid=a b":                                 "!white space",
		"{LDAP}ldaps://ldap.example.com/dc=a??sub?(uid=a)":                       "!asks for attributes, or searches",
		"{LDAP}ldaps://ldap.example.com/dc=a????x-start-tls":                     "!extensions",
		"{LDAP}ldaps://ldap.example.com/dc=a????x-ca-file=ca.pem":                "!extensions",
		"{LDAP}ldaps://u:p@ldap.example.com/dc=a":                                "!no place there",
		"{LDAP}": "!LDAP URL",
		"$6$a$b": "!does not begin",
	} {
		v, err := ParseLDAPVerifier(text)
		if problem, ok := strings.CutPrefix(want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err != nil || v.String() != want {
			t.Errorf("%s: %q, %v", text, v, err)
		}
		if scheme, err := ParsePasswordHash(text); scheme != "ldap" || err != nil {
			t.Errorf("%s: %q, %v", text, scheme, err)
		}
	}
}

func FuzzLDAPVerifier(f *testing.F) {
	f.Add("{LDAP}ldap://[::1]:1/uid=a%3Fb????x-start-tls,x-ca-file=/a")
	f.Add("{LDAP}ldapi:///uid=a")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseLDAPVerifier(s)
		if err != nil {
			return
		}
		again, err := ParseLDAPVerifier(v.String())
		if err != nil || again != v {
			t.Errorf("%q is written as %q, and read as %+v, %v", s, v, again, err)
		}
	})
}
