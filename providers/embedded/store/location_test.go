package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kept is a store with some mail, and what has to be found in it wherever it lies.
type kept struct {
	dir     string
	account int64
	was     string
}

func newKept(t *testing.T) *kept {
	k := &kept{dir: filepath.Join(t.TempDir(), "data")}
	s, err := Open(t.Context(), k.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	k.account = newAccount(t, s, "alice")
	for i := range 5 {
		if err := accept(t.Context(), s, []byte(strings.Repeat(fmt.Sprintf("line %d\n", i), 20000)), k.account); err != nil {
			t.Fatal(err)
		}
	}
	k.was = k.describe(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kept) describe(t *testing.T, s *Store) string {
	t.Helper()
	m := inboxOf(t, s, k.account)
	ms, _, err := s.Messages(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint("validity ", m.UIDValidity)
	for _, msg := range ms {
		body, err := s.ReadBody(t.Context(), msg.Body)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("; %d: %d, %.7s", msg.UID, len(body), body)
	}
	return text
}

// opens opens the store as a daemon does and expects all mail, and nothing left over
// in the places that it does not lie in.
func (k *kept) opens(t *testing.T, places ...string) {
	t.Helper()
	s, err := Open(t.Context(), k.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.describe(t, s); got != k.was {
		t.Errorf("it has %s, had %s", got, k.was)
	}
	if err := errors.Join(s.Intact(), s.Close()); err != nil {
		t.Error(err)
	}
	at, err := Location(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(places, k.dir) {
		entries, err := os.ReadDir(p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), databaseFile) && (p != at || e.Name() != databaseFile) && (p != k.dir || e.Type() != fs.ModeSymlink) || e.Name() == movingNote {
				t.Errorf("the store lies in %s, and %s has %s", at, p, e.Name())
			}
		}
	}
}

func (k *kept) moves(t *testing.T, to string) {
	t.Helper()
	if err := errors.Join(CopyTo(k.dir, to), MoveTo(t.Context(), k.dir, to)); err != nil {
		t.Fatal(err)
	}
	if at, err := Location(k.dir); err != nil || at != to {
		t.Errorf("it lies in %s, %v; want %s", at, err, to)
	}
}

func TestAStoreMoves(t *testing.T) {
	k := newKept(t)
	one, two := filepath.Join(t.TempDir(), "deep", "one"), t.TempDir()
	for _, to := range []string{one, two, two, k.dir, one} {
		k.moves(t, to)
		k.opens(t, one, two)
	}
}

// Several moves of a store that nobody opens in between leave nothing behind.
func TestAStoreMovesOnAndOn(t *testing.T) {
	k := newKept(t)
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, to := range []string{one, two, k.dir, two} {
		k.moves(t, to)
	}
	if err := CopyTo(k.dir, one); err != nil {
		t.Fatal(err)
	}
	k.moves(t, k.dir) // and not to where a copy is
	k.opens(t, one, two)
}

// A daemon that does not begin with the store in its new place gets it in the old one.
func TestAStoreMovesBack(t *testing.T) {
	k := newKept(t)
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, to := range []string{one, two} {
		was, err := Location(k.dir)
		if err != nil {
			t.Fatal(err)
		}
		k.moves(t, to)
		if back, err := MoveBack(k.dir); !back || err != nil {
			t.Fatalf("back: %v, %v", back, err)
		}
		if at, _ := Location(k.dir); at != was {
			t.Errorf("it lies in %s, want %s", at, was)
		}
		k.opens(t, one, two)
		k.moves(t, to)
		k.opens(t, one, two)
		if back, err := MoveBack(k.dir); back || err != nil {
			t.Errorf("back once it was opened: %v, %v", back, err)
		}
	}
}

func TestAStoreStaysWhereItIs(t *testing.T) {
	k := newKept(t)
	others := t.TempDir()
	if err := os.WriteFile(filepath.Join(others, "theirs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for why, to := range map[string]string{"the files of others": others, "a place below a file": filepath.Join(others, "theirs", "vol")} {
		if err := CopyTo(k.dir, to); err == nil {
			t.Errorf("%s: copied", why)
		}
		if err := MoveTo(t.Context(), k.dir, to); err == nil {
			t.Errorf("%s: moved", why)
		}
		if at, _ := Location(k.dir); at != k.dir {
			t.Errorf("%s: it lies in %s", why, at)
		}
		k.opens(t)
	}
	s := openStore(t, k.dir)
	if err := MoveTo(t.Context(), k.dir, t.TempDir()); !errors.Is(err, ErrLocked) {
		t.Errorf("moved while it is in use: %v", err)
	}
	if got := k.describe(t, s); got != k.was {
		t.Errorf("it has %s", got)
	}
}

// A volume that is not mounted is no store without mail.
func TestAStoreThatIsAway(t *testing.T) {
	k := newKept(t)
	vol := filepath.Join(t.TempDir(), "vol")
	k.moves(t, vol)
	k.opens(t, vol)
	if err := os.Rename(vol, vol+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(vol, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {ReadOnly: true}} {
		s, err := Open(t.Context(), k.dir, o)
		if !errors.Is(err, ErrAway) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is opened: %v, %v", s, err)
		}
	}
	if entries, err := os.ReadDir(vol); err != nil || len(entries) > 0 {
		t.Errorf("%v was made where nothing is, %v", entries, err)
	}
	if err := errors.Join(os.Remove(vol), os.Rename(vol+".away", vol)); err != nil {
		t.Fatal(err)
	}
	k.opens(t, vol)
}

// moveTraced moves a store in another process, to which the kernel does something at
// a call that it makes.
func (k *kept) moveTraced(t *testing.T, to, call, fault string) (string, error) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-o", "/dev/null", "true").Run()
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("strace: %v", err)
		}
		t.Skipf("SKIPPED: strace: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+call+":"+fault, os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+k.dir, moveVar+"="+to)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The kernel kills whoever moves a store before each of the calls by which he does.
func TestAMoveThatIsKilled(t *testing.T) {
	k := newKept(t)
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	killed := 0
	for _, to := range []string{one, two, k.dir} {
		for _, call := range []string{"mkdirat", "renameat", "linkat", "symlinkat", "unlinkat", "fsync", "pwrite64", "ftruncate"} {
			for when := 1; when <= 6; when++ {
				was, err := Location(k.dir)
				if err != nil {
					t.Fatal(err)
				}
				out, err := k.moveTraced(t, to, call, fmt.Sprintf("signal=KILL:when=%d", when))
				at, lerr := Location(k.dir)
				if lerr != nil || at != was && at != to {
					t.Fatalf("killed before %s %d on the way from %s to %s: it lies in %s, %v", call, when, was, to, at, lerr)
				}
				var ended *exec.ExitError
				if err != nil && (!errors.As(err, &ended) || ended.Exited()) {
					t.Fatalf("%s %d: %v: %s", call, when, err, out)
				}
				// What comes next is a daemon that starts, or the move once more.
				if when%2 == 0 {
					k.opens(t, one, two)
				}
				k.moves(t, to)
				k.opens(t, one, two)
				k.moves(t, was)
				k.opens(t, one, two)
				if err == nil {
					break // there is no such call any more
				}
				killed++
			}
		}
		k.moves(t, to)
		k.opens(t, one, two)
	}
	t.Logf("killed %d times", killed)
	if killed < 25 {
		t.Error("the test shows little")
	}
}

// The kernel says that the disk is full, or broken.
func TestAMoveToAVolumeThatIsFull(t *testing.T) {
	k := newKept(t)
	vol := filepath.Join(t.TempDir(), "vol")
	failed := 0
	for _, call := range []string{"mkdirat", "pwrite64", "fsync", "linkat", "symlinkat", "renameat"} {
		for when := 1; when <= 3; when++ {
			said, err := k.moveTraced(t, vol, call, fmt.Sprintf("error=ENOSPC:when=%d", when))
			if err != nil {
				failed++
				if !strings.Contains(said, "no space left on device") && !strings.Contains(said, "disk I/O error") && !strings.Contains(said, "full") {
					t.Errorf("%s %d: it says %q", call, when, said)
				}
			}
			at, lerr := Location(k.dir)
			if lerr != nil || err == nil && at != vol {
				t.Errorf("%s %d: it lies in %s, %v, after %v", call, when, at, lerr, err)
			}
			k.opens(t, vol)
			k.moves(t, k.dir)
			k.opens(t, vol)
		}
	}
	t.Logf("%d moves failed", failed)
	if failed < 8 {
		t.Error("the test shows little")
	}
}
