package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
			return &LockedError{readInfo(f)}
		}
		poll := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			poll.Stop()
			return fmt.Errorf("lock state: %w", ctx.Err())
		case <-deadline.C:
			poll.Stop()
			return &LockedError{readInfo(f)}
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
