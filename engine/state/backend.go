package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/schema"
)

// A Backend keeps one state. [Local] keeps it in files; others may keep it in a
// database or behind HTTP.
type Backend interface {
	// Load reads the state. One that was never written is an empty state
	// without lineage, not an error. It needs no lock.
	Load(ctx context.Context) (*State, error)

	// Append makes entries durable, in order, and raises the serial by one; it
	// returns when they cannot be lost any more. The first Append makes the
	// lineage. Without entries it makes the lineage and nothing else. Before
	// that, a state that is not encrypted as the backend was told is written anew.
	// It needs the lock: without it the error is ErrNotLocked.
	Append(ctx context.Context, entries []Entry) error

	// Replace makes another state of it, whole: its lineage, serial, resources and
	// outputs. It is there in full or not at all, and needs the lock.
	Replace(ctx context.Context, s *State) error

	// ForceUnlock takes the lock away from the holder with that lock ID. A holder
	// that still lives cannot write any more. Where the lock has another holder
	// the error is a *LockedError, where it has none ErrNotLocked, and where the
	// backend's locks end by themselves an error that says so.
	ForceUnlock(ctx context.Context, id string) error

	// Lock takes the lock, waiting for it up to timeout (0: not at all). Where
	// another holds it the error is a *LockedError. A lock ends with its holder,
	// however that one ends.
	Lock(ctx context.Context, info LockInfo, timeout time.Duration) (unlock func() error, err error)
}

// DefaultWorkspace is the workspace that there always is. Backends take its name
// and an empty one for the same.
const DefaultWorkspace = "default"

// A Keeper is a Backend that keeps the states of several workspaces side by side.
// Each Backend is that of one of them.
type Keeper interface {
	// Workspaces are the names of those that have a state, sorted, but for the
	// default one. The error is errors.ErrUnsupported where the backend cannot tell.
	Workspaces(ctx context.Context) ([]string, error)

	// Delete removes the state. It needs the lock, which then holds nothing any
	// more and is to be released as always.
	Delete(ctx context.Context) error
}

// A Teller is a Backend that can say who holds its lock.
type Teller interface {
	// Holder says who holds the lock, and when it ends by itself; nil: nobody.
	Holder(ctx context.Context) (*LockedError, error)
}

// An Entry is one thing that came to be; exactly one field is set.
type Entry struct {
	// Put is a resource as it was left: new, changed or under another address.
	Put *Resource
	// Delete is the identity of a resource that is no longer ours.
	Delete *schema.ID
	// Outputs replaces all outputs, where it is not nil.
	Outputs map[string]Output
	// Begin says that an apply begins; what follows belongs to it, up to an End.
	// An apply that ended without one is gone on with by the next Begin.
	Begin *Applied
	End   bool
}

// ErrNotLocked is the error of a write by someone who does not hold the lock.
var ErrNotLocked = errors.New("the state is not locked")

// ErrLockLost is the error of a write by someone whose lock was taken away or
// has expired: another may hold it by now. Nothing was written.
var ErrLockLost = errors.New("the lock of the state was lost")

// A LockedError says that another process holds the lock.
type LockedError struct {
	// Info of the holder. Its fields are zero where it could not be read.
	Info LockInfo
	// Ends says when the lock ends if its holder does nothing about it; empty:
	// when that process ends.
	Ends string
}

// Error names the holder, so that the reader knows whom to wait for.
func (e *LockedError) Error() string {
	i := e.Info
	if i.Who == "" && i.PID == 0 {
		return "the state is locked by another mailform process"
	}
	ends := e.Ends
	if ends == "" {
		ends = "the lock ends when that process ends"
	}
	process := ""
	if i.PID != 0 {
		process = fmt.Sprintf("process %d, ", i.PID)
	}
	job := ""
	if i.Job != "" {
		job = ", job " + i.Job
	}
	return fmt.Sprintf("the state is locked by %s (%soperation %s, since %s, lock id %s%s); %s",
		i.Who, process, i.Operation, i.Created.UTC().Format(time.RFC3339), i.ID, job, ends)
}

// A DamageError says that a state file cannot be trusted. The files are left as
// they are.
type DamageError struct {
	Path   string
	Line   int // 0: not a single line
	Reason string
}

func (e *DamageError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("state file %s is damaged: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("state file %s is damaged at line %d: %s", e.Path, e.Line, e.Reason)
}
