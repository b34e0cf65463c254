package dovecot

import (
	"strings"
	"testing"
)

func TestIncluded(t *testing.T) {
	const ours = comment + "\n" + include + "\n"
	for name, tt := range map[string]struct {
		text, want string
		wanted     bool
	}{
		"it is put at the end":         {"a = b\n", "a = b\n" + ours, true},
		"behind a line without an end": {"a = b", "a = b\n" + ours, true},
		"alone":                        {"", ours, true},
		"it stays, with comments of others below it": {"a = b\n" + ours + "\n# c\n", "a = b\n" + ours + "\n# c\n", true},
		"it is moved below what others have written": {"a = b\n" + ours + "c = d\n", "a = b\nc = d\n" + ours, true},
		"without a comment":                          {include + "\na = b\n", "a = b\n" + ours, true},
		"it is taken away":                           {"a = b\n" + ours + "c = d", "a = b\nc = d", false},
		"it never was there":                         {"a = b", "a = b", false},
	} {
		got, changed := included([]byte(tt.text), tt.wanted)
		if string(got) != tt.want || changed != (tt.text != tt.want) {
			t.Errorf("%s: %q, %v", name, got, changed)
		}
		if again, changed := included(got, tt.wanted); changed || string(again) != tt.want {
			t.Errorf("%s: the second time it is %q, %v", name, again, changed)
		}
	}
}

// Dovecot looks for some names in another form than they have.
func FuzzEscaped(f *testing.F) {
	f.Add("o'neil@example.com")
	f.Fuzz(func(t *testing.T, name string) {
		if !strings.Contains(name, `\`) && plain(escaped(name)) != name {
			t.Errorf("%q comes back as %q", name, plain(escaped(name)))
		}
	})
}
