package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Local is this machine.
func Local() Host { return local{} }

type local struct{}

func (local) String() string { return "this machine" }

func (local) Close() error { return nil }

// denied says what is needed where this process may not do something.
func denied(err error) error {
	if !errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 {
		return err
	}
	who := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(who); err == nil {
		who = u.Username
	}
	return fmt.Errorf("%w: %s, who runs mailform, may not do that, but root may", err, who)
}

// sbin are where programs of administrators lie that a PATH may not have.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// program finds a program.
func program(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	path, err := exec.LookPath(name)
	for i := 0; err != nil && i < len(sbin); i++ {
		path, err = exec.LookPath(filepath.Join(sbin[i], name))
	}
	if err != nil {
		return "", fmt.Errorf("the program %q is not there", name)
	}
	return path, nil
}

// Run implements Host.
func (local) Run(ctx context.Context, c Command) (Output, error) {
	path, err := program(c.Args[0])
	if err != nil {
		return Output{}, err
	}
	if info, err := os.Stat(c.Dir); c.Dir != "" && (err != nil || !info.IsDir()) {
		return Output{}, fmt.Errorf("%s: there is no directory %s to run in", filepath.Base(path), c.Dir)
	}
	cmd := exec.CommandContext(ctx, path, c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":"+strings.Join(sbin, ":")), c.Env...)
	cmd.Stdin = bytes.NewReader(c.Stdin)
	// The program is ended with all that it has started.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	// What goes on as a daemon may hold on to the output.
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	out := Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, fmt.Errorf("%s: %w", filepath.Base(path), ctx.Err())
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return out, nil
	case errors.As(err, &exit):
		out.Code = exit.ExitCode()
		return out, nil
	}
	return out, fmt.Errorf("%s: %w", filepath.Base(path), err)
}

// Read implements Host.
func (local) Read(ctx context.Context, paths ...string) ([]File, error) {
	files := make([]File, len(paths))
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := readFile(path)
		if err != nil {
			return nil, denied(err)
		}
		files[i] = f
	}
	return files, nil
}

func readFile(path string) (File, error) {
	f := File{Path: path}
	// What is no file, as a pipe, must not hold us up.
	in, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer in.Close()
	info, err := in.Stat()
	switch {
	case err != nil:
		return f, err
	case !info.Mode().IsRegular():
		return f, fmt.Errorf("%s is not a file", path)
	case info.Size() > MaxFile:
		return f, fmt.Errorf("%s has %d bytes; more than %d are not read", path, info.Size(), MaxFile)
	}
	f.Content, err = io.ReadAll(io.LimitReader(in, MaxFile+1))
	if err != nil {
		return f, fmt.Errorf("read %s: %w", path, err)
	}
	f.Exists, f.Mode, f.Owner = true, info.Mode().Perm(), ownerOf(info)
	return f, nil
}

// List implements Host.
func (local) List(_ context.Context, dir string) ([]Entry, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, denied(err)
	}
	entries := make([]Entry, 0, len(list))
	for _, e := range list {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone in between
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Name: e.Name(), Mode: info.Mode(), Size: info.Size()})
	}
	return entries, nil
}

// Mkdir implements Host.
func (local) Mkdir(_ context.Context, dirs ...Dir) (err error) {
	defer func() { err = denied(err) }()
	for _, d := range dirs {
		if info, err := os.Stat(d.Path); err == nil && info.IsDir() {
			continue
		}
		mode := d.Mode
		if mode == 0 {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(d.Path), 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(d.Path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Not less than was asked for because of the umask.
		if err := os.Chmod(d.Path, mode); err != nil {
			return err
		}
		if d.Owner != "" {
			uid, gid, err := ids(d.Owner)
			if err != nil {
				return err
			}
			if err := os.Chown(d.Path, uid, gid); err != nil {
				return err
			}
		}
		if err := syncDir(filepath.Dir(d.Path)); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements Host.
func (local) Remove(_ context.Context, paths ...string) error {
	dirs := map[string]bool{}
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return denied(err)
		}
		dirs[filepath.Dir(path)] = true
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
