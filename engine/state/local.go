package state

import (
	"context"
	"errors"
	"time"
)

// Local keeps a state in files: a snapshot at a path, a journal and a lock
// file beside it. It may be used by one goroutine at a time.
type Local struct {
	path string
}

// OpenLocal names the files; it touches none.
func OpenLocal(path string) (*Local, error) { return &Local{path: path}, nil }

// Load implements [Backend].
func (l *Local) Load(ctx context.Context) (*State, error) { return nil, errors.ErrUnsupported }

// Append implements [Backend].
func (l *Local) Append(ctx context.Context, entries []Entry) error { return errors.ErrUnsupported }

// Lock implements [Backend].
func (l *Local) Lock(ctx context.Context, info LockInfo, timeout time.Duration) (func() error, error) {
	return nil, errors.ErrUnsupported
}
