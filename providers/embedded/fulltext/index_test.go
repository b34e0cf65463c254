package fulltext_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/fulltext"
)

// texts is a source in memory: the text of each body by its ID.
type texts map[int64]string

func (s texts) LastBody(context.Context) (last int64, err error) {
	for id := range s {
		last = max(last, id)
	}
	return last, nil
}

func (s texts) NewestBody(ctx context.Context) (int64, error) { return s.LastBody(ctx) }

func (s texts) BodiesAfter(_ context.Context, after int64, n int) (ids, sizes []int64, err error) {
	for id := range s {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(n, len(ids))]
	for _, id := range ids {
		sizes = append(sizes, int64(len(s[id])))
	}
	return ids, sizes, nil
}

// A text that ends with an ellipsis is only the beginning of one.
func (s texts) Text(_ context.Context, body int64) (string, bool, error) {
	return s[body], !strings.HasSuffix(s[body], "…"), nil
}

func open(t *testing.T, dir string, s texts) *fulltext.Index {
	t.Helper()
	x, err := fulltext.Open(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func catchUp(t *testing.T, x *fulltext.Index, s texts) {
	t.Helper()
	for {
		n, err := x.CatchUp(t.Context(), s, 2)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// may lists the bodies that may have a text.
func may(t *testing.T, x *fulltext.Index, s texts, needle string) string {
	t.Helper()
	f, err := x.Find(t.Context(), needle, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for id := range s {
		if f.May(id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

func TestFind(t *testing.T) {
	s := texts{
		1: "subject: lunch at noon\n", 2: "the quick brown fox", 5: `he said "no" and 'yes' -- to * AND (all)`,
		6: "grüße aus münchen", 7: "broken \xff\xc3 bytes", 9: "a long one…", 10: "",
	}
	x := open(t, t.TempDir(), s)
	catchUp(t, x, s)
	for needle, want := range map[string]string{
		"lunch":         "[1 9]",
		"unc":           "[1 9]",
		"noon\n":        "[1 9]",
		"quick brown":   "[2 9]",
		"brown quick":   "[9]",
		`"no"`:          "[5 9]",
		"'yes' -- to *": "[5 9]",
		"AND":           "[5 9]",
		"grüße":         "[6 9]",
		"ünch":          "[6 9]",
		" bytes":        "[7 9]",
		"nothing":       "[9]",
		strings.Repeat("the quick brown fox ", 20): "[9]",
	} {
		if got := may(t, x, s, needle); got != want {
			t.Errorf("%q: %s, want %s", needle, got, want)
		}
	}
	s[11] = "new since"
	if got := may(t, x, s, "lunch"); got != "[1 9 11]" {
		t.Errorf("what the index does not know yet is left out: %s", got)
	}
}

func TestUsable(t *testing.T) {
	for needle, want := range map[string]bool{"": false, "ab": false, "abc": true, "üöä": true, "ü€": false, "ab\xff": false, "ab\x00c": false} {
		if fulltext.Usable(needle) != want {
			t.Errorf("%q: %v", needle, !want)
		}
	}
}

func TestTogether(t *testing.T) {
	s := texts{1: "one and two", 2: "one", 3: "two"}
	x := open(t, t.TempDir(), s)
	catchUp(t, x, s)
	find := func(needle string) *fulltext.Found {
		f, err := x.Find(t.Context(), needle, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one, two := find("one"), find("two")
	for name, tt := range map[string]struct {
		found *fulltext.Found
		want  string
	}{
		"both":               {one.And(two), "[1]"},
		"either":             {one.Or(two), "[1 2 3]"},
		"one and everything": {one.And(nil), "[1 2]"},
		"everything and one": {(*fulltext.Found)(nil).And(one), "[1 2]"},
		"one or everything":  {one.Or(nil), "[1 2 3]"},
	} {
		var got []int64
		for id := int64(1); id <= 3; id++ {
			if tt.found.May(id) {
				got = append(got, id)
			}
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
}

func TestSweep(t *testing.T) {
	s := texts{1: "lunch", 2: "lunch", 3: "lunch"}
	x := open(t, t.TempDir(), s)
	catchUp(t, x, s)
	delete(s, 1)
	delete(s, 3)
	if err := x.Sweep(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	all := texts{1: "", 2: "", 3: ""}
	if got := may(t, x, all, "lunch"); got != "[2 3]" {
		t.Errorf("after the sweep: %s", got)
	}
	s[4] = "dinner"
	catchUp(t, x, s)
	if got := may(t, x, s, "dinner"); got != "[4]" {
		t.Errorf("it does not go on: %s", got)
	}
}

// An index of a store that has gone back in time knows bodies that there are not,
// or are others.
func TestOfAnotherStore(t *testing.T) {
	for name, tt := range map[string]struct {
		now  texts
		want string
	}{
		"the same":                {texts{1: "lunch", 2: "dinner"}, "[1]"},
		"the last is gone":        {texts{1: "lunch", 3: "breakfast"}, "[1 3]"},
		"it ends earlier":         {texts{1: "dinner"}, "[1]"},
		"the last is another one": {texts{1: "dinner", 2: "a cup of tea"}, "[1 2]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			was := texts{1: "lunch", 2: "dinner"}
			x, err := fulltext.Open(t.Context(), dir, was)
			if err != nil {
				t.Fatal(err)
			}
			catchUp(t, x, was)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			if got := may(t, open(t, dir, tt.now), tt.now, "lunch"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// An index that is none any more, or that of something else, is made anew.
func TestAnew(t *testing.T) {
	s := texts{1: "lunch"}
	for name, spoil := range map[string]func(t *testing.T, path string){
		"nothing has happened": func(*testing.T, string) {},
		"it is overwritten": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"it is empty": func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x, err := fulltext.Open(t.Context(), dir, s)
			if err != nil {
				t.Fatal(err)
			}
			catchUp(t, x, s)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, filepath.Join(dir, "search.db"))
			x = open(t, dir, s)
			catchUp(t, x, s)
			if got := may(t, x, s, "lunch"); got != "[1]" {
				t.Errorf("%s", got)
			}
			info, err := os.Stat(filepath.Join(dir, "search.db"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
}
