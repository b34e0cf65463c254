package move_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
)

// Some files are moved away from beside others, on, and back, whatever they are called;
// the others stay as they are.
func TestPart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base, one, two := filepath.Join(dir, "base"), filepath.Join(dir, "vol/one"), filepath.Join(dir, "two")
	p := &move.Part{
		Move: move.Move{Host: host.Local(), Note: filepath.Join(dir, "moving.json")}, Base: base,
		Within: "-name cur", Names: "-name 'index*'", Out: `s,^\([^/]*\)/\(index[^/]*\)$,\1/top/\2,`, Back: `s,^\([^/]*\)/top/\([^/]*\)$,\1/\2,`,
	}
	boxes := []string{".plain", ".with blank", ".with\nline break", ".*", `.back\slash`, ".'quoted\"", ".ünïcode", ".-T", ".%n", ".a/b/c"}
	for _, box := range boxes {
		write(t, filepath.Join(base, "alice", box, "index.log"), "of "+box)
		write(t, filepath.Join(base, "alice", box, "cur/index.1"), "a message of "+box)
	}
	write(t, filepath.Join(base, "alice/index"), "of the top")
	write(t, filepath.Join(base, "alice/other"), "of nobody here")
	before := tree(t, base)
	run := func(from, to string) {
		t.Helper()
		begin := func() error { return p.Begin(t.Context(), from, to) }
		if err := begin(); err != nil {
			t.Fatal(err)
		}
		must(t, p.Ahead, p.Still, p.Copy)
		if err := begin(); err != nil { // one that was cut off is begun anew, or goes on
			t.Fatal(err)
		}
		must(t, p.Ahead, p.Still, p.Copy)
		if err := p.End(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
	moved := func(at string) {
		t.Helper()
		there := tree(t, at)
		for _, box := range boxes {
			if got := there[filepath.Join("alice", box, "index.log")]; !strings.HasSuffix(got, "of "+box) {
				t.Errorf("in %s, %q has %q", at, box, got)
			}
			if _, left := there[filepath.Join("alice", box, "cur/index.1")]; left {
				t.Errorf("a message of %q was moved", box)
			}
		}
		if got := there["alice/top/index"]; !strings.HasSuffix(got, "of the top") {
			t.Errorf("the one at the top is %q", got)
		}
		for name := range tree(t, base) {
			if strings.HasPrefix(filepath.Base(name), "index") && !strings.Contains(name, "/cur/") {
				t.Errorf("%s is left", name)
			}
		}
	}
	write(t, filepath.Join(one, "lost+found/x"), "")
	write(t, filepath.Join(two, "theirs"), "")
	if err := p.Begin(t.Context(), base, two); err == nil || !strings.Contains(err.Error(), "two/theirs") {
		t.Errorf("to a directory of others: %v", err)
	}
	if err := p.Begin(t.Context(), base, filepath.Join(base, "below")); err == nil || !strings.Contains(err.Error(), "lies in the other") {
		t.Errorf("to a directory within: %v", err)
	}
	if err := os.Remove(filepath.Join(two, "theirs")); err != nil {
		t.Fatal(err)
	}
	run(base, one)
	moved(one)
	run(one, two)
	moved(two)
	// Of a box that is no more there is nothing to bring back.
	write(t, filepath.Join(two, "alice/.gone/index.log"), "of nothing")
	if size, free, err := p.Room(t.Context(), two, base); err != nil || size == 0 || free == 0 {
		t.Errorf("room: %d, %d, %v", size, free, err)
	}
	run(two, base)
	if diff := cmp.Diff(before, tree(t, base)); diff != "" {
		t.Errorf("back again it is another (-want +got):\n%s", diff)
	}
	if size, _, err := p.Room(t.Context(), base, one); err != nil || size == 0 || size > 1000 {
		t.Errorf("what is to be moved is %d bytes, %v", size, err)
	}
	// Not begun, or turned back: it stays where it is.
	if err := p.Begin(t.Context(), base, one); err != nil {
		t.Fatal(err)
	}
	must(t, p.Copy)
	if err := p.End(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t, base)); diff != "" || len(tree(t, one)) > 3 {
		t.Errorf("taken back it is another (-want +got):\n%s\n%v", diff, tree(t, one))
	}
}
