package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Where users find the mailboxes of others (RFC 2342).
const (
	OthersPrefix = "Other Users" + delimiter
	SharedPrefix = "Shared Folders" + delimiter
)

// mostGrants bounds how many a mailbox can be shared with by its users.
const mostGrants = 200

// ErrOwner: the rights of the owner, and those that are declared, are not for users
// to change.
var ErrOwner = errors.New("cannot be changed")

// A Grant is who has which rights.
type Grant struct {
	Identifier string // an address, or Anyone
	Rights     Rights
}

// A SharedMailbox is a mailbox as somebody sees it who may be another than its owner.
type SharedMailbox struct {
	// Mailbox has the name by which he finds it.
	Mailbox
	// Owner is the address of the account that has it, and Own the name there.
	Owner, Own string
	Rights     Rights
}

// Foreign says whether a name lies where the mailboxes of others do.
func Foreign(name string) bool {
	return strings.HasPrefix(name, OthersPrefix) || strings.HasPrefix(name, SharedPrefix)
}

// foreignName is how a viewer finds a mailbox of somebody else: by the local part,
// where they have the same domain, and the inbox without a name of its own.
func foreignName(viewer, owner, name string, declared bool) string {
	prefix := OthersPrefix
	if declared {
		prefix = SharedPrefix
	}
	if domainOf(viewer) == domainOf(owner) {
		owner = owner[:strings.LastIndexByte(owner, '@')]
	}
	if name == inbox {
		return prefix + owner
	}
	return prefix + owner + delimiter + name
}

// ownName is the other way round.
func ownName(viewer, name string) (owner, own string, declared bool) {
	rest, declared := strings.CutPrefix(name, SharedPrefix)
	if !declared {
		rest = strings.TrimPrefix(name, OthersPrefix)
	}
	owner, own, _ = strings.Cut(rest, delimiter)
	if !strings.Contains(owner, "@") {
		owner += "@" + domainOf(viewer)
	}
	if own == "" {
		own = inbox
	}
	return canonicalAddress(owner), own, declared
}

const (
	selectDeclared = `EXISTS (SELECT 1 FROM share WHERE share.address = a.address)`
	// selectRights has a row for each that gives the viewer rights on a mailbox.
	selectRights = `SELECT rights FROM acl WHERE mailbox = ? AND identifier = ?
		UNION ALL SELECT s.rights FROM share s JOIN account a ON a.address = s.address JOIN mailbox m ON m.account = a.id
		WHERE m.id = ? AND s.identifier IN (?, '` + Anyone + `')`
)

type rowsFunc = func(q string, args []any, each func(*sql.Rows) error) error

// rightsOn adds up what somebody who is not the owner may do with a mailbox.
func rightsOn(rows rowsFunc, mailbox int64, viewer string) (all Rights, err error) {
	err = rows(selectRights, []any{mailbox, viewer, mailbox, viewer}, func(r *sql.Rows) error {
		var more Rights
		err := r.Scan(&more)
		all = all.With(more)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the rights on mailbox %d: %w", mailbox, err)
	}
	return all, nil
}

// RightsOn is what an account may do with a mailbox; empty: it may not know of it.
func (s *Store) RightsOn(ctx context.Context, viewer *Account, m *Mailbox) (Rights, error) {
	if m.Account == viewer.ID {
		return AllRights, nil
	}
	return rightsOn(s.readRows(ctx), m.ID, viewer.Address)
}

// MailboxFor finds a mailbox by the name that an account finds it by, its own or of
// somebody else. One that it has no rights on is [ErrNotFound].
func (s *Store) MailboxFor(ctx context.Context, viewer *Account, name string) (*SharedMailbox, error) {
	if Foreign(name) {
		found, err := s.foreign(ctx, viewer, name)
		if !errors.Is(err, ErrNotFound) {
			return found, err
		}
		// He may have made one of such a name before there was sharing.
	}
	m, err := s.Mailbox(ctx, viewer.ID, name)
	if err != nil {
		return nil, err
	}
	return &SharedMailbox{Mailbox: *m, Owner: viewer.Address, Own: m.Name, Rights: AllRights}, nil
}

func (s *Store) foreign(ctx context.Context, viewer *Account, name string) (*SharedMailbox, error) {
	owner, own, shared := ownName(viewer.Address, name)
	var id int64
	var declared bool
	err := s.read.row(ctx, `SELECT a.id, `+selectDeclared+` FROM account a WHERE a.address = ? AND a.closed_at = 0`, []any{owner}, &id, &declared)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (declared != shared || id == viewer.ID):
		return nil, fmt.Errorf("find mailbox: %w", ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("find the owner of a mailbox: %w", err)
	}
	m, err := s.Mailbox(ctx, id, own)
	if err != nil {
		return nil, err
	}
	rights, err := rightsOn(s.readRows(ctx), m.ID, viewer.Address)
	if err != nil {
		return nil, err
	}
	if rights == "" {
		return nil, fmt.Errorf("find mailbox: %w", ErrNotFound)
	}
	found := &SharedMailbox{Mailbox: *m, Owner: owner, Own: m.Name, Rights: rights}
	found.Name = foreignName(viewer.Address, owner, m.Name, declared)
	found.Subscribed = false // by its owner
	return found, nil
}

// MailboxesOfOthers lists what others share with an account, in no order.
func (s *Store) MailboxesOfOthers(ctx context.Context, viewer *Account) ([]SharedMailbox, error) {
	type owner struct {
		id       int64
		address  string
		declared bool
	}
	var owners []owner
	err := s.read.rows(ctx, `SELECT a.id, a.address, `+selectDeclared+` FROM account a
		WHERE a.closed_at = 0 AND a.id <> ? AND (a.address IN (SELECT address FROM share WHERE identifier IN (?, '`+Anyone+`'))
		OR a.id IN (SELECT m.account FROM mailbox m JOIN acl ON acl.mailbox = m.id WHERE acl.identifier = ?))`,
		[]any{viewer.ID, viewer.Address, viewer.Address}, func(r *sql.Rows) error {
			owners = append(owners, owner{})
			o := &owners[len(owners)-1]
			return r.Scan(&o.id, &o.address, &o.declared)
		})
	if err != nil {
		return nil, fmt.Errorf("list who shares mailboxes: %w", err)
	}
	var out []SharedMailbox
	for _, o := range owners {
		all, err := s.Mailboxes(ctx, o.id)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			rights, err := rightsOn(s.readRows(ctx), m.ID, viewer.Address)
			if err != nil {
				return nil, err
			}
			if rights == "" {
				continue
			}
			found := SharedMailbox{Mailbox: m, Owner: o.address, Own: m.Name, Rights: rights}
			found.Name, found.Subscribed = foreignName(viewer.Address, o.address, m.Name, o.declared), false
			out = append(out, found)
		}
	}
	return out, nil
}

// Grants lists who has rights on a mailbox beside its owner, by identifier.
func (s *Store) Grants(ctx context.Context, mailbox int64) ([]Grant, error) {
	var out []Grant
	err := s.read.rows(ctx, `SELECT identifier, rights FROM (SELECT identifier, rights FROM acl WHERE mailbox = ?
		UNION ALL SELECT s.identifier, s.rights FROM share s JOIN account a ON a.address = s.address JOIN mailbox m ON m.account = a.id WHERE m.id = ?) AS grants
		ORDER BY identifier`, []any{mailbox, mailbox}, func(r *sql.Rows) error {
		var g Grant
		err := r.Scan(&g.Identifier, &g.Rights)
		if n := len(out); n > 0 && out[n-1].Identifier == g.Identifier {
			out[n-1].Rights = out[n-1].Rights.With(g.Rights)
			return err
		}
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the rights on mailbox %d: %w", mailbox, err)
	}
	return out, nil
}

// SetGrant gives an account other rights on a mailbox: those that change makes of
// the ones it has. Errors: [ErrNotFound] for the mailbox or the account, [ErrOwner]
// for its owner, for what is declared, and for everybody at once, which is for the
// administrator to say; [ErrTooMany].
func (s *Store) SetGrant(ctx context.Context, mailbox int64, identifier string, change func(Rights) Rights) error {
	identifier = canonicalAddress(identifier)
	if identifier == Anyone {
		return fmt.Errorf("set rights for anyone: %w", ErrOwner)
	}
	err := s.write(ctx, func(t *tx) error {
		m, err := t.mailbox(mailbox)
		if err != nil {
			return err
		}
		var owner string
		if err := t.row(`SELECT address FROM account WHERE id = ?`, []any{m.account}, &owner); err != nil {
			return err
		}
		if !strings.Contains(identifier, "@") {
			identifier += "@" + domainOf(owner)
		}
		if identifier == owner {
			return ErrOwner
		}
		var known, grants int64
		var now Rights
		if err := t.row(`SELECT COUNT(*) FROM account WHERE address = ? AND closed_at = 0`, []any{identifier}, &known); err != nil {
			return err
		}
		err = t.row(`SELECT rights FROM acl WHERE mailbox = ? AND identifier = ?`, []any{mailbox, identifier}, &now)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
			if known == 0 {
				return fmt.Errorf("account %s: %w", identifier, ErrUnknownUser)
			}
		}
		if err != nil {
			return err
		}
		if err := t.row(`SELECT COUNT(*) FROM acl WHERE mailbox = ?`, []any{mailbox}, &grants); err != nil {
			return err
		}
		if now = change(now); now != "" && grants >= mostGrants {
			return ErrTooMany
		}
		if _, err := t.exec(`DELETE FROM acl WHERE mailbox = ? AND identifier = ?`, mailbox, identifier); err != nil || now == "" {
			return err
		}
		_, err = t.exec(`INSERT INTO acl (mailbox, identifier, rights) VALUES (?, ?, ?)`, mailbox, identifier, string(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("set rights on mailbox %d: %w", mailbox, err)
	}
	return nil
}

// foreignFor finds the mailbox of somebody else that a script of an account puts a
// message into, and who has it; nil where the account may not, there is no such
// mailbox, or no room in it.
func (t *tx) foreignFor(a *accountState, name string, size int64) (*accountState, *mailboxState, Rights, error) {
	var viewer string
	if err := t.row(`SELECT address FROM account WHERE id = ?`, []any{a.id}, &viewer); err != nil {
		return nil, nil, "", fmt.Errorf("read account %d: %w", a.id, err)
	}
	owner, own, shared := ownName(viewer, name)
	var id int64
	var declared bool
	err := t.row(`SELECT a.id, `+selectDeclared+` FROM account a WHERE a.address = ? AND a.closed_at = 0`, []any{owner}, &id, &declared)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (declared != shared || id == a.id) {
		return nil, nil, "", nil
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("find the owner of a mailbox: %w", err)
	}
	from, err := t.openAccount(id)
	if err != nil {
		return nil, nil, "", err
	}
	if own == inbox {
		if err := t.makeFolders(from); err != nil {
			return nil, nil, "", err
		}
	}
	mailbox, err := t.mailboxID(id, own)
	if err != nil || mailbox == 0 {
		return nil, nil, "", err
	}
	rights, err := rightsOn(t.rows, mailbox, viewer)
	if err != nil || !rights.has('i') || from.room(size) != nil {
		return nil, nil, "", err
	}
	m, err := t.mailbox(mailbox)
	return from, m, rights, err
}

// isShared says whether an account is that of a shared folder, as is declared.
func (t *tx) isShared(account int64) (bool, error) {
	var n int64
	err := t.row(`SELECT COUNT(*) FROM share s JOIN account a ON a.address = s.address WHERE a.id = ?`, []any{account}, &n)
	if err != nil {
		return false, fmt.Errorf("read what account %d shares: %w", account, err)
	}
	return n > 0, nil
}

// inherit gives a new mailbox the rights of the one above it (RFC 4314 §4).
func (t *tx) inherit(account, id int64, name string) error {
	above := strings.LastIndex(name, delimiter)
	if above < 0 {
		return nil
	}
	parent, err := t.mailboxID(account, canonicalName(name[:above]))
	if err != nil || parent == 0 {
		return err
	}
	return t.copyGrants(parent, id)
}

func (t *tx) copyGrants(from, to int64) error {
	_, err := t.exec(`INSERT INTO acl (mailbox, identifier, rights) SELECT ?, identifier, rights FROM acl WHERE mailbox = ?`, to, from)
	if err != nil {
		return fmt.Errorf("pass on the rights on a mailbox: %w", err)
	}
	return nil
}
