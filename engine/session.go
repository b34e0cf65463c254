package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
)

// Options say how a workspace is opened.
type Options struct {
	Config config.Options
	// Operation is what the lock says that its holder does: "plan", "apply".
	Operation string
	// LockTimeout is how long to wait for the lock; 0: not at all.
	LockTimeout time.Duration
	// NoLock reads the state without its lock, for what changes nothing.
	NoLock bool
	// Backend keeps the state; nil: the one that the files say.
	Backend state.Backend
	// Now decides which stages of changes are due; nil: time.Now.
	Now func() time.Time
	// Parallelism is at how many targets is worked at once; 0: at all.
	Parallelism int
}

// A Session is an opened workspace: files loaded, state locked and read. Close
// it to release the lock.
type Session struct {
	// wide is set where all targets are read, also those that no block uses; of
	// them, only the one that alone names, unless it is empty.
	wide    bool
	alone   string
	ws      *Workspace
	opts    Options
	module  *config.Module
	backend state.Backend
	keys    *seal.Keyring // nil: nothing is encrypted
	unlock  func() error
	prior   *state.State
	targets map[string]providers.Provider
	cfg     *config.Config          // what the targets were configured from
	planned *described              // what the last plan was made from
	written map[string]state.Output // outputs that an apply has written; nil: as in prior
	options PlanOptions             // of the last plan
}

// Open locks and reads the state for a module that has been loaded. The error
// is hcl.Diagnostics where it is about the backend block.
func (w *Workspace) Open(ctx context.Context, module *config.Module, opts Options) (*Session, error) {
	opts.Config.Version = w.Version
	if opts.Now == nil {
		opts.Now = time.Now
	}
	backend, keys := opts.Backend, (*seal.Keyring)(nil)
	if backend == nil {
		var diags hcl.Diagnostics
		if backend, keys, diags = w.backend(module, opts.Config); diags.HasErrors() {
			return nil, diags
		}
	}
	s := &Session{ws: w, opts: opts, module: module, backend: backend, keys: keys, targets: map[string]providers.Provider{}}
	s.unlock = func() error { return nil }
	var err error
	if !opts.NoLock {
		if s.unlock, err = s.backend.Lock(ctx, NewLockInfo(opts.Operation, opts.Config.Environ), opts.LockTimeout); err != nil {
			return nil, err
		}
	}
	s.prior, err = s.backend.Load(ctx)
	if name := config.Workspace(w.Dir, opts.Config.Environ); err == nil && s.prior.Lineage == "" && name != config.DefaultWorkspace {
		err = &NoWorkspaceError{name}
	}
	if err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	if w.NewDataSource != nil {
		s.opts.Config.Data = newLookup(ctx, w, s.prior.Lineage).ask
	}
	return s, nil
}

// A NoWorkspaceError says that the workspace that is selected does not exist.
type NoWorkspaceError struct{ Name string }

func (e *NoWorkspaceError) Error() string {
	return fmt.Sprintf("there is no workspace %q. \"mailform workspace list\" prints those that there are, \"mailform workspace new %s\" makes this one", e.Name, e.Name)
}

// Close releases the lock. More than once is no error.
func (s *Session) Close() error {
	unlock := s.unlock
	s.unlock = func() error { return nil }
	return unlock()
}

// Keyring holds the keys that the state and saved plans are encrypted with. It may
// be nil.
func (s *Session) Keyring() *seal.Keyring { return s.keys }

// Prior is the state as it was when the session was opened.
func (s *Session) Prior() *state.State { return s.prior }

// Outputs are those of the state as it is now, without reading it again: it is
// as large as all that was applied.
func (s *Session) Outputs() map[string]state.Output {
	if s.written != nil {
		return s.written
	}
	return s.prior.Outputs
}

// State reads the state as it is now.
func (s *Session) State(ctx context.Context) (*state.State, error) {
	return s.backend.Load(ctx)
}

// NewLockInfo says of this process that it does an operation, and of what job of a
// pipeline it is, where the environment tells.
func NewLockInfo(operation string, environ []string) state.LockInfo {
	return state.LockInfo{Operation: operation, Who: who(), PID: os.Getpid(), Created: time.Now().UTC(), Job: jobURL(environ)}
}

// jobURL is where people see the job of a pipeline that this process is of: GitHub,
// GitLab, Jenkins, Buildkite or CircleCI. Empty: it is of none.
func jobURL(environ []string) string {
	if run := fromEnviron(environ, "GITHUB_RUN_ID"); run != "" {
		return fmt.Sprintf("%s/%s/actions/runs/%s", fromEnviron(environ, "GITHUB_SERVER_URL"), fromEnviron(environ, "GITHUB_REPOSITORY"), run)
	}
	for _, name := range []string{"CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL"} {
		if url := fromEnviron(environ, name); url != "" {
			return url
		}
	}
	return ""
}

// who is the user of this process, with the machine.
func who() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
