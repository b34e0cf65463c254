package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errInbox is the error of deleting INBOX.
var errInbox = errors.New("INBOX cannot be deleted")

// DeleteMailbox deletes a mailbox with its messages, but not those below it. Its
// name stays subscribed. The error is [ErrNotFound].
func (s *Store) DeleteMailbox(ctx context.Context, id int64) error {
	err := s.write(ctx, func(t *tx) error {
		m, err := t.mailbox(id)
		if err != nil {
			return err
		}
		a, err := t.account(m.account)
		if err != nil {
			return err
		}
		if first, err := t.mailboxID(a.id, inbox); err != nil || first == id {
			return cmp.Or(err, errInbox)
		}
		return t.deleteMailbox(a, m)
	})
	if err != nil {
		return fmt.Errorf("delete mailbox: %w", err)
	}
	return nil
}

func (t *tx) deleteMailbox(a *accountState, m *mailboxState) error {
	if err := t.releaseAll(m.id); err != nil {
		return err
	}
	t.add(a, -m.messages, -m.size)
	t.touched(m.id)
	if err := t.forgetMailbox(m.id); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM message WHERE mailbox = ?`,
		`DELETE FROM vanished WHERE mailbox = ?`,
		`DELETE FROM metadata WHERE mailbox = ?`,
		`DELETE FROM acl WHERE mailbox = ?`,
		`DELETE FROM mailbox WHERE id = ?`,
	} {
		if _, err := t.exec(q, m.id); err != nil {
			return fmt.Errorf("delete mailbox %d: %w", m.id, err)
		}
	}
	return nil
}

// releaseAll gives back the bodies of all messages of a mailbox.
func (t *tx) releaseAll(mailbox int64) error {
	type body struct{ id, size int64 }
	var bodies []body
	err := t.rows(`SELECT body, size FROM message WHERE mailbox = ?`, []any{mailbox}, func(r *sql.Rows) error {
		var b body
		defer func() { bodies = append(bodies, b) }()
		return r.Scan(&b.id, &b.size)
	})
	if err != nil {
		return fmt.Errorf("list bodies: %w", err)
	}
	for _, b := range bodies {
		if err := t.release(b.id, b.size, 1); err != nil {
			return err
		}
	}
	return nil
}

// RenameMailbox gives a mailbox and those below it another name. INBOX stays:
// its messages move to a new mailbox (RFC 9051 §6.3.6). Errors: [ErrExists],
// [ErrNotFound].
func (s *Store) RenameMailbox(ctx context.Context, id int64, name string) error {
	name = canonicalName(name)
	if err := checkName(name); err != nil {
		return err
	}
	err := s.write(ctx, func(t *tx) error {
		m, err := t.mailbox(id)
		if err != nil {
			return err
		}
		if taken, err := t.mailboxID(m.account, name); err != nil || taken != 0 {
			return cmp.Or(err, ErrExists)
		}
		var old string
		if err := t.row(`SELECT name FROM mailbox WHERE id = ?`, []any{id}, &old); err != nil {
			return fmt.Errorf("read mailbox %d: %w", id, err)
		}
		if old == inbox {
			return t.emptyInto(m, name)
		}
		return t.rename(m.account, old, name)
	})
	if err != nil {
		return fmt.Errorf("rename mailbox: %w", err)
	}
	return nil
}

// rename moves a branch of the tree of mailboxes.
func (t *tx) rename(account int64, old, name string) error {
	type row struct {
		id   int64
		name string
	}
	var branch []row
	err := t.rows(`SELECT id, name FROM mailbox WHERE account = ?`, []any{account}, func(r *sql.Rows) error {
		var m row
		if err := r.Scan(&m.id, &m.name); err != nil {
			return err
		}
		if m.name == old || strings.HasPrefix(m.name, old+delimiter) {
			branch = append(branch, m)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list mailboxes: %w", err)
	}
	// The deepest first, so that none takes a name that another still has when
	// a mailbox moves below itself.
	slices.SortFunc(branch, func(a, b row) int { return cmp.Compare(b.name, a.name) })
	for _, m := range branch {
		to := name + m.name[len(old):]
		if taken, err := t.mailboxID(account, to); err != nil || taken != 0 {
			return cmp.Or(err, ErrExists)
		}
		if _, err := t.exec(`UPDATE mailbox SET name = ? WHERE id = ?`, to, m.id); err != nil {
			return fmt.Errorf("rename: %w", err)
		}
		t.touched(m.id)
	}
	return t.makeParents(account, name)
}

// emptyInto moves all messages of a mailbox to a new one.
func (t *tx) emptyInto(from *mailboxState, name string) error {
	if err := t.makeParents(from.account, name); err != nil {
		return err
	}
	validity, err := t.uidValidities(1)
	if err != nil {
		return err
	}
	id, err := t.insertMailbox(from.account, name, "", validity)
	if err != nil {
		return err
	}
	to, err := t.mailbox(id)
	if err != nil {
		return err
	}
	rows, err := t.messages(from.id, nil)
	if err != nil {
		return err
	}
	_, err = t.move(from, to, rows, AllRights)
	return err
}

// Subscribe puts a name on the account's list of subscriptions or takes it off
// (RFC 9051 §6.3.7). The name need not be that of a mailbox.
func (s *Store) Subscribe(ctx context.Context, account int64, name string, on bool) error {
	name = canonicalName(name)
	err := s.write(ctx, func(t *tx) error {
		a, err := t.openAccount(account)
		if err != nil {
			return err
		}
		if err := t.makeFolders(a); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM subscription WHERE account = ? AND name = ?`, account, name); err != nil || !on {
			return err
		}
		_, err = t.exec(`INSERT INTO subscription (account, name) VALUES (?, ?)`, account, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// Subscriptions lists the subscribed names, INBOX first.
func (s *Store) Subscriptions(ctx context.Context, account int64) (names []string, err error) {
	// The first mailboxes come subscribed.
	if _, err := s.Mailbox(ctx, account, inbox); err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	err = s.read.rows(ctx, `SELECT name FROM subscription WHERE account = ?`, []any{account}, func(r *sql.Rows) error {
		names = append(names, "")
		return r.Scan(&names[len(names)-1])
	})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	slices.SortFunc(names, func(a, b string) int {
		if a == inbox || b == inbox {
			return strings.Compare(strings.TrimPrefix(a, inbox), strings.TrimPrefix(b, inbox))
		}
		return strings.Compare(a, b)
	})
	return names, nil
}
