package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A staged file lies beside its place.
type staged struct {
	file File
	path string // its place, links followed
	temp string
}

// Write implements Host.
func (local) Write(ctx context.Context, files ...File) (err error) {
	defer func() { err = denied(err) }()
	ready := make([]staged, 0, len(files))
	defer func() {
		for _, s := range ready {
			if s.temp != "" {
				err = errors.Join(err, os.Remove(s.temp))
			}
		}
	}()
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := stage(f)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Path, plain(err))
		}
		ready = append(ready, s)
	}
	for i := range ready { // as late as can be
		if err := ready[i].unchanged(); err != nil {
			return err
		}
	}
	dirs := map[string]bool{}
	for i := range ready {
		s := &ready[i]
		if s.file.Backup {
			if err := backUp(s.path); err != nil {
				return fmt.Errorf("keep %s as it was: %w", s.path, plain(err))
			}
		}
		if err := os.Rename(s.temp, s.path); err != nil {
			return fmt.Errorf("write %s: %w", s.path, plain(err))
		}
		s.temp = ""
		dirs[filepath.Dir(s.path)] = true
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// plain is an error without the name of a temporary file.
func plain(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// stage writes a file beside its place, with the owner and permissions that it
// is to have.
func stage(f File) (staged, error) {
	s := staged{file: f, path: f.Path}
	if !filepath.IsAbs(f.Path) {
		return s, errors.New("the path is not absolute")
	}
	if to, err := filepath.EvalSymlinks(f.Path); err == nil {
		s.path = to
	}
	out, err := os.CreateTemp(filepath.Dir(s.path), "."+filepath.Base(s.path)+".mailform-")
	if err != nil {
		return s, err
	}
	err = fill(out, s.path, f)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return s, errors.Join(err, os.Remove(out.Name()))
	}
	s.temp = out.Name()
	return s, nil
}

func fill(out *os.File, path string, f File) error {
	if _, err := out.Write(f.Content); err != nil {
		return err
	}
	mode := f.Mode
	owner := f.Owner
	if info, err := os.Stat(path); err == nil {
		if mode == 0 {
			mode = info.Mode().Perm()
		}
		if owner == "" {
			owner = ownerOf(info)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if mode == 0 {
		mode = 0o644
	}
	if err := own(out, owner, f.Owner != ""); err != nil {
		return err
	}
	if err := out.Chmod(mode); err != nil { // after the owner, which takes bits away
		return err
	}
	if err := keepLabel(out, path); err != nil {
		return err
	}
	if f.Settled {
		at := time.Now().Add(-settledAge * time.Second)
		if err := os.Chtimes(out.Name(), at, at); err != nil {
			return err
		}
	}
	return out.Sync()
}

// own gives a file its owner. One that was not asked for is kept where this
// process may.
func own(out *os.File, owner string, asked bool) error {
	if owner == "" {
		return nil
	}
	uid, gid, err := ids(owner)
	if err != nil {
		return err
	}
	var have unix.Stat_t
	if err := unix.Fstat(int(out.Fd()), &have); err != nil {
		return err
	}
	if int(have.Uid) == uid && int(have.Gid) == gid {
		return nil
	}
	err = out.Chown(uid, gid)
	if errors.Is(err, unix.EPERM) && !asked {
		return nil
	}
	return err
}

// selinux is the attribute with the SELinux context of a file.
const selinux = "security.selinux"

// keepLabel gives a new file the SELinux context of the one in whose place it
// comes, where there is such a thing.
func keepLabel(out *os.File, path string) error {
	label := make([]byte, 256)
	n, err := unix.Getxattr(path, selinux, label)
	if err != nil || n == 0 {
		return nil // there is none, or no such file
	}
	err = unix.Fsetxattr(int(out.Fd()), selinux, label[:n], 0)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// unchanged compares what is there with what has to be.
func (s *staged) unchanged() error {
	if s.file.Was == "" {
		return nil
	}
	have, err := readFile(s.path)
	if err != nil {
		return err
	}
	if have.Digest() != s.file.Was {
		return fmt.Errorf("%s: %w", s.file.Path, ErrChanged)
	}
	return nil
}

// backUp keeps a file as it is, once.
func backUp(path string) error {
	err := os.Link(path, BackupOf(path))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ids are the numbers of "user:group".
func ids(owner string) (uid, gid int, err error) {
	u, g, ok := strings.Cut(owner, ":")
	if !ok {
		return 0, 0, fmt.Errorf("%q is not user:group", owner)
	}
	if uid, err = strconv.Atoi(u); err != nil {
		found, err := user.Lookup(u)
		if err != nil {
			return 0, 0, fmt.Errorf("there is no user %q", u)
		}
		uid, _ = strconv.Atoi(found.Uid)
	}
	if gid, err = strconv.Atoi(g); err != nil {
		found, err := user.LookupGroup(g)
		if err != nil {
			return 0, 0, fmt.Errorf("there is no group %q", g)
		}
		gid, _ = strconv.Atoi(found.Gid)
	}
	return uid, gid, nil
}

// ownerOf is the owner of a file, in numbers.
func ownerOf(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

// syncDir makes what was put into a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
