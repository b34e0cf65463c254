package schema

import (
	"strings"
	"testing"
	"time"
)

func TestParseAppPasswordName(t *testing.T) {
	for name, ok := range map[string]bool{
		"phone": true, "Alice's phone": true, "Téléphone": true, strings.Repeat("x", 64): true,
		"": false, "a/b": false, "a\nb": false, "a\x7f": false, "\xff": false, strings.Repeat("x", 65): false,
	} {
		if _, err := ParseAppPasswordName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	for s, want := range map[string]string{
		"2027-11-26T12:00:00Z":          "2027-11-26T12:00:00Z",
		"2027-11-26T12:00:00.5+02:00":   "2027-11-26T10:00:00Z",
		"2027-11-26":                    "2027-11-26T00:00:00Z",
		"":                              "",
		"tomorrow":                      "",
		"2027-02-30":                    "",
		"2027-11-26 12:00:00":           "",
		"1969-12-31T23:59:59Z":          "",
		"0000-01-01T00:00:00Z":          "",
		"9999-12-31T23:59:59-23:59":     "",
		"2027-11-26T12:00:00.123456+0Z": "",
	} {
		at, err := ParseTime(s)
		if got := at.Format(time.RFC3339); err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q: %s, %v; want %q", s, got, err, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2027-11-26T12:00:00Z", "2027-11-26", "9999-12-31T23:59:59-23:59", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s)
		if err != nil {
			return
		}
		if again, err := ParseTime(at.Format(time.RFC3339)); err != nil || !again.Equal(at) {
			t.Errorf("%q: %s comes back as %s, %v", s, at, again, err)
		}
	})
}
