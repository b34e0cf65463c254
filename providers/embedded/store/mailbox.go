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

// inbox is the name that each account's first mailbox has, in any case (RFC
// 9051 §5.1).
const inbox = "INBOX"

// delimiter stands between the levels of a mailbox name.
const delimiter = "/"

// folders are the mailboxes of a new account, all subscribed.
var folders = []struct{ name, use string }{
	{inbox, ""},
	{"Sent", `\Sent`},
	{"Drafts", `\Drafts`},
	{"Trash", `\Trash`},
	{"Junk", `\Junk`},
}

func canonicalName(name string) string {
	if strings.EqualFold(name, inbox) {
		return inbox
	}
	return name
}

// makeFolders gives an account its mailboxes when they are first needed: many
// accounts are made at once, and some never used.
func (t *tx) makeFolders(a *accountState) error {
	if a.folders {
		return nil
	}
	folders := folders
	shared, err := t.isShared(a.id)
	if err != nil {
		return err
	}
	if shared {
		folders = folders[:1]
	}
	validity, err := t.uidValidities(int64(len(folders)))
	if err != nil {
		return err
	}
	for i, f := range folders {
		if _, err := t.insertMailbox(a.id, f.name, f.use, validity+int64(i)); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO subscription (account, name) VALUES (?, ?)`, a.id, f.name); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	if _, err := t.exec(`UPDATE account SET folders = ? WHERE id = ?`, true, a.id); err != nil {
		return fmt.Errorf("make folders: %w", err)
	}
	a.folders = true
	return nil
}

func (t *tx) insertMailbox(account int64, name, use string, validity int64) (int64, error) {
	id, err := t.id("mailbox")
	if err != nil {
		return 0, err
	}
	// MODSEQs begin at 1: 0 stands for "none" in RFC 7162.
	if _, err := t.exec(`INSERT INTO mailbox (id, account, name, special_use, uidvalidity, uidnext, modseq, messages, unseen, deleted, size)
		VALUES (?, ?, ?, ?, ?, 1, 1, 0, 0, 0, 0)`, id, account, name, use, validity); err != nil {
		return 0, fmt.Errorf("make mailbox: %w", err)
	}
	return id, nil
}

// mailboxID finds a mailbox by its name; 0: there is none.
func (t *tx) mailboxID(account int64, name string) (id int64, err error) {
	err = t.row(`SELECT id FROM mailbox WHERE account = ? AND name = ?`, []any{account, name}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find mailbox: %w", err)
	}
	return id, nil
}

// specialMailboxID finds a mailbox by what it is for (RFC 6154), the oldest if
// there are several; 0: there is none.
func (t *tx) specialMailboxID(account int64, use string) (id int64, err error) {
	err = t.row(`SELECT id FROM mailbox WHERE account = ? AND special_use = ? ORDER BY id LIMIT 1`, []any{account, use}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find mailbox for %s: %w", use, err)
	}
	return id, nil
}

const selectMailbox = `SELECT m.id, m.account, m.name, m.uidvalidity, m.uidnext, m.modseq, m.special_use,
	s.name IS NOT NULL, m.messages, m.unseen, m.deleted, m.size
	FROM mailbox m LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name `

func (m *Mailbox) columns() []any {
	return []any{&m.ID, &m.Account, &m.Name, &m.UIDValidity, &m.UIDNext, &m.HighestModSeq, &m.SpecialUse,
		&m.Subscribed, &m.Messages, &m.Unseen, &m.Deleted, &m.Size}
}

// Mailboxes lists the mailboxes of an account by name, INBOX first.
func (s *Store) Mailboxes(ctx context.Context, account int64) ([]Mailbox, error) {
	list := func() (ms []Mailbox, err error) {
		err = s.read.rows(ctx, selectMailbox+`WHERE m.account = ?`, []any{account}, func(r *sql.Rows) error {
			ms = append(ms, Mailbox{})
			return r.Scan(ms[len(ms)-1].columns()...)
		})
		return ms, err
	}
	ms, err := list()
	if err == nil && len(ms) == 0 {
		if err = s.haveFolders(ctx, account); err == nil {
			ms, err = list()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	slices.SortFunc(ms, func(a, b Mailbox) int {
		if (a.Name == inbox) != (b.Name == inbox) {
			if a.Name == inbox {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return ms, nil
}

// haveFolders makes sure that an account has its first mailboxes.
func (s *Store) haveFolders(ctx context.Context, account int64) error {
	if s.writer == nil {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		a, err := t.openAccount(account)
		if err != nil {
			return err
		}
		return t.makeFolders(a)
	})
}

// Mailbox finds a mailbox by its name. The error is [ErrNotFound].
func (s *Store) Mailbox(ctx context.Context, account int64, name string) (*Mailbox, error) {
	name = canonicalName(name)
	m := &Mailbox{}
	find := func() error {
		return s.read.row(ctx, selectMailbox+`WHERE m.account = ? AND m.name = ?`, []any{account, name}, m.columns()...)
	}
	err := find()
	if errors.Is(err, sql.ErrNoRows) && slices.ContainsFunc(folders, func(f struct{ name, use string }) bool { return f.name == name }) {
		if err = s.haveFolders(ctx, account); err == nil {
			err = find()
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("find mailbox: %w", err)
	}
	return m, nil
}

// CreateMailbox makes a mailbox and those above it that are missing. specialUse
// is empty or an attribute of RFC 6154. Errors: [ErrExists], [ErrNotFound] for
// the account.
func (s *Store) CreateMailbox(ctx context.Context, account int64, name, specialUse string) (*Mailbox, error) {
	return s.createMailbox(ctx, account, name, specialUse, 0)
}

// CreateMailboxBeside is CreateMailbox by somebody who may make mailboxes in the
// place of another one: who has rights on that has them on one at the top, too.
func (s *Store) CreateMailboxBeside(ctx context.Context, other *SharedMailbox, name, specialUse string) (*Mailbox, error) {
	return s.createMailbox(ctx, other.Account, name, specialUse, other.ID)
}

func (s *Store) createMailbox(ctx context.Context, account int64, name, specialUse string, other int64) (*Mailbox, error) {
	name = canonicalName(name)
	if err := checkName(name); err != nil {
		return nil, err
	}
	err := s.write(ctx, func(t *tx) error {
		a, err := t.openAccount(account)
		if err != nil {
			return err
		}
		if err := t.makeFolders(a); err != nil {
			return err
		}
		if id, err := t.mailboxID(account, name); err != nil || id != 0 {
			return cmp.Or(err, ErrExists)
		}
		if err := t.makeParents(account, name); err != nil {
			return err
		}
		validity, err := t.uidValidities(1)
		if err != nil {
			return err
		}
		id, err := t.insertMailbox(account, name, specialUse, validity)
		if err != nil {
			return err
		}
		if other != 0 && !strings.Contains(name, delimiter) {
			return t.copyGrants(other, id)
		}
		return t.inherit(account, id, name)
	})
	if err != nil {
		return nil, fmt.Errorf("create mailbox: %w", err)
	}
	return s.Mailbox(ctx, account, name)
}

// checkName refuses names that have no place in the hierarchy.
func checkName(name string) error {
	if slices.Contains(strings.Split(name, delimiter), "") {
		return fmt.Errorf("mailbox name %q has an empty level", name)
	}
	return nil
}

// makeParents makes the mailboxes above a name that are missing.
func (t *tx) makeParents(account int64, name string) error {
	for i := range len(name) {
		if name[i] != delimiter[0] {
			continue
		}
		parent := canonicalName(name[:i])
		id, err := t.mailboxID(account, parent)
		if err != nil {
			return err
		}
		if id != 0 {
			continue
		}
		validity, err := t.uidValidities(1)
		if err != nil {
			return err
		}
		made, err := t.insertMailbox(account, parent, "", validity)
		if err != nil {
			return err
		}
		if err := t.inherit(account, made, parent); err != nil {
			return err
		}
	}
	return nil
}
