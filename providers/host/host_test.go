package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/host"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names are what is in a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := host.Local().List(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

func TestSettled(t *testing.T) {
	eachHost(t, func(t *testing.T, h host.Host) {
		dir := t.TempDir()
		before := time.Now()
		if err := h.Write(t.Context(), host.File{Path: dir + "/settled", Settled: true}, host.File{Path: dir + "/fresh"}); err != nil {
			t.Fatal(err)
		}
		for name, latest := range map[string]time.Time{"settled": time.Now().Add(-2 * time.Second), "fresh": time.Now()} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if at := info.ModTime(); at.After(latest) || at.Before(before.Add(-5*time.Second)) {
				t.Errorf("%s is dated %s, written after %s", name, at, before)
			}
		}
	})
}

func TestWriteKeepsWhatIsNotItsOwn(t *testing.T) { eachHost(t, writeKeepsWhatIsNotItsOwn) }

func writeKeepsWhatIsNotItsOwn(t *testing.T, h host.Host) {
	dir := t.TempDir()
	a, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
	write(t, a, "one")
	if err := os.Chmod(a, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	files, err := h.Read(t.Context(), link, filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	if string(files[0].Content) != "one" || !files[0].Exists || files[1].Exists || files[1].Digest() != host.Absent {
		t.Fatalf("read %+v", files)
	}
	changed := files[0].With([]byte("two"))
	changed.Backup = true
	if err := h.Write(t.Context(), changed, files[1].With([]byte("new"))); err != nil {
		t.Fatal(err)
	}
	if got := content(t, a); got != "two" {
		t.Errorf("the file behind the link holds %q", got)
	}
	if to, err := os.Readlink(link); err != nil || to != "a" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if info, err := os.Stat(a); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the permissions are %v, %v", info.Mode(), err)
	}
	if got := names(t, dir); got != "a a.before-mailform link none" {
		t.Errorf("in the directory is %s", got)
	}
	// A second change leaves the first backup.
	files, err = h.Read(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	changed = files[0].With([]byte("three"))
	changed.Backup = true
	if err := h.Write(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if got := content(t, host.BackupOf(a)); got != "one" {
		t.Errorf("the backup holds %q", got)
	}
}

func TestWriteIsAllOrNothing(t *testing.T) { eachHost(t, writeIsAllOrNothing) }

func writeIsAllOrNothing(t *testing.T, h host.Host) {
	for name, spoil := range map[string]func(dir string) host.File{
		"a directory that is not there": func(dir string) host.File {
			return host.File{Path: filepath.Join(dir, "no", "b"), Content: []byte("x")}
		},
		"a file that somebody has changed": func(dir string) host.File {
			write(t, filepath.Join(dir, "b"), "theirs")
			return host.File{Path: filepath.Join(dir, "b"), Content: []byte("x"), Was: host.Absent}
		},
		"an owner that there is not": func(dir string) host.File {
			return host.File{Path: filepath.Join(dir, "c"), Content: []byte("x"), Owner: "nobody-at-all:nogroup"}
		},
		"a relative path": func(string) host.File { return host.File{Path: "b", Content: []byte("x")} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := filepath.Join(dir, "a")
			write(t, a, "one")
			bad := spoil(dir)
			before := names(t, dir)
			err := h.Write(t.Context(), host.File{Path: a, Content: []byte("two")}, bad)
			if err == nil || !strings.Contains(err.Error(), filepath.Base(bad.Path)) || strings.Contains(err.Error(), ".mailform-") {
				t.Errorf("the error is: %v", err)
			}
			if bad.Was != "" && !errors.Is(err, host.ErrChanged) {
				t.Errorf("the error is: %v", err)
			}
			if got := content(t, a); got != "one" {
				t.Errorf("the other file holds %q", got)
			}
			if got := names(t, dir); got != before {
				t.Errorf("in the directory is %s, was %s", got, before)
			}
		})
	}
}

func TestRun(t *testing.T) { eachHost(t, run) }

func run(t *testing.T, h host.Host) {
	out, err := h.Run(t.Context(), host.Command{Args: []string{"sh", "-c", "cat; echo $1 $A; echo oops >&2; exit 3", "sh", "a b;c"}, Stdin: []byte("in\n"), Env: []string{"A=1"}})
	if err != nil || string(out.Stdout) != "in\na b;c 1\n" || string(out.Stderr) != "oops\n" || out.Code != 3 {
		t.Errorf("%q, %q, %d, %v", out.Stdout, out.Stderr, out.Code, err)
	}
	if got := out.Err(host.Cmd("/bin/sh")); got == nil || got.Error() != "sh ended with exit status 3: oops" {
		t.Errorf("the error is: %v", got)
	}
	if _, err := h.Run(t.Context(), host.Cmd("no-such-program-at-all")); err == nil || !strings.Contains(err.Error(), "no-such-program-at-all") {
		t.Errorf("the error is: %v", err)
	}
	// What it has started ends with it when it is given up.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := h.Run(ctx, host.Cmd("sh", "-c", "sleep 300 & sleep 300; wait")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is: %v", err)
	}
	if took := time.Since(begun); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}

// A trial leaves what a server accepts, and puts back what it does not; one that
// was killed in between is gone on with.
func TestTrial(t *testing.T) { eachHost(t, trial) }

func trial(t *testing.T, h host.Host) {
	type world struct {
		dir      string
		accepted []string
		trial    *host.Trial
	}
	begin := func(t *testing.T) *world {
		w := &world{dir: t.TempDir()}
		write(t, filepath.Join(w.dir, "conf"), "good")
		w.trial = &host.Trial{Host: h, Note: filepath.Join(w.dir, "note"), Accept: func(context.Context) error {
			now := content(t, filepath.Join(w.dir, "conf"))
			if strings.HasPrefix(now, "bad") {
				return errors.New("line 1: " + now)
			}
			w.accepted = append(w.accepted, now)
			return nil
		}}
		return w
	}
	file := func(w *world, name, text string) host.File {
		return host.File{Path: filepath.Join(w.dir, name), Content: []byte(text)}
	}
	t.Run("accepted", func(t *testing.T) {
		w := begin(t)
		if err := w.trial.Run(t.Context(), file(w, "conf", "better"), file(w, "more", "x")); err != nil {
			t.Fatal(err)
		}
		if got := names(t, w.dir); got != "conf more" || len(w.accepted) != 1 || w.accepted[0] != "better" {
			t.Errorf("there is %s, accepted was %q", got, w.accepted)
		}
	})
	t.Run("refused", func(t *testing.T) {
		w := begin(t)
		err := w.trial.Run(t.Context(), file(w, "conf", "bad"), file(w, "more", "x"))
		if err == nil || err.Error() != "line 1: bad" {
			t.Errorf("the error is: %v", err)
		}
		if got := names(t, w.dir); got != "conf" || content(t, filepath.Join(w.dir, "conf")) != "good" || len(w.accepted) != 1 {
			t.Errorf("there is %s, accepted was %q", got, w.accepted)
		}
	})
	t.Run("changed by somebody else", func(t *testing.T) {
		w := begin(t)
		f := file(w, "conf", "better")
		f.Was = host.Absent
		if err := w.trial.Run(t.Context(), f); !errors.Is(err, host.ErrChanged) {
			t.Errorf("the error is: %v", err)
		}
		if got := names(t, w.dir); got != "conf" || len(w.accepted) != 0 {
			t.Errorf("there is %s, accepted was %q", got, w.accepted)
		}
	})
	for now, want := range map[string]string{"better": "better", "bad": "good"} {
		t.Run("killed with what is "+now, func(t *testing.T) {
			w := begin(t)
			killed := errors.New("killed")
			func() {
				defer func() { _ = recover() }()
				real := w.trial.Accept
				defer func() { w.trial.Accept = real }()
				w.trial.Accept = func(context.Context) error { panic(killed) }
				_ = w.trial.Run(t.Context(), file(w, "conf", now))
			}()
			if open, err := w.trial.Unfinished(t.Context()); err != nil || !open {
				t.Fatalf("unfinished: %v, %v", open, err)
			}
			if info, err := os.Stat(w.trial.Note); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the note: %v, %v", info.Mode(), err)
			}
			if err := w.trial.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := names(t, w.dir); got != "conf" || content(t, filepath.Join(w.dir, "conf")) != want || w.accepted[len(w.accepted)-1] != want {
				t.Errorf("there is %s, accepted was %q", got, w.accepted)
			}
		})
	}
}
