package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Waiting for a lock asks again after these times.
const (
	lockPollFirst = 10 * time.Millisecond
	lockPollMost  = time.Second
)

// Lock implements [Backend]. The lock is an flock on a file that stays: the
// kernel takes it back from a process that ends, so none is ever left behind.
// What the file says about the holder is only there to be shown.
//
// The function that it returns releases the lock, after it has written the
// snapshot anew where the journal has grown long. Its error means that this
// failed; nothing is lost then.
func (l *Local) Lock(ctx context.Context, info LockInfo, timeout time.Duration) (unlock func() error, err error) {
	if l.locked != nil {
		return nil, errors.New("lock state: already locked by this process")
	}
	if l.path != l.base { // a workspace's
		if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
			return nil, fmt.Errorf("lock state: %w", err)
		}
	}
	f, err := os.OpenFile(l.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	if err := acquire(ctx, f, timeout); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.ID == "" {
		info.ID = newLineage()
	}
	if err := writeInfo(f, info); err != nil {
		return nil, fmt.Errorf("lock state: %w", errors.Join(err, f.Close()))
	}
	l.locked, l.known = f, false
	return func() error {
		if l.locked != f {
			return nil // released before
		}
		err := l.compact(context.WithoutCancel(ctx))
		l.locked, l.known = nil, false
		l.loaded, l.since = nil, nil
		return errors.Join(err, f.Truncate(0), f.Close())
	}, nil
}

func acquire(ctx context.Context, f *os.File, timeout time.Duration) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for wait := lockPollFirst; ; wait = min(2*wait, lockPollMost) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("lock state: %w", err)
		}
		if timeout <= 0 {
			return &LockedError{Info: readInfo(f)}
		}
		poll := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			poll.Stop()
			return fmt.Errorf("lock state: %w", ctx.Err())
		case <-deadline.C:
			poll.Stop()
			return &LockedError{Info: readInfo(f)}
		case <-poll.C:
		}
	}
}

func writeInfo(f *os.File, info LockInfo) error {
	b, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	return err
}

// readInfo is what the file says about the holder; zero where it says nothing,
// as for an instant after the lock was taken.
func readInfo(f *os.File) LockInfo {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<16))
	if err != nil {
		return LockInfo{}
	}
	var info LockInfo
	if json.Unmarshal(b, &info) != nil {
		return LockInfo{}
	}
	return info
}

// Holder implements [Teller].
func (l *Local) Holder(context.Context) (*LockedError, error) {
	f, err := os.OpenFile(l.path+".lock", os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	defer f.Close() // and with it the lock, if it could be had
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return nil, nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	return &LockedError{Info: readInfo(f)}, nil
}

// ForceUnlock implements [Backend]: it never does it, and says why. Were the
// file with the lock taken away, two processes could hold it.
func (l *Local) ForceUnlock(ctx context.Context, id string) error {
	locked, err := l.Holder(ctx)
	switch {
	case err != nil:
		return err
	case locked == nil:
		return ErrNotLocked
	case locked.Info.ID != id:
		return locked
	}
	return fmt.Errorf("the lock of a state in files belongs to a running process and cannot be taken from it: end process %d, and the lock is free", locked.Info.PID)
}
