package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mailform/mailform/providers/embedded/store"
)

var errNeverFits = reply(552, 5, 2, 2, "Message is larger than the mailbox may be")

// leave takes out of a resolution the accounts that have no room for a message,
// and returns them. The error is that of one of them when nobody is left.
func (s *session) leave(ctx context.Context, r *store.Resolution, size int64) (full []int64, err error) {
	if !r.Limited {
		return nil, nil
	}
	var why error
	for _, id := range r.Accounts {
		switch err := s.srv.o.Store.CheckQuota(ctx, id, size); {
		case errors.Is(err, store.ErrOverQuota):
			full, why = append(full, id), err
		case err != nil:
			return nil, err
		}
	}
	if len(full) > 0 && len(full) == len(r.Accounts) && len(r.Forwards) == 0 {
		return nil, why
	}
	isFull := func(id int64) bool { return slices.Contains(full, id) }
	r.Accounts, r.Scripted = slices.DeleteFunc(r.Accounts, isFull), slices.DeleteFunc(r.Scripted, isFull)
	return full, nil
}

// postpone takes out of a resolution the accounts that have no room, whose mail
// waits in the queue: there it is tried again, and after the last attempt its
// sender is told. Others are not refused because of them.
func (s *session) postpone(ctx context.Context, tx *transaction, a address, r *store.Resolution) error {
	full, err := s.leave(ctx, r, max(tx.size, 1))
	if err != nil {
		return err
	}
	waiting, err := s.addresses(ctx, full)
	if err != nil || len(waiting) == 0 {
		return err
	}
	tx.ask(a, store.Resolution{Forwards: waiting})
	for _, w := range waiting {
		if !slices.Contains(tx.waiting, w) {
			tx.waiting = append(tx.waiting, w)
		}
	}
	return nil
}

// addresses are those of accounts; of one that was closed since there is none.
func (s *session) addresses(ctx context.Context, accounts []int64) ([]string, error) {
	var out []string
	for _, id := range accounts {
		a, err := s.srv.o.Store.AccountByID(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a.Address)
	}
	return out, nil
}

// acceptSome stores a message that has no room in some of its mailboxes, which
// nobody knew before it was there. returnPath is the field on top of the draft,
// which what is queued does not have.
func (s *session) acceptSome(ctx context.Context, e *store.Envelope, returnPath int64, over error) error {
	r := store.Resolution{Accounts: slices.Clone(e.Accounts), Forwards: e.Remote, Limited: true}
	full, err := s.leave(ctx, &r, e.Draft.Size())
	if err != nil {
		return err
	}
	if len(full) == 0 {
		return over // of several copies, or for others; or there is room by now
	}
	waiting, err := s.addresses(ctx, full)
	if err != nil {
		return err
	}
	e.Scripted = maps.Clone(e.Scripted)
	for _, id := range full {
		delete(e.Scripted, id)
	}
	// What scripts have made of it is made anew.
	e.Sorted, e.Further = nil, nil
	e.Accounts, e.Remote = r.Accounts, slices.Concat(e.Remote, waiting)
	if e.RemoteDraft == nil {
		e.RemoteDraft = s.srv.o.Store.NewDraft(0)
		defer e.RemoteDraft.Close()
		if _, err := io.Copy(e.RemoteDraft, io.NewSectionReader(e.Draft, returnPath, e.Draft.Size()-returnPath)); err != nil {
			return fmt.Errorf("copy message for the queue: %w", err)
		}
	}
	return s.srv.o.Store.Accept(ctx, e)
}
