package httpstate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/mailform/mailform/engine/state"
)

// Lock implements [state.Backend], but for its end: the protocol has no leases,
// so the lock of a process that was killed stays until it is taken away.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, timeout time.Duration) (unlock func() error, err error) {
	if b.lock != nil {
		return nil, fmt.Errorf("lock state: already locked by this process")
	}
	if info.ID == "" {
		info.ID = state.NewLineage()
	}
	mine := &lockInfo{ID: info.ID, Operation: info.Operation, Info: info.Job, Who: info.Who, Version: b.o.Version, Created: info.Created, PID: info.PID, Path: b.where()}
	body, err := json.Marshal(mine)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	poll := state.NewPoll(timeout, b.o.LockPoll, 16*b.o.LockPoll)
	for {
		a, err := b.send(ctx, request{method: b.o.LockMethod, address: b.o.LockAddress, body: body})
		if err != nil {
			return nil, fmt.Errorf("lock state: %w", err)
		}
		switch a.status {
		case http.StatusOK, http.StatusCreated, http.StatusNoContent:
			return b.locked(ctx, mine, body), nil
		case http.StatusConflict, http.StatusLocked:
			// A try whose answer was lost may have taken it.
			if holder, ok := decodeLock(a.body); ok && holder.ID == mine.ID {
				return b.locked(ctx, mine, body), nil
			}
		default:
			return nil, fmt.Errorf("lock state: %w", a.refusal())
		}
		switch again, err := poll.Again(ctx, 0); {
		case err != nil:
			return nil, fmt.Errorf("lock state: %w", err)
		case !again:
			return nil, a.lockedError()
		}
	}
}

func (b *Backend) locked(ctx context.Context, mine *lockInfo, body []byte) func() error {
	b.lock, b.lost, b.current = mine, false, nil
	return func() error {
		if b.lock != mine {
			return nil // released before
		}
		lost := b.lost
		b.lock, b.lost, b.current = nil, false, nil
		if lost {
			return nil // it is another's by now
		}
		a, err := b.send(context.WithoutCancel(ctx), request{method: b.o.UnlockMethod, address: b.o.UnlockAddress, body: body})
		if err == nil && a.status != http.StatusOK && a.status != http.StatusNoContent {
			err = a.refusal()
		}
		if err != nil {
			return fmt.Errorf("unlock state (lock id %s): %w", mine.ID, err)
		}
		return nil
	}
}

// ForceUnlock implements [state.Backend]. It is the server that compares the ID.
func (b *Backend) ForceUnlock(ctx context.Context, id string) error {
	body, err := json.Marshal(lockInfo{ID: id, Path: b.where(), Version: b.o.Version})
	if err != nil {
		return fmt.Errorf("unlock state: %w", err)
	}
	a, err := b.send(ctx, request{method: b.o.UnlockMethod, address: b.o.UnlockAddress, body: body})
	if err != nil {
		return fmt.Errorf("unlock state: %w", err)
	}
	switch a.status {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusNotFound:
		return state.ErrNotLocked
	case http.StatusConflict, http.StatusLocked:
		if _, ok := decodeLock(a.body); ok {
			return a.lockedError()
		}
	}
	return fmt.Errorf("unlock state: %w", a.refusal())
}
