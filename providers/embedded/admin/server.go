package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
)

// A Store is what the server reads from and writes to.
type Store interface {
	Resources(ctx context.Context) ([]Resource, error)
	ApplyChanges(ctx context.Context, changes []Change) ([]Resource, error)
}

// Hooks are the daemon's part in the server's work.
type Hooks interface {
	// Prepare is called before changes are committed. It does what can fail
	// (binds new sockets), and returns what makes that take effect after the
	// commit, or undoes it. Its error refuses the batch; a *[Error] goes to the
	// client as it is.
	Prepare(ctx context.Context, changes []Change) (commit, rollback func(), err error)
	// Applied is called after changes were committed (and after commit).
	Applied(ctx context.Context, changes []Change)
	Status(ctx context.Context) (Status, error)
	// Stop asks the daemon to end. It returns at once.
	Stop()
	// Version of the binary.
	Version() string
}

// NewServer serves the admin API.
func NewServer(h Hooks, s Store, log *slog.Logger) http.Handler { return http.NotFoundHandler() }

// Listen opens the admin socket of a data directory.
func Listen(dataDir string) (net.Listener, error) { return nil, ErrNotRunning }
