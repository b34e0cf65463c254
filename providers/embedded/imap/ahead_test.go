package imap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Small messages are read many at a time, large ones piece by piece; whoever asks
// sees no difference.
func TestFetchManyBodies(t *testing.T) {
	w := newWorld(t)
	text := make([]string, 0, 120)
	for i := range cap(text) {
		m := mail(fmt.Sprintf("number %d", i))
		switch i % 40 {
		case 10:
			m += strings.Repeat("x", 128<<10-len(m)) // just one piece
		case 11:
			m += strings.Repeat("x", 128<<10-len(m)+1) // two
		case 12:
			m += strings.Repeat("y", 300<<10)
		}
		text = append(text, m)
	}
	w.deliver("INBOX", text...)
	c, other := w.login("alice"), w.login("alice")
	c.ok("SELECT INBOX")
	fetched := func(numbers ...int) (lines []string) {
		for _, n := range numbers {
			lines = append(lines, fmt.Sprintf("* %d FETCH (BODY[] {%d}\r\n%s)", n, len(text[n-1]), text[n-1]))
		}
		return lines
	}
	all := make([]int, len(text))
	for i := range all {
		all[i] = i + 1
	}
	for name, test := range map[string]struct {
		set     string
		numbers []int
	}{
		"all":            {"1:*", all},
		"one":            {"7", all[6:7]},
		"with gaps":      {"3:5,9,11:13,120", []int{3, 4, 5, 9, 11, 12, 13, 120}},
		"large at first": {"12:20", all[11:20]},
		"large at last":  {"8:13", all[7:13]},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(fetched(test.numbers...), c.ok("FETCH "+test.set+" BODY.PEEK[]")); diff != "" {
				t.Error(diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"* 2 FETCH (BODY[]<3> {5}\r\n" + text[1][3:8] + ")", "* 3 FETCH (BODY[]<3> {5}\r\n" + text[2][3:8] + ")"},
		c.ok("FETCH 2:3 BODY.PEEK[]<3.5>")); diff != "" {
		t.Error(diff)
	}

	other.ok("SELECT INBOX")
	other.ok(`STORE 2,11:12 +FLAGS.SILENT (\Deleted)`)
	other.ok("EXPUNGE")
	got := c.do("FETCH 1:14 BODY.PEEK[]")
	want := append(fetched(1, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14), got[len(got)-1])
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got[len(got)-1], "OK [EXPUNGEISSUED]") {
		t.Errorf("messages that are gone: %s\n%s", diff, got[len(got)-1])
	}
}
