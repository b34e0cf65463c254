package queue

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/mailform/mailform/providers/embedded/store"
)

// ours says whether mail for an address is kept here: what waits because a mailbox
// was full, or was held by a filter.
func (q *Queue) ours(ctx context.Context, to string) (bool, error) {
	switch _, err := q.o.Store.Resolve(ctx, strings.ToLower(to)); {
	case err == nil, errors.Is(err, store.ErrUnknownUser), errors.Is(err, store.ErrMailDisabled):
		return true, nil
	case errors.Is(err, store.ErrUnknownDomain):
		return false, nil
	default:
		return false, err
	}
}

// here delivers a job whose recipients are ours. Each has a mailbox of its own,
// and an outcome of its own.
func (q *Queue) here(ctx context.Context, j *job, body store.Body) []outcome {
	out := make([]outcome, len(j.entries))
	for i, e := range j.entries {
		out[i] = q.intoMailbox(ctx, e, body)
	}
	return out
}

func (q *Queue) intoMailbox(ctx context.Context, e store.QueueEntry, body store.Body) outcome {
	r, err := q.o.Store.Resolve(ctx, strings.ToLower(e.To))
	switch {
	case errors.Is(err, store.ErrUnknownUser):
		return outcome{kind: failed, status: "5.1.1", text: "there is no such user here"}
	case errors.Is(err, store.ErrMailDisabled):
		return outcome{kind: failed, status: "5.2.1", text: "the mailbox is disabled"}
	case err != nil:
		return outcome{kind: deferred, status: "4.3.0", text: "the recipient cannot be looked up: " + err.Error()}
	}
	for _, id := range r.Accounts {
		switch err := q.o.Store.CheckQuota(ctx, id, body.Size()); {
		case errors.Is(err, store.ErrNeverFits):
			return outcome{kind: failed, status: "5.2.3", text: "the message is larger than the whole mailbox may be"}
		case errors.Is(err, store.ErrOverQuota):
			return outcome{kind: deferred, status: "4.2.2", text: "the mailbox is full"}
		case err != nil:
			return outcome{kind: deferred, status: "4.3.0", text: "the mailbox cannot be looked at: " + err.Error()}
		}
	}
	d := q.o.Store.NewDraft(0)
	if _, err := io.Copy(d, io.NewSectionReader(body, 0, body.Size())); err != nil {
		d.Close()
		return outcome{kind: deferred, status: "4.3.0", text: "the stored message cannot be read: " + err.Error()}
	}
	into := &store.Envelope{
		ID: e.Envelope, From: e.From, Draft: d, Received: q.o.Now(), Accounts: r.Accounts, Remote: r.Forwards, Wishes: e.Wishes,
		Scripted: map[int64]string{},
	}
	for _, id := range r.Scripted {
		into.Scripted[id] = e.To
	}
	if len(r.Forwards) > 0 {
		into.RemoteDraft = q.o.Store.NewDraft(0)
		if _, err := io.Copy(into.RemoteDraft, d.Reader()); err != nil {
			d.Close()
			into.RemoteDraft.Close()
			return outcome{kind: deferred, status: "4.3.0", text: "the stored message cannot be read: " + err.Error()}
		}
	}
	d.Prepend([]byte("Return-Path: <" + e.From + ">\r\n"))
	return outcome{kind: delivered, text: "delivered to its mailbox", into: into}
}
