package smtp

import (
	"strings"
	"testing"
)

func TestAddressesAreNormalised(t *testing.T) {
	for name, tt := range map[string]struct{ in, key, path string }{
		"letter case is kept in the local part": {"Alice@Example.COM", "alice@example.com", "Alice@example.com"},
		"a U-label becomes an A-label":          {"a@Bücher.example", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		"a decomposed local part is composed":   {"u\u0308@x.example", "\u00fc@x.example", "\u00fc@x.example"},
		"a trailing dot goes":                   {"a@x.example.", "a@x.example", "a@x.example"},
		"a space needs quotes":                  {"a b@x.example", `"a b"@x.example`, `"a b"@x.example`},
		"an at sign needs quotes":               {"b@other@x.example", `"b@other"@x.example`, `"b@other"@x.example`},
		"quotes are escaped":                    {`a"\@x.example`, `"a\"\\"@x.example`, `"a\"\\"@x.example`},
		"a literal keeps its brackets":          {"a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := parseAddress(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if a.key() != tt.key || a.path() != tt.path {
				t.Errorf("key %s, path %s; want %s, %s", a.key(), a.path(), tt.key, tt.path)
			}
		})
	}
	for _, bad := range []string{
		"", "@", "a", "@x.example", "a@", "a@.", "a@x..y", "a@-\x00", "a\nb@x.example", "a@x y", "a@[1.2.3.4",
		"a@[1\n]", "\xff@x.example", "a@" + strings.Repeat("x", 64), strings.Repeat("x", 600) + "@x.example", "a@x_\u00fc\u2028.example",
	} {
		if a, err := parseAddress(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, a)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("a@x.example")
	f.Add("\"@[@")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			return
		}
		if p := a.path(); strings.ContainsAny(p, "\r\n\x00") {
			t.Errorf("%q has path %q", s, p)
		}
	})
}
