package systemd

import (
	"os"
	"syscall"
)

// dup is a descriptor that nobody but the test has.
func dup(f *os.File) (int, error) { return syscall.Dup(int(f.Fd())) }
