package fulltext_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailform/mailform/providers/embedded/fulltext"
)

// An index lies where it was moved to with all that it knows; and one that was being
// moved when somebody was killed lies in one place.
func TestMoveTo(t *testing.T) {
	t.Parallel()
	s := texts{1: "lunch at noon", 2: "dinner"} // folded
	dir, vol := t.TempDir(), t.TempDir()
	one, two := filepath.Join(vol, "one/index"), filepath.Join(vol, "two")
	x, err := fulltext.Open(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, x, s)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	lies := func(at string) {
		t.Helper()
		if got, err := fulltext.Location(dir); got != at || err != nil {
			t.Errorf("it lies in %s, %v, want %s", got, err, at)
		}
		for _, place := range []string{dir, one, two} {
			info, err := os.Lstat(filepath.Join(place, "search.db"))
			if there := err == nil && info.Mode().IsRegular(); there != (place == at) {
				t.Errorf("when it lies in %s, %s has one: %v", at, place, there)
			}
		}
		size, err := fulltext.Size(dir)
		if err != nil || size == 0 {
			t.Errorf("it has %d bytes, %v", size, err)
		}
		if notes, _ := filepath.Glob(filepath.Join(dir, "moving*")); len(notes) > 0 {
			t.Errorf("left are %v", notes)
		}
		// Nothing has to be made anew.
		x, err := fulltext.Open(t.Context(), dir, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := may(t, x, s, "lunch"); got != "[1]" {
			t.Errorf("in %s it finds %s", at, got)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lies(dir)
	for _, to := range []string{one, two, dir, dir, one} {
		if err := fulltext.MoveTo(dir, to); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		lies(to)
	}

	// Killed before the name was turned, and after it.
	note := filepath.Join(dir, "moving-index.json")
	for turned, text := range map[bool]string{false: `{"From":"` + one + `","To":"` + two + `"}`, true: `{"From":"` + two + `","To":"` + one + `"}`} {
		if err := errors.Join(os.WriteFile(filepath.Join(two, "search.db"), []byte("half"), 0o600), os.WriteFile(note, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		x := open(t, dir, s)
		if got := may(t, x, s, "lunch"); got != "[1]" {
			t.Errorf("turned: %v: it finds %s", turned, got)
		}
		if _, err := os.Stat(filepath.Join(two, "search.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("turned: %v: what was copied is left: %v", turned, err)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.WriteFile(filepath.Join(two, "theirs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fulltext.MoveTo(dir, two); !errors.Is(err, fulltext.ErrForeign) {
		t.Errorf("to a directory of others: %v", err)
	}
	lies(one)
	// What is away is made anew where it was.
	if err := os.RemoveAll(filepath.Join(one, "search.db")); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir, s)
	catchUp(t, x, s)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	lies(one)
}
