package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
)

// Queue implements admin.Hooks.
func (d *daemon) Queue(ctx context.Context) ([]admin.QueueEntry, error) {
	entries, err := d.store.QueueList(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]admin.QueueEntry, len(entries))
	for i, e := range entries {
		out[i] = admin.QueueEntry{
			ID: e.ID, Envelope: e.Envelope, From: e.From, To: e.To, Size: e.Size, Created: stamp(e.Created), Next: stamp(e.Next),
			Attempts: e.Attempts, Error: e.LastErr, Held: e.Held, RequireTLS: e.RequireTLS,
		}
	}
	return out, nil
}

// Message implements admin.Hooks.
func (d *daemon) Message(ctx context.Context, id int64, w io.Writer) error {
	entries, err := d.store.QueueFind(ctx, []int64{id})
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return noEntry(id)
	}
	body, err := d.store.OpenBody(ctx, entries[0].Body)
	if errors.Is(err, store.ErrNotFound) {
		return noEntry(id)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, io.NewSectionReader(body, 0, body.Size()))
	return err
}

func noEntry(id int64) error {
	return &admin.Error{Code: "invalid", Message: fmt.Sprintf("there is no entry %d in the queue", id)}
}

// ChangeQueue implements admin.Hooks.
func (d *daemon) ChangeQueue(ctx context.Context, r admin.QueueRequest) (int, error) {
	switch r.Action {
	case "hold", "release":
		return d.store.QueueHold(ctx, r.IDs, r.Action == "hold")
	case "retry":
		return d.store.QueueRetry(ctx, r.IDs, time.Now())
	case "drop":
		return d.store.QueueDrop(ctx, r.IDs)
	case "return":
		entries, err := d.store.QueueFind(ctx, r.IDs)
		if err == nil {
			d.queue.Return(ctx, entries)
		}
		return len(entries), err
	}
	return 0, &admin.Error{Code: "invalid", Message: fmt.Sprintf("the action is %q: expected retry, hold, release, drop or return", r.Action)}
}
