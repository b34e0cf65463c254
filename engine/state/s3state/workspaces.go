package s3state

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/state"
	"github.com/minio/minio-go/v7"
)

// Workspaces implements [state.Keeper].
func (b *Backend) Workspaces(ctx context.Context) ([]string, error) {
	prefix := b.o.WorkspacePrefix + "/"
	var names []string
	for o := range b.client.Client.ListObjects(ctx, b.o.Bucket, minio.ListObjectsOptions{Prefix: prefix}) {
		if o.Err != nil {
			return nil, fmt.Errorf("list workspaces: %w", b.explain(o.Err))
		}
		if name, folder := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), "/"); folder {
			names = append(names, name)
		}
	}
	// The folder may be that of other states in the bucket.
	kept := names[:0]
	for _, name := range names {
		other := *b
		other.o.Key = prefix + name + "/" + b.base
		h, _, err := other.head(ctx)
		if err != nil {
			return nil, fmt.Errorf("list workspaces: %w", err)
		}
		if h.Lineage != "" {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return kept, nil
}

// Delete implements [state.Keeper]. The head lets go of its parts before they are
// removed, so that nobody reads half of the state.
func (b *Backend) Delete(ctx context.Context) error {
	h, err := b.ready(ctx)
	if err != nil {
		return fmt.Errorf("delete state: %w", err)
	}
	if err := b.write(ctx, h, func(next *head) {
		next.Lineage, next.Serial, next.Snapshot, next.Journal = "", 0, nil, nil
	}); err != nil {
		return err
	}
	b.sweep(ctx)
	b.known = false
	// No heartbeat may write it again.
	b.held.mu.Lock()
	defer b.held.mu.Unlock()
	if err := b.client.RemoveObject(ctx, b.o.Bucket, b.o.Key, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("delete state: %w", b.explain(err))
	}
	b.held.lost = true
	return nil
}

// Holder implements [state.Teller].
func (b *Backend) Holder(ctx context.Context) (*state.LockedError, error) {
	h, s, err := b.head(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	if h.free(s) {
		return nil, nil
	}
	return h.lockedError(s), nil
}
