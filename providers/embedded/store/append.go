package store

import (
	"context"
	"fmt"
	"time"
)

// Append stores a message in a mailbox (RFC 9051 §6.3.12). A zero internal date
// means now. Errors: [ErrOverQuota], [ErrNotFound].
func (s *Store) Append(ctx context.Context, mailbox int64, d *Draft, flags []string, internal time.Time) (uidValidity, uid uint32, err error) {
	a, err := s.append(ctx, func(t *tx) (*mailboxState, error) { return t.mailbox(mailbox) }, d, flags, internal)
	return a.UIDValidity, a.UID, err
}

// Appended is where a message has come to.
type Appended struct {
	Mailbox          int64
	UIDValidity, UID uint32
}

// AppendTo is Append to the mailbox that an account has by a name then. Nothing has
// to be read before.
func (s *Store) AppendTo(ctx context.Context, account int64, name string, d *Draft, flags []string, internal time.Time) (Appended, error) {
	return s.append(ctx, func(t *tx) (*mailboxState, error) {
		a, err := t.openAccount(account)
		if err != nil {
			return nil, err
		}
		return t.named(a, canonicalName(name))
	}, d, flags, internal)
}

func (s *Store) append(ctx context.Context, find func(*tx) (*mailboxState, error), d *Draft, flags []string, internal time.Time) (done Appended, err error) {
	if internal.IsZero() {
		internal = time.Now()
	}
	system, keywords := splitFlags(flags)
	err = s.write(ctx, func(t *tx) error {
		m, err := find(t)
		if err != nil {
			return err
		}
		a, err := t.openAccount(m.account)
		if err != nil {
			return err
		}
		size := d.Size()
		if err := a.room(size); err != nil {
			return err
		}
		body, err := t.addBody(d, 1)
		if err != nil {
			return err
		}
		done = Appended{Mailbox: m.id, UIDValidity: m.uidValidity}
		done.UID, err = t.addMessage(a, m, stored{body: body, size: size, flags: system, keywords: joinKeywords(keywords), internal: micros(internal)})
		return err
	})
	if err != nil {
		return Appended{}, fmt.Errorf("append message: %w", err)
	}
	return done, nil
}

// named finds a mailbox of an account by its name. The error is [ErrNotFound].
func (t *tx) named(a *accountState, name string) (*mailboxState, error) {
	if name == inbox {
		return t.deliverTo(a, "", "")
	}
	if err := t.makeFolders(a); err != nil {
		return nil, err
	}
	id, err := t.mailboxID(a.id, name)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, fmt.Errorf("find mailbox: %w", ErrNotFound)
	}
	return t.mailbox(id)
}
