package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/mailtest"
	"golang.org/x/sys/unix"
)

// onSmallDisks has each system keep what mailform writes on a disk of its own, which
// soon is full, where this machine lets us mount one.
func (r *real) onSmallDisks() {
	r.t.Helper()
	for _, p := range r.parts {
		err := os.Mkdir(p.Own(), 0o755)
		if err == nil {
			err = unix.Mount("tmpfs", p.Own(), "tmpfs", 0, "size=64m,mode=755")
		}
		if err != nil {
			r.noDisks = fmt.Errorf("a small disk cannot be mounted on %s: %w", p.Own(), err)
			return
		}
		// The servers end after that, and let go of what they hold there. authd is
		// found by what lies there, and so ends before.
		r.t.Cleanup(func() {
			_ = authd.Stop(context.Background(), filepath.Join(p.Own(), "authd"))
			_ = unix.Unmount(p.Own(), unix.MNT_DETACH)
		})
	}
	for _, p := range r.parts {
		if d, ok := p.(*mailtest.DovecotInstance); ok {
			d.See(r.t)
		}
	}
	r.smallDisks = len(r.parts) > 0
}

// cannotWrite has each part in turn unable to write, as its disk is full or may only
// be read. The error names the file and the reason, the service goes on as it was,
// and once there is room the next apply does what is left.
func (r *real) cannotWrite() {
	r.t.Helper()
	if r.noDisks != nil {
		r.t.Run("on a disk that is full", func(t *testing.T) {
			// A machine that lets nobody mount is one thing, one that lets us and fails another.
			if os.Getenv("CI") == "true" && !errors.Is(r.noDisks, unix.EPERM) && !errors.Is(r.noDisks, unix.EACCES) {
				t.Fatal(r.noDisks)
			}
			t.Skipf("SKIPPED: %v", r.noDisks)
		})
	}
	if !r.smallDisks {
		return
	}
	r.write("more.mf.hcl", "\n")
	r.ok("apply", "-auto-approve", "-confirm=all")
	count, users := 0, ""
	for _, tt := range []struct {
		why string
		on  func(dir string) (off func() error, err error)
	}{{"no space left on device", fill}, {"read-only file system", readOnly}} {
		if r.far && count > 0 {
			break // one reason is enough there
		}
		for _, p := range r.parts {
			count++
			users += fmt.Sprintf(`
user "late%[1]d" {
  domain        = domain.example
  name          = "late%[1]d"
  password_hash = var.password_hash
  protocols     = ["imap"]
}
`, count)
			r.write("more.mf.hcl", users)
			off, err := tt.on(p.Own())
			if err != nil {
				r.t.Fatalf("%s: %v", tt.why, err)
			}
			res := r.mailform("apply", "-auto-approve")
			said := strings.Join(strings.Fields(res.stderr), " ")
			if res.code == 0 || !strings.Contains(strings.ToLower(said), tt.why) || !strings.Contains(said, p.Own()+"/") {
				r.t.Errorf("%s in %s is not told: %v", tt.why, p.Own(), res)
			}
			for _, p := range r.parts {
				if err := p.Check(); err != nil {
					r.t.Errorf("%s: %v", tt.why, err)
				}
			}
			r.delivered("alice@example.com", "alice")
			if err := off(); err != nil {
				r.t.Fatal(err)
			}
		}
		r.apply()
		r.noChanges()
		r.delivered(fmt.Sprintf("late%d@example.com", count), fmt.Sprintf("late%d", count))
	}
}

// fill fills the disk of a directory to the last byte.
func fill(dir string) (off func() error, err error) {
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	for size := 1 << 20; size > 0; { // a whole page more has to find no room
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		return nil, err
	}
	return func() error { return os.Remove(path) }, f.Close()
}

// readOnly has a directory only be read.
func readOnly(dir string) (off func() error, err error) {
	err = unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if err == nil {
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return func() error { return unix.Unmount(dir, unix.MNT_DETACH) }, err
}
