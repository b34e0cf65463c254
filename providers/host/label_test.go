package host_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers/host"
	"golang.org/x/sys/unix"
)

// A file that is written over keeps its SELinux context, its owner and its permissions.
// Kernels without SELinux keep contexts as any attribute of a file, so that what is set
// here is what would be set there; that a kernel with it lets us is not to be seen here.
func TestWriteKeepsTheContext(t *testing.T) {
	const label = "system_u:object_r:postfix_etc_t:s0\x00"
	for name, h := range map[string]host.Host{
		"this machine": host.Local(),
		// For the eyes of a script the kernel has SELinux.
		"by a shell": host.NewShell("unshare", "-m", "sh", "-c", pretendSELinux),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
			write(t, a, "one")
			err := unix.Setxattr(a, "security.selinux", []byte(label), 0)
			if err == nil && name != "this machine" {
				err = exec.Command("unshare", "-m", "sh", "-c", pretendSELinux, "chcon --version").Run()
			}
			if err != nil {
				if os.Getenv("CI") == "true" && os.Getuid() == 0 && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) && !errors.As(err, new(*exec.ExitError)) {
					t.Fatal(err)
				}
				t.Skipf("SKIPPED: this machine keeps no SELinux contexts, or we may not set them: %v", err)
			}
			if err := errors.Join(os.Chown(a, 65534, 12), os.Chmod(a, 0o640), os.Symlink("a", link)); err != nil {
				t.Fatal(err)
			}
			if err := h.Write(t.Context(), host.File{Path: link, Content: []byte("two"), Backup: true}, host.File{Path: filepath.Join(dir, "new"), Content: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{a: "two", host.BackupOf(a): "one"} {
				if got := content(t, path); got != want {
					t.Errorf("%s holds %q", path, got)
				}
				have := make([]byte, 100)
				n, err := unix.Getxattr(path, "security.selinux", have)
				if err != nil || string(have[:n]) != label {
					t.Errorf("the context of %s is %q, %v", path, have[:max(n, 0)], err)
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if st := info.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 12 || info.Mode() != 0o640 {
					t.Errorf("%s is %d:%d's, %v", path, st.Uid, st.Gid, info.Mode())
				}
			}
		})
	}
}

// pretendSELinux runs a command where /sys/fs/selinux is a directory.
const pretendSELinux = `mount -t tmpfs tmpfs /sys/fs && mkdir /sys/fs/selinux && exec sh -c "$0"`
