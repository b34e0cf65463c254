package schema

import (
	"strings"
	"testing"
)

func TestParseTimeZone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"a city":                      {"Europe/Berlin", ""},
		"a city of two words":         {"America/New_York", ""},
		"the one without summer time": {"UTC", ""},
		"nothing":                     {"", "it is empty"},
		"the machine's, which is another one elsewhere": {"Local", "there is no time zone of this name in the IANA database"},
		"small letters":                 {"europe/berlin", `Did you mean "Europe/Berlin"?`},
		"a blank between":               {"America/New York", `Did you mean "America/New_York"?`},
		"an abbreviation, small":        {"utc", `Did you mean "UTC"?`},
		"an offset":                     {"+0100", "there is no time zone of this name in the IANA database"},
		"a city that is not there":      {"Europe/Bonn", "there is no time zone of this name in the IANA database"},
		"a file elsewhere":              {"../../etc/passwd", "there is no time zone of this name in the IANA database"},
		"a file by its path":            {"/etc/localtime", "there is no time zone of this name in the IANA database"},
		"a directory":                   {"Europe", "there is no time zone of this name in the IANA database"},
		"something else the system has": {"tzdata.zi", "there is no time zone of this name in the IANA database"},
	} {
		zone, err := ParseTimeZone(c.text)
		switch {
		case c.says == "" && (err != nil || zone.String() != c.text):
			t.Errorf("%s: %q is %v, %v", name, c.text, zone, err)
		case c.says != "" && (err == nil || !strings.HasSuffix(err.Error(), c.says)):
			t.Errorf("%s: %q: %v; want it to end with %q", name, c.text, err, c.says)
		}
	}
}

// FuzzParseTimeZone: what is refused comes with a reason, and what it proposes is one.
func FuzzParseTimeZone(f *testing.F) {
	for _, s := range []string{"Europe/Berlin", "europe/berlin", "utc", "Local", "../x", "a\x00b", "\\etc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		zone, err := ParseTimeZone(s)
		if (zone == nil) == (err == nil) || err == nil && zone.String() != s {
			t.Fatalf("%q: %v, %v", s, zone, err)
		}
		if err == nil {
			return
		}
		if _, meant, ok := strings.Cut(err.Error(), `Did you mean "`); ok {
			if _, err := ParseTimeZone(strings.TrimSuffix(meant, `"?`)); err != nil {
				t.Fatalf("%q: %q is proposed: %v", s, meant, err)
			}
		}
	})
}
