package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Sorter decides for the accounts of Envelope.Scripted what becomes of a
// message: it fills Sorted, Further and Reports. It runs before the transaction. Where its
// error is a [*RejectedError] the message is refused.
type Sorter func(ctx context.Context, e *Envelope) error

// SetSorter sets what sorts the mail of accounts with scripts. It is called once,
// before there is mail; without it scripts do nothing.
func (s *Store) SetSorter(sorter Sorter) { s.sorter = sorter }

// A RejectedError says why nobody wants a message. It is [ErrRejected].
type RejectedError struct{ Reason string }

func (e *RejectedError) Error() string        { return "rejected: " + e.Reason }
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// sort lets the sorter work on a message. The drafts that it has made are closed
// by done.
func (s *Store) sort(ctx context.Context, e *Envelope) (done func(), err error) {
	if s.sorter == nil || len(e.Scripted) == 0 {
		return func() {}, nil
	}
	reports := len(e.Reports) // which are the caller's
	err = s.sorter(ctx, e)
	return func() {
		for _, f := range slices.Concat(e.Further, e.Reports[reports:]) {
			f.Draft.Close()
			if f.RemoteDraft != nil {
				f.RemoteDraft.Close()
			}
		}
	}, err
}

// scripted are the accounts of a resolution that have scripts, with the recipient.
func scripted(r Resolution, rcpt string) map[int64]string {
	if len(r.Scripted) == 0 {
		return nil
	}
	m := make(map[int64]string, len(r.Scripted))
	for _, id := range r.Scripted {
		m[id] = rcpt
	}
	return m
}

// copies is how many messages an account gets of one that is for it.
func (e *Envelope) copies(account int64) int {
	if places := e.Sorted[account]; places != nil {
		return len(places)
	}
	return 1
}

// deliverSorted puts a message where it was sorted to.
func (t *tx) deliverSorted(a *accountState, e *Envelope, m stored) error {
	for _, p := range e.Sorted[a.id] {
		name, use := p.Mailbox, ""
		switch {
		case p.SpecialUse != "":
			// Only where there is none by its use, the name counts.
			id, err := t.specialUse(a, p.SpecialUse)
			if err != nil {
				return err
			}
			if id != 0 {
				name, use = "", p.SpecialUse
			}
		case name == "":
			name, use = e.Mailbox, e.SpecialUse
		}
		if use == "" && Foreign(name) {
			owner, to, rights, err := t.foreignFor(a, name, m.size)
			if err != nil {
				return err
			}
			if to != nil {
				copied := m
				system, keywords := splitFlags(p.Flags)
				copied.flags, copied.keywords = system, joinKeywords(keywords)
				if _, err := t.addMessage(owner, to, rights.keep(copied)); err != nil {
					return err
				}
				continue
			}
			name, use = e.Mailbox, e.SpecialUse // it is his, and goes where unsorted mail does
		} else if p.Create && name != "" {
			if err := t.haveMailbox(a, name, p.SpecialUse); err != nil {
				return err
			}
		}
		to, err := t.deliverTo(a, name, use)
		if err != nil {
			return err
		}
		copied := m
		system, keywords := splitFlags(p.Flags)
		copied.flags, copied.keywords = system, joinKeywords(keywords)
		if _, err := t.addMessage(a, to, copied); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) specialUse(a *accountState, use string) (int64, error) {
	if err := t.makeFolders(a); err != nil {
		return 0, err
	}
	return t.specialMailboxID(a.id, use)
}

// haveMailbox makes a mailbox that is missing, subscribed as one is that its
// owner made.
func (t *tx) haveMailbox(a *accountState, name, use string) error {
	if err := t.makeFolders(a); err != nil {
		return err
	}
	name = canonicalName(name)
	id, err := t.mailboxID(a.id, name)
	if err != nil || id != 0 || checkName(name) != nil {
		return err
	}
	if err := t.makeParents(a.id, name); err != nil {
		return err
	}
	validity, err := t.uidValidities(1)
	if err != nil {
		return err
	}
	if _, err := t.insertMailbox(a.id, name, use, validity); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM subscription WHERE account = ? AND name = ?`, a.id, name); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO subscription (account, name) VALUES (?, ?)`, a.id, name)
	return err
}

// tell reports whether something is to be told now, and notes that it was.
func (t *tx) tell(o *Once) (due bool, err error) {
	if o == nil {
		return true, nil
	}
	now := time.Now()
	var until int64
	err = t.row(`SELECT until_at FROM told WHERE account = ? AND what = ?`, []any{o.Account, o.What}, &until)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("find out what was told: %w", err)
	}
	if until > micros(now) {
		return false, nil
	}
	if _, err := t.exec(`DELETE FROM told WHERE account = ? AND what = ?`, o.Account, o.What); err != nil {
		return false, fmt.Errorf("note what is told: %w", err)
	}
	if _, err := t.exec(`INSERT INTO told (account, what, until_at) VALUES (?, ?, ?)`, o.Account, o.What, micros(now.Add(o.Interval))); err != nil {
		return false, fmt.Errorf("note what is told: %w", err)
	}
	return true, nil
}

// ForgetTold forgets what was told so long ago that it may be told again.
func (s *Store) ForgetTold(ctx context.Context, now time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM told WHERE until_at <= ?`, micros(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget what was told: %w", err)
	}
	return nil
}

// Script is the script that sorts the mail of an account: the declared one, or
// else the user's own that is active. Empty: there is none.
func (s *Store) Script(ctx context.Context, account int64) (string, error) {
	var declared string
	var own sql.NullString
	err := s.read.row(ctx, `SELECT a.sieve, s.text FROM account a LEFT JOIN script s ON s.account = a.id AND s.name = a.script
		WHERE a.id = ? AND a.closed_at = 0`, []any{account}, &declared, &own)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("find the script of account %d: %w", account, err)
	}
	if declared != "" {
		return declared, nil
	}
	return own.String, nil
}
