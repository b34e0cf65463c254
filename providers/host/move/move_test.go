package move_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
)

// tree is what lies in a directory: type, mode and content by path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(b)
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " " + to
		}
		out[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o640)); err != nil {
		t.Fatal(err)
	}
}

// must fails where one of a move's steps does.
func must(t *testing.T, steps ...func(context.Context) error) {
	t.Helper()
	for i, step := range steps {
		if err := step(t.Context()); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// What lies in a directory lies in another one as it was, whatever it is called and
// whatever was done to it between the copy ahead and the last one.
func TestMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "vol", "to")
	m := &move.Move{Host: host.Local(), Note: filepath.Join(dir, "moving.json")}
	odd := []string{"plain", "with blank", "with\nline break", "-rf", "*", `back\slash`, "'quoted\"", "ünïcode", ".hidden", "..two", "a/b/c/deep", "-T", "%n", `\101`}
	for i, name := range odd {
		write(t, filepath.Join(from, name), fmt.Sprint(i))
	}
	must(t, func(context.Context) error {
		return errors.Join(os.Symlink("/nowhere", filepath.Join(from, "link")), os.Mkdir(filepath.Join(from, "empty"), 0o711), os.Chmod(from, 0o710),
			os.Chmod(filepath.Join(from, "plain"), 0o4755))
	})
	begin := func(ctx context.Context) error { return m.Begin(ctx, from, to) }
	must(t, begin, m.Ahead)
	if n, err := m.Under(t.Context()); err != nil || n == nil || n.From != from || n.To != to {
		t.Fatalf("under way is %+v, %v", n, err)
	}

	// A file of the same size at the same time with another content; a directory that
	// takes another's name, with old files in it; a file that becomes a directory.
	old := time.Now().Add(-1000 * time.Hour).Truncate(time.Second)
	write(t, filepath.Join(from, "plain"), "X")
	write(t, filepath.Join(from, "box/1."), "the first of box")
	write(t, filepath.Join(from, "other/1."), "the first of othr")
	for _, f := range []string{"plain", "box/1.", "other/1."} {
		must(t, func(context.Context) error { return os.Chtimes(filepath.Join(from, f), old, old) })
	}
	must(t, m.Ahead, func(context.Context) error {
		return errors.Join(os.RemoveAll(filepath.Join(from, "box")), os.Rename(filepath.Join(from, "other"), filepath.Join(from, "box")),
			os.RemoveAll(filepath.Join(from, "*")), os.RemoveAll(filepath.Join(from, "a")), os.Remove(filepath.Join(from, "with blank")))
	})
	write(t, filepath.Join(from, "plain"), "Y")
	must(t, func(context.Context) error { return os.Chtimes(filepath.Join(from, "plain"), old, old) })
	write(t, filepath.Join(from, "with blank/below"), "it was a file")
	write(t, filepath.Join(from, "a"), "it was a directory")
	write(t, filepath.Join(to, "stray"), "of a copy before")

	must(t, begin, m.Copy)
	want := tree(t, from)
	if diff := cmp.Diff(want, tree(t, to)); diff != "" {
		t.Errorf("the copy is another one (-from +to):\n%s", diff)
	}
	must(t, func(ctx context.Context) error { return m.End(ctx, to) })
	if diff := cmp.Diff(want, tree(t, to)); diff != "" {
		t.Errorf("in the end (-from +to):\n%s", diff)
	}
	if left := tree(t, from); len(left) != 1 {
		t.Errorf("in the old place there is %v", left)
	}
	if n, err := m.Under(t.Context()); err != nil || n != nil {
		t.Errorf("after the end there is under way %+v, %v", n, err)
	}
}

// Where the server stays where it was, the copy goes.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to, third := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "third")
	m := &move.Move{Host: host.Local(), Note: filepath.Join(dir, "moving.json")}
	write(t, filepath.Join(from, "one"), "1")
	write(t, filepath.Join(to, "lost+found/inode"), "of the volume")
	want := tree(t, from)
	must(t, func(ctx context.Context) error { return m.Begin(ctx, from, to) }, m.Copy,
		func(ctx context.Context) error { return m.Begin(ctx, from, third) }, m.Copy, func(ctx context.Context) error { return m.End(ctx, from) })
	if diff := cmp.Diff(want, tree(t, from)); diff != "" {
		t.Errorf("what was to be moved is another one:\n%s", diff)
	}
	if has := tree(t, to); len(has) != 3 || has["lost+found/inode"] == "" {
		t.Errorf("the first place has %v", has)
	}
	if has := tree(t, third); len(has) != 1 {
		t.Errorf("the second place has %v", has)
	}
}

func TestWhereItCannotLie(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	write(t, filepath.Join(from, "one"), "1")
	write(t, filepath.Join(dir, "taken/theirs"), "")
	write(t, filepath.Join(dir, "hidden/..theirs"), "")
	write(t, filepath.Join(dir, "file"), "")
	m := &move.Move{Host: host.Local(), Note: filepath.Join(dir, "moving.json")}
	for to, want := range map[string]string{
		from + "/below": "lies in the other", dir: "lies in the other", from: "lies in the other",
		dir + "/taken": "taken/theirs", dir + "/hidden": "..theirs", dir + "/file": "there is " + dir + "/file",
	} {
		if err := m.Begin(t.Context(), from, to); err == nil || !strings.HasPrefix(err.Error(), "path: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %q", to, err, want)
		}
	}
	if n, err := m.Under(t.Context()); n != nil || err != nil {
		t.Errorf("under way is %+v, %v", n, err)
	}
	if err := m.Copy(t.Context()); err == nil {
		t.Error("what was not begun is copied")
	}
}

// A program that a killed mailform has left is waited for.
func TestOnlyOneCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	m := &move.Move{Host: host.Local(), Note: filepath.Join(dir, "moving.json")}
	write(t, filepath.Join(from, "one"), "1")
	must(t, func(ctx context.Context) error { return m.Begin(ctx, from, to) })
	release := filepath.Join(dir, "release")
	left := make(chan error, 1)
	go func() {
		_, err := host.Must(t.Context(), host.Local(), host.Cmd("sh", "-c",
			`exec 9>>"$0"; flock 9; touch "$1.holds"; while [ ! -e "$1" ]; do sleep 0.02; done; touch "$1.ended"`, m.Note+".lock", release))
		left <- err
	}()
	for !there(release + ".holds") {
		time.Sleep(5 * time.Millisecond)
	}
	copied := make(chan error, 1)
	go func() { copied <- m.Copy(t.Context()) }()
	select {
	case err := <-copied:
		t.Errorf("it has copied meanwhile: %v", err)
		copied <- err
	case <-time.After(300 * time.Millisecond):
	}
	write(t, release, "")
	if err := errors.Join(<-copied, <-left); err != nil {
		t.Error(err)
	}
	if !there(filepath.Join(to, "one")) {
		t.Error("nothing was copied")
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
