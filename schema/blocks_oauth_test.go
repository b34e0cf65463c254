package schema

import "testing"

func TestParseServiceURL(t *testing.T) {
	for s, ok := range map[string]bool{
		"https://login.example.com":             true,
		"https://login.example.com:8443/realm?": true,
		"http://127.0.0.1:8080/introspect":      true,
		"http://[::1]:8080/":                    true,
		"http://localhost/":                     true,
		"http://login.example.com":              false,
		"http://127.0.0.1.example.com/":         false,
		"ftp://127.0.0.1/":                      false,
		"https://user:secret@login.example.com": false,
		"https://login.example.com/#x":          false,
		"https://":                              false,
		"https:///path":                         false,
		"login.example.com":                     false,
		"":                                      false,
		"https://login.example.com:port":        false,
	} {
		if got, err := ParseServiceURL(s); (err == nil) != ok || ok && got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}
