package zonefile

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long is waited for another mailform.
const lockWait = 10 * time.Second

// lock keeps other mailforms away from a folder. The kernel takes it back from a
// process that ends.
func lock(ctx context.Context, folder string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	d, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, d.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, d.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// keepOwner gives a new file the owner of the one in whose place it comes, where
// this process may.
func keepOwner(out *os.File, path string) error {
	var have, want unix.Stat_t
	if err := unix.Stat(path, &want); err != nil {
		return nil // it is the first
	}
	if err := unix.Fstat(int(out.Fd()), &have); err != nil {
		return err
	}
	if have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	err := out.Chown(int(want.Uid), int(want.Gid))
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
