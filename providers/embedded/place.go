package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
)

// A place is a data directory with what serves it, on this machine or on
// another.
type place interface {
	// client calls the daemon.
	client() *admin.Client
	// workspace says whose the directory is; empty: nobody's.
	workspace(ctx context.Context) (string, error)
	// holds reports whether another directory there has a store.
	holds(ctx context.Context, dir string) (bool, error)
	// lying lists what the store has where it lies: some resources, where anything
	// in them is in use, or all. The error is fs.ErrNotExist where there is no store.
	lying(ctx context.Context, ids []admin.ID) ([]admin.Resource, error)
	// applyLying changes the store where it lies.
	applyLying(ctx context.Context, changes []admin.Change) ([]admin.Resource, error)
	// prepare does what has to be done before the daemon can be started, also
	// while one of another version runs.
	prepare(ctx context.Context, workspace string) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
}

// here is a place on this machine.
type here struct {
	dataDir, executable string
}

func (h here) client() *admin.Client { return admin.NewClient(h.dataDir) }

func (h here) workspace(context.Context) (string, error) { return store.Workspace(h.dataDir) }

func (h here) holds(_ context.Context, dir string) (bool, error) {
	old, err := os.Stat(dir)
	if err != nil {
		return false, nil
	}
	if now, err := os.Stat(h.dataDir); err == nil && os.SameFile(old, now) {
		return false, nil
	}
	return store.Exists(dir), nil
}

func (h here) lying(ctx context.Context, ids []admin.ID) ([]admin.Resource, error) {
	st, err := store.Open(ctx, h.dataDir, store.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		if err := store.CheckDir(h.dataDir); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	var rs []admin.Resource
	if ids != nil {
		rs, err = st.Find(ctx, ids)
	}
	if err == nil && !inUse(rs) { // all of it tells whether there is a process to speak of
		rs, err = st.Resources(ctx)
	}
	return rs, errors.Join(err, st.Close())
}

func (h here) applyLying(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	st, err := store.Open(ctx, h.dataDir, store.Options{})
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", h.dataDir, err)
	}
	rs, err := st.ApplyChanges(ctx, changes)
	return rs, errors.Join(err, st.Close())
}

func (h here) prepare(_ context.Context, workspace string) error {
	if err := store.CheckDir(h.dataDir); err != nil {
		return err
	}
	owner, err := store.Workspace(h.dataDir)
	if err != nil || owner == "" {
		if err = errors.Join(err, store.ClaimWorkspace(h.dataDir, workspace)); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
	}
	return nil
}

func (h here) start(ctx context.Context) error { return Start(ctx, h.executable, h.dataDir) }

func (h here) stop(ctx context.Context) error { return stopHere(ctx, h.dataDir, systemd.Unit.Disable) }
