package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
)

// draining is how long the daemon may take to deliver what it has before it is stopped
// for another server.
const draining = 20 * time.Second

// Queued implements providers.Queuer.
func (p *Provider) Queued(ctx context.Context) (int64, error) {
	st, err := p.reading.client().Status(ctx)
	if !errors.Is(err, admin.ErrNotRunning) {
		if err != nil {
			return 0, err
		}
		return int64(st.Queued), nil
	}
	if _, ok := p.reading.(here); !ok {
		return -1, nil // of one on another machine nobody tells, until it is started
	}
	lies, err := store.Open(ctx, p.dataDir, store.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	list, err := lies.QueueList(ctx)
	return int64(len(list)), errors.Join(err, lies.Close())
}

// drain has the daemon deliver what is in its queue. Its listeners have gone to the
// server that takes its place. The error is a providers.QueuedError where messages are
// left; then it runs on.
func (p *Provider) drain(ctx context.Context) error {
	if n, err := p.Queued(ctx); err != nil || n == 0 {
		return err
	}
	if err := p.ensureRunning(ctx); err != nil {
		return err
	}
	client := p.place.client()
	list, err := client.Queue(ctx)
	if err != nil {
		return err
	}
	ids, attempts := make([]int64, len(list)), map[int64]int{}
	for i, e := range list {
		ids[i], attempts[e.ID] = e.ID, e.Attempts
	}
	if _, err := client.ChangeQueue(ctx, admin.QueueRequest{Action: "retry", IDs: ids}); err != nil {
		return fmt.Errorf("try what is in the queue: %w", err)
	}
	for begun := time.Now(); ; {
		if list, err = client.Queue(ctx); err != nil || len(list) == 0 {
			return err
		}
		// What is held, or was tried once more, does not go now.
		stays := !slices.ContainsFunc(list, func(e admin.QueueEntry) bool {
			before, known := attempts[e.ID]
			return !e.Held && (!known || e.Attempts <= before)
		})
		if stays || time.Since(begun) > draining {
			return &providers.QueuedError{Server: "the embedded server", List: "mailform queue list", Messages: int64(len(list))}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
