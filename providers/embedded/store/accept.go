package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Accept stores a message that was received: a copy for each account, a queue
// entry for each remote recipient, all or nothing. When it returns nil the
// message is on disk and a 250 may be answered.
//
// The error is [ErrOverQuota] when one of the accounts has no room, and
// [ErrUnknownUser] when one of them has been closed since it was resolved, and
// [ErrRejected] when nobody wants it. It is a [*SendLimitError] when its sender has
// sent as much as he may.
func (s *Store) Accept(ctx context.Context, e *Envelope) error {
	done, err := s.sort(ctx, e)
	defer done()
	if err != nil {
		return fmt.Errorf("accept message: %w", err)
	}
	err = s.write(ctx, func(t *tx) error {
		if err := t.checkRoom(e); err != nil {
			return err
		}
		if err := t.countSent(e.Sending, s.now()); err != nil {
			return err
		}
		return t.deliver(e)
	})
	if err != nil {
		return fmt.Errorf("accept message: %w", err)
	}
	return nil
}

// checkRoom checks that the message fits into the quota of each account.
func (t *tx) checkRoom(e *Envelope) error {
	size := e.Draft.Size()
	for _, id := range e.Accounts {
		a, err := t.recipient(id)
		if err != nil {
			return err
		}
		if err := a.room(size * int64(e.copies(id))); err != nil {
			return err
		}
	}
	for _, f := range e.Further {
		if err := t.checkRoom(f); err != nil {
			return err
		}
	}
	return nil
}

// recipient finds an account that a message is for.
func (t *tx) recipient(id int64) (*accountState, error) {
	a, err := t.openAccount(id)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("account %d was closed: %w", id, ErrUnknownUser)
	}
	return a, err
}

// deliver stores a message for all that it is for, whatever their quota.
func (t *tx) deliver(e *Envelope) error {
	if due, err := t.tell(e.Once); err != nil || !due {
		return err
	}
	if err := t.deliverHere(e); err != nil {
		return err
	}
	for _, f := range e.Further {
		if err := t.deliver(f); err != nil {
			return err
		}
	}
	for _, r := range e.Reports {
		// Whom a report is for may be gone: nobody misses it then.
		if err := t.deliver(r); err != nil && !errors.Is(err, ErrUnknownUser) {
			return err
		}
	}
	return nil
}

// deliverHere is deliver without what else goes on its way.
func (t *tx) deliverHere(e *Envelope) error {
	at := e.Received
	if at.IsZero() {
		at = time.Now()
	}
	ids := e.Accounts
	if len(ids) > 1 {
		ids = slices.Clone(ids)
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	// All that can refuse the message comes before the first change.
	size := e.Draft.Size()
	accounts := make([]*accountState, len(ids))
	for i, id := range ids {
		a, err := t.recipient(id)
		if err != nil {
			return err
		}
		accounts[i] = a
	}
	remote := e.RemoteDraft
	refs := 0
	for _, a := range accounts {
		refs += e.copies(a.id)
	}
	if remote == nil || len(e.Remote) == 0 {
		remote = e.Draft
		refs += len(e.Remote)
	}
	if refs == 0 && len(e.Remote) == 0 {
		return nil
	}
	var body int64
	if refs > 0 {
		var err error
		if body, err = t.addBody(e.Draft, refs); err != nil {
			return err
		}
	}
	for _, a := range accounts {
		if e.Sorted[a.id] != nil {
			if err := t.deliverSorted(a, e, stored{body: body, size: size, internal: micros(at)}); err != nil {
				return err
			}
			continue
		}
		m, err := t.deliverTo(a, e.Mailbox, e.SpecialUse)
		if err != nil {
			return err
		}
		if _, err := t.addMessage(a, m, stored{body: body, size: size, internal: micros(at)}); err != nil {
			return err
		}
	}
	if len(e.Remote) == 0 {
		return nil
	}
	if remote != e.Draft {
		var err error
		if body, err = t.addBody(remote, len(e.Remote)); err != nil {
			return err
		}
	}
	return t.enqueue(e, body, remote.Size(), at)
}

// deliverTo finds the mailbox that mail for an account goes to.
func (t *tx) deliverTo(a *accountState, name, use string) (*mailboxState, error) {
	if err := t.makeFolders(a); err != nil {
		return nil, err
	}
	if name != "" && canonicalName(name) != inbox {
		id, err := t.mailboxID(a.id, canonicalName(name))
		if err != nil {
			return nil, err
		}
		if id != 0 {
			return t.mailbox(id)
		}
	}
	if use != "" {
		id, err := t.specialMailboxID(a.id, use)
		if err != nil {
			return nil, err
		}
		if id != 0 {
			return t.mailbox(id)
		}
	}
	if a.inbox == 0 {
		id, err := t.mailboxID(a.id, inbox)
		if err != nil {
			return nil, err
		}
		if id == 0 {
			return nil, fmt.Errorf("account %d has no INBOX: %w", a.id, ErrNotFound)
		}
		a.inbox = id
	}
	return t.mailbox(a.inbox)
}

// stored is a message as it goes into a mailbox.
type stored struct {
	body, size int64
	flags      systemFlags
	keywords   string
	internal   int64
}

// addMessage adds a message to a mailbox and counts it. The body's reference is
// the caller's matter, as is the quota.
func (t *tx) addMessage(a *accountState, m *mailboxState, s stored) (uid uint32, err error) {
	if m.uidNext == 0 {
		return 0, fmt.Errorf("mailbox %d has used up its UIDs", m.id)
	}
	modSeq := t.change(m)
	uid = m.uidNext
	m.uidNext++
	m.count(s.flags, s.size, 1)
	t.add(a, 1, s.size)
	if _, err := t.exec(`INSERT INTO message (mailbox, uid, modseq, body, size, flags, keywords, internal, saved) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.id, int64(uid), int64(modSeq), s.body, s.size, int64(s.flags), s.keywords, s.internal, micros(time.Now())); err != nil {
		return 0, fmt.Errorf("write message: %w", err)
	}
	return uid, nil
}

// count adds n messages of some flags and a size to the counters of a mailbox.
func (m *mailboxState) count(f systemFlags, size, n int64) {
	m.messages += n
	m.size += n * size
	if f&flagSeen == 0 {
		m.unseen += n
	}
	if f&flagDeleted != 0 {
		m.deleted += n
	}
}
