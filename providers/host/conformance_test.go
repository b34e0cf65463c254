package host_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"golang.org/x/sys/unix"
)

// eachHost runs a test on every sort of host: they differ in nothing that a
// provider could tell.
func eachHost(t *testing.T, test func(t *testing.T, h host.Host)) {
	t.Run("this machine", func(t *testing.T) { test(t, host.Local()) })
	t.Run("with busybox", func(t *testing.T) { // and nothing of coreutils
		need(t, "busybox")
		test(t, host.NewShell("env", "PATH="+applets(t), "busybox", "sh", "-c"))
	})
	t.Run("with bash as sh", func(t *testing.T) {
		bash, err := exec.LookPath("bash")
		dir := t.TempDir()
		if err := errors.Join(err, os.Symlink(bash, filepath.Join(dir, "sh"))); err != nil {
			t.Fatal(err)
		}
		test(t, host.NewShell("env", "PATH="+dir+":"+os.Getenv("PATH"), "sh", "-c"))
	})
	t.Run("by SSH", func(t *testing.T) { test(t, open(t, hosttest.SSHD(t), nil)) })
}

// need skips a test whose program is not there; in CI it has to be.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not there; .ci/peers installs it", program)
		}
		t.Skipf("%s is not there; .ci/peers installs it", program)
	}
}

// applets is a directory with all that busybox can do.
func applets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(path, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// oddNames are names that a careless script stumbles over.
var oddNames = []string{"plain", "with space", "it's", `"quoted"`, "-rf", "$HOME", "`id`", "$(id)", "a;b", "a&b", "a|b", "*", "?[a]", "~", "\\n", "new\nline",
	"end\n", "tab\t", "ünï", "\x81\x82\x88", "\xff\xfe", "#x", "!!", "%s%n", "=", ".hidden", "..x", " lead", "a\rb"}

func TestOddNames(t *testing.T) {
	eachHost(t, func(t *testing.T, h host.Host) {
		dir := t.TempDir()
		var files []host.File
		var paths []string
		var dirs []host.Dir
		for _, name := range oddNames {
			path := filepath.Join(dir, "in "+name, name)
			dirs = append(dirs, host.Dir{Path: filepath.Dir(path), Mode: 0o750})
			paths = append(paths, path)
			files = append(files, host.File{Path: path, Content: []byte("content of " + name), Mode: 0o640, Backup: true})
		}
		if err := h.Mkdir(t.Context(), dirs...); err != nil {
			t.Fatal(err)
		}
		for range 2 { // made, and written over
			if err := h.Write(t.Context(), files...); err != nil {
				t.Fatal(err)
			}
			for i, path := range paths {
				if got := content(t, path); got != string(files[i].Content) {
					t.Errorf("%q holds %q", path, got)
				}
			}
			read, err := h.Read(t.Context(), paths...)
			if err != nil {
				t.Fatal(err)
			}
			for i := range read {
				if read[i].Path != paths[i] || !read[i].Exists || read[i].Mode != 0o640 || !bytes.Equal(read[i].Content, files[i].Content) {
					t.Errorf("%q is read as %+v", paths[i], read[i])
				}
			}
		}
		for i, name := range oddNames {
			entries, err := h.List(t.Context(), filepath.Dir(paths[i]))
			if err != nil || len(entries) != 2 || entries[0].Name != name || entries[1].Name != name+".before-mailform" || entries[0].Size != int64(len(files[i].Content)) || entries[0].Mode != 0o640 {
				t.Errorf("in %q there is %+v, %v", filepath.Dir(paths[i]), entries, err)
			}
		}
		want, _ := host.Local().List(t.Context(), dir)
		if got, err := h.List(t.Context(), dir); err != nil || !cmp.Equal(entryNames(got), entryNames(want)) {
			t.Errorf("listed is %q, %v", entryNames(got), err)
		}
		if err := h.Remove(t.Context(), paths...); err != nil {
			t.Fatal(err)
		}
		if err := h.Remove(t.Context(), paths...); err != nil {
			t.Errorf("once more: %v", err)
		}
		if read, err := h.Read(t.Context(), paths...); err != nil || read[0].Exists {
			t.Errorf("what was removed is read as %+v, %v", read[0], err)
		}
	})
}

func entryNames(list []host.Entry) (names []string) {
	for _, e := range list {
		names = append(names, e.Mode.String()+" "+e.Name)
	}
	return names
}

func TestArguments(t *testing.T) {
	eachHost(t, arguments)
	for _, shell := range []string{"zsh", "fish", "bash"} {
		t.Run("with the login shell "+shell, func(t *testing.T) {
			need(t, shell)
			arguments(t, host.NewShell(shell, "-c"))
		})
	}
}

func arguments(t *testing.T, h host.Host) {
	args := append([]string{"printf", "%s\\0"}, oddNames...)
	args = append(args, "", strings.Repeat("long ", 20000))
	out, err := h.Run(t.Context(), host.Cmd(args...))
	if err != nil || string(out.Stdout) != strings.Join(args[2:], "\x00")+"\x00" {
		t.Errorf("%.2000q, %v", out.Stdout, err)
	}
	dir := filepath.Join(t.TempDir(), "-a 'b'")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err = h.Run(t.Context(), host.Command{Args: []string{"sh", "-c", `pwd; printf %s "$X"`}, Dir: dir, Env: []string{"X=a'b\n$c"}})
	if err != nil || string(out.Stdout) != dir+"\na'b\n$c" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
	// Input is handed on as it is, whatever it is.
	in := every(3 << 20)
	out, err = h.Run(t.Context(), host.Command{Args: []string{"cat"}, Stdin: in})
	if err != nil || !bytes.Equal(out.Stdout, in) {
		t.Errorf("%d bytes of %d, %v", len(out.Stdout), len(in), err)
	}
	// A program need not read its input, and may leave a daemon behind.
	begun := time.Now()
	out, err = h.Run(t.Context(), host.Command{Args: []string{"sh", "-c", "sleep 300 & echo $!; exit 4"}, Stdin: in})
	if err != nil || out.Code != 4 || time.Since(begun) > 2*time.Minute {
		t.Errorf("%+v, %v after %s", out, err, time.Since(begun))
	}
	_ = exec.Command("kill", strings.TrimSpace(string(out.Stdout))).Run()
	if _, err := h.Run(t.Context(), host.Command{Args: []string{"true"}, Dir: "/no/such"}); err == nil || !strings.Contains(err.Error(), "/no/such") {
		t.Errorf("the error is: %v", err)
	}
}

// every is each byte, many times.
func every(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestContentIsKeptAsItIs(t *testing.T) {
	eachHost(t, func(t *testing.T, h host.Host) {
		dir := t.TempDir()
		var files []host.File
		for i, n := range []int{0, 1, 65535, 65536, 65537, 5 << 20} {
			files = append(files, host.File{Path: filepath.Join(dir, string(rune('a'+i))), Content: every(n), Mode: 0o600})
		}
		if err := h.Write(t.Context(), files...); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			read, err := h.Read(t.Context(), f.Path)
			if err != nil || !bytes.Equal(read[0].Content, f.Content) || content(t, f.Path) != string(f.Content) {
				t.Errorf("%s: %d bytes, %v", f.Path, len(read[0].Content), err)
			}
		}
	})
}

func TestWhatIsNoFile(t *testing.T) {
	eachHost(t, func(t *testing.T, h host.Host) {
		dir := t.TempDir()
		pipe, deep := filepath.Join(dir, "pipe"), filepath.Join(dir, "plain", "deeper")
		if err := unix.Mkfifo(pipe, 0o644); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "plain"), "x")
		for path, want := range map[string]string{dir: "not a file", pipe: "not a file", deep: "not a directory"} {
			if _, err := h.Read(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
				t.Errorf("the error of reading %s is: %v", path, err)
			}
			if err := h.Write(t.Context(), host.File{Path: path, Content: []byte("x")}); path != pipe && (err == nil || !strings.Contains(err.Error(), path)) {
				t.Errorf("the error of writing %s is: %v", path, err)
			}
		}
		if list, err := h.List(t.Context(), filepath.Join(dir, "none")); err != nil || list != nil {
			t.Errorf("in a directory that is not there is %v, %v", list, err)
		}
		if _, err := h.List(t.Context(), filepath.Join(dir, "plain")); err == nil {
			t.Error("a file is listed")
		}
		if err := h.Mkdir(t.Context(), host.Dir{Path: filepath.Join(dir, "a/b/c"), Mode: 0o711, Owner: "0:0"}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "a/b/c")); err != nil || info.Mode() != fs.ModeDir|0o711 {
			t.Errorf("it is %v, %v", info.Mode(), err)
		}
		if err := h.Mkdir(t.Context(), host.Dir{Path: deep}); !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.EEXIST) {
			t.Errorf("the error is: %v", err)
		}
		if err := h.Remove(t.Context(), filepath.Join(dir, "a")); !errors.Is(err, unix.ENOTEMPTY) {
			t.Errorf("the error is: %v", err)
		}
		if err := h.Remove(t.Context(), filepath.Join(dir, "a/b/c")); err != nil {
			t.Error(err)
		}
	})
}

// A full disk leaves everything as it was.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, 0) })
	eachHost(t, func(t *testing.T, h host.Host) {
		dir, err := os.MkdirTemp(disk, "d")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		write(t, a, "one")
		err = h.Write(t.Context(), host.File{Path: a, Content: []byte("two")}, host.File{Path: b, Content: every(1 << 20)})
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), b) {
			t.Errorf("the error is: %v", err)
		}
		if got := names(t, dir); got != "a" || content(t, a) != "one" {
			t.Errorf("in the directory is %s, and %q", got, content(t, a))
		}
	})
}

// One who may not leaves everything as it was, and is told so.
func TestPermissions(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	need(t, "setpriv")
	h := host.NewShell("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c")
	dir := t.TempDir()
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	open, secret := filepath.Join(dir, "open"), filepath.Join(dir, "secret")
	write(t, open, "one")
	write(t, filepath.Join(dir, "closed"), "x")
	if err := errors.Join(os.Mkdir(secret, 0o700), os.Chmod(filepath.Join(dir, "closed"), 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, try := range map[string]func() error{
		"read a file":              func() error { _, err := h.Read(ctx, filepath.Join(dir, "closed")); return err },
		"read where it cannot see": func() error { _, err := h.Read(ctx, filepath.Join(secret, "x")); return err },
		"list":                     func() error { _, err := h.List(ctx, secret); return err },
		"write":                    func() error { return h.Write(ctx, host.File{Path: open, Content: []byte("two")}) },
		"write where it cannot see": func() error {
			return h.Write(ctx, host.File{Path: filepath.Join(secret, "x"), Content: []byte("two")})
		},
		"remove": func() error { return h.Remove(ctx, open) },
		"mkdir":  func() error { return h.Mkdir(ctx, host.Dir{Path: filepath.Join(dir, "new")}) },
	} {
		if err := try(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), ".mailform-") {
			t.Errorf("%s: the error is: %v", what, err)
		}
	}
	if got := names(t, dir); got != "closed open secret" || content(t, open) != "one" {
		t.Errorf("in the directory is %s, and %q", got, content(t, open))
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	err := h.Write(ctx, host.File{Path: filepath.Join(dir, "new"), Content: []byte("x"), Owner: "root:root"})
	if !errors.Is(err, fs.ErrPermission) || names(t, dir) != "closed open secret" {
		t.Errorf("the error is: %v; there is %s", err, names(t, dir))
	}
}

// What is given up leaves nothing half done.
func TestGivenUp(t *testing.T) {
	eachHost(t, func(t *testing.T, h host.Host) {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Write(ctx, host.File{Path: filepath.Join(dir, "a"), Content: every(1 << 20)}); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is: %v", err)
		}
		if got := names(t, dir); got != "" {
			t.Errorf("in the directory is %s", got)
		}
		// What a program has started ends with it.
		ctx, cancel = context.WithCancel(t.Context())
		pid := filepath.Join(dir, "pid")
		go func() {
			defer cancel()
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				if b, err := os.ReadFile(pid); err == nil && len(b) > 0 {
					return
				}
			}
		}()
		if _, err := h.Run(ctx, host.Command{Args: []string{"sh", "-c", "sleep 300 & echo $! >p; mv p pid; wait"}, Dir: dir}); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is: %v", err)
		}
		proc := filepath.Join("/proc", strings.TrimSpace(content(t, pid)), "stat")
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			b, err := os.ReadFile(proc)
			if err != nil || strings.Contains(string(b), ") Z ") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("it goes on: %s", b)
			}
		}
	})
}
