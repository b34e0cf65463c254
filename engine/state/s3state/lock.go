package s3state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mailform/mailform/engine/state"
)

// Waiting for a lock asks again after these times.
const (
	lockPollFirst = 250 * time.Millisecond
	lockPollMost  = 4 * time.Second
)

// A lease is a lock that is held. The holder and its heartbeat both write the
// head, one after the other.
type lease struct {
	id    string
	token uint64
	stop  context.CancelFunc
	beats sync.WaitGroup

	mu     sync.Mutex
	h      head // as this process has written it last
	etag   string
	unsure bool // whether the last write has arrived
	lost   bool
}

// Lock implements [state.Backend]. The lock of a process that is no more can be
// taken once its lease has passed without a heartbeat, by the server's clock.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, timeout time.Duration) (unlock func() error, err error) {
	if b.held != nil {
		return nil, errors.New("lock state: already locked by this process")
	}
	if info.ID == "" {
		info.ID = state.NewLineage()
	}
	poll := state.NewPoll(timeout, lockPollFirst, lockPollMost)
	for {
		l, locked, left, err := b.take(ctx, info)
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock state: %w", err)
		case l != nil:
			return b.hold(ctx, l), nil
		}
		switch again, err := poll.Again(ctx, max(left, lockPollFirst)); {
		case err != nil:
			return nil, fmt.Errorf("lock state: %w", err)
		case !again:
			return nil, locked
		}
	}
}

// take takes the lock where it is free or its lease has passed; otherwise it
// tells who has it, and how long at the least.
func (b *Backend) take(ctx context.Context, info state.LockInfo) (l *lease, locked *state.LockedError, left time.Duration, err error) {
	h, s, err := b.head(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	if !h.free(s) {
		return nil, h.lockedError(s), h.left(s), nil
	}
	have, etag, done, err := b.replaceHead(ctx, h, s.etag, func(next *head) error {
		next.Token++
		next.Lock = &lockEntry{LockInfo: info, Heartbeat: time.Now().UTC(), Lease: b.o.Lease.String()}
		return nil
	})
	switch {
	case err != nil:
		return nil, nil, 0, err
	case !done:
		return nil, have.lockedError(sighting{etag: etag}), 0, nil
	}
	if err := b.probe(ctx, have); err != nil {
		return nil, nil, 0, err
	}
	return &lease{id: info.ID, token: have.Token, h: have, etag: etag}, nil, 0, nil
}

// probe makes sure that the server refuses a write whose condition does not hold:
// one that overlooks conditions has no locks. Should it write, nothing changes.
func (b *Backend) probe(ctx context.Context, h head) error {
	_, err := b.put(ctx, h, "00000000000000000000000000000000")
	switch {
	case err == nil:
		return errors.New("the server overlooks the condition of a write (If-Match), so that it cannot keep two runs apart: " +
			"use a server, or a version of it, that has conditional writes")
	case refused(err):
		return nil
	}
	return b.explain(err)
}

// free reports whether nobody holds the lock, or someone who is no more.
func (h head) free(s sighting) bool {
	return h.Lock == nil || h.left(s) < 0
}

// left is how long the lock lasts without another heartbeat. Times have whole
// seconds, so it is given one more.
func (h head) left(s sighting) time.Duration { return h.Lock.lease() + time.Second - s.age }

func (l *lockEntry) lease() time.Duration {
	d, err := time.ParseDuration(l.Lease)
	if err != nil || d <= 0 {
		return time.Minute
	}
	return d
}

// lockedError says who holds the lock, and when it ends without a heartbeat.
func (h head) lockedError(s sighting) *state.LockedError {
	if h.Lock == nil {
		return &state.LockedError{}
	}
	return &state.LockedError{Info: h.Lock.LockInfo, Ends: fmt.Sprintf("its last sign of life was %s ago; without another the lock ends in %s",
		max(0, s.age).Round(time.Second), max(0, h.left(s)).Round(time.Second))}
}

// hold keeps a lock that was taken alive until it is released.
func (b *Backend) hold(ctx context.Context, l *lease) func() error {
	ctx = context.WithoutCancel(ctx)
	beating, stop := context.WithCancel(ctx)
	l.stop = stop
	l.beats.Go(func() {
		ticker := time.NewTicker(b.o.Lease / 3)
		defer ticker.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-ticker.C:
				// A beat that fails does no harm: the next one, or the next write,
				// finds out whether the lock is still ours.
				_ = l.commit(beating, b, func(*head) error { return nil })
			}
		}
	})
	b.held, b.known = l, false
	return func() error {
		if b.held != l {
			return nil // released before
		}
		err := b.compact(ctx)
		stop()
		l.beats.Wait()
		if uerr := l.commit(ctx, b, func(next *head) error { next.Lock = nil; return nil }); uerr != nil {
			err = errors.Join(err, fmt.Errorf("unlock state (lock id %s): %w", l.id, uerr))
		}
		b.held, b.known = nil, false
		if errors.Is(err, state.ErrLockLost) {
			return nil // it is another's by now
		}
		return err
	}
}

// seen is the head as this process knows it.
func (l *lease) seen() head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h
}

// commitTries is how often a write of the head begins anew after one that was
// given up has turned up.
const commitTries = 5

// commit changes the head, as long as the lock is ours.
func (l *lease) commit(ctx context.Context, b *Backend, change func(*head) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range commitTries {
		if err := l.look(ctx, b); err != nil {
			return err
		}
		l.unsure = true // until it is known
		have, etag, done, err := b.replaceHead(ctx, l.h, l.etag, change)
		switch {
		case err != nil:
			return err
		case done:
			l.h, l.etag, l.unsure = have, etag, false
			return nil
		}
	}
	return errors.New("the head of the state changes under our hands, and the lock is still ours")
}

// settle finds out whether a write that failed has arrived.
func (l *lease) settle(ctx context.Context, b *Backend) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.look(ctx, b)
}

// look reads the head where it is not known what there is.
func (l *lease) look(ctx context.Context, b *Backend) error {
	if l.lost {
		return state.ErrLockLost
	}
	if !l.unsure {
		return nil
	}
	h, s, err := b.head(ctx)
	if err != nil {
		return err
	}
	if h.Lock == nil || h.Lock.ID != l.id || h.Token != l.token {
		l.lost = true
		return fmt.Errorf("%w%s", state.ErrLockLost, h.holder())
	}
	l.h, l.etag, l.unsure = h, s.etag, false
	return nil
}

// holder says who holds the lock by now.
func (h head) holder() string {
	if h.Lock == nil {
		return ""
	}
	return fmt.Sprintf("; it is held by %s (operation %s, lock id %s)", h.Lock.Who, h.Lock.Operation, h.Lock.ID)
}

// ForceUnlock implements [state.Backend].
func (b *Backend) ForceUnlock(ctx context.Context, id string) error {
	for range commitTries {
		h, s, err := b.head(ctx)
		if err != nil {
			return fmt.Errorf("unlock state: %w", err)
		}
		if h.Lock == nil {
			return state.ErrNotLocked
		}
		if h.Lock.ID != strings.TrimSpace(id) {
			return h.lockedError(s)
		}
		_, _, done, err := b.replaceHead(ctx, h, s.etag, func(next *head) error {
			next.Lock, next.Token = nil, next.Token+1
			return nil
		})
		if err != nil {
			return fmt.Errorf("unlock state: %w", err)
		}
		if done {
			return nil
		}
	}
	return errors.New("unlock state: the holder of the lock is writing; it lives")
}
