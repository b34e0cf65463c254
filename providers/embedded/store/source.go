package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/mailform/mailform/schema"
)

// A Source knows users and aliases that are not declared in the store. The store
// makes accounts for its users when they log in or get mail. An error is that it
// cannot tell now.
type Source interface {
	// User finds a user by an address in lower case, without an ID; nil: there is none.
	User(ctx context.Context, address string) (*Account, error)
	// Route finds whom mail for an address goes to, itself among them where a user of
	// that address keeps a copy; nil: there is no such alias.
	Route(ctx context.Context, address string) ([]string, error)
	// AliasesOf are the addresses that a user may use beside his own.
	AliasesOf(ctx context.Context, address string) ([]string, error)
}

// SetSource says who knows further users; nil: nobody does.
func (s *Store) SetSource(src Source) {
	if src == nil {
		s.source.Store(nil)
	} else {
		s.source.Store(&src)
	}
	s.directory.drop()
}

func (s *Store) sourceNow() Source {
	if p := s.source.Load(); p != nil {
		return *p
	}
	return nil
}

// sourceOwner is the owner of accounts that were made for a source. Without one
// nobody finds them; they are declared by nobody, and listed nowhere.
const sourceOwner = "*source"

// sourced finds a user of a source, and makes the account where there is none yet, or
// it is not as the source says. The error is [ErrNotFound].
func (s *Store) sourced(ctx context.Context, src Source, address string) (*Account, error) {
	want, err := src.User(ctx, address)
	if err != nil {
		return nil, err
	}
	if want == nil {
		return nil, ErrNotFound
	}
	have, err := scanAccount(s.readRow(ctx), `WHERE owner = '`+sourceOwner+`' AND closed_at = 0 AND address = ?`, address)
	switch {
	case err == nil && slices.Equal(have.PasswordHashes, want.PasswordHashes) && have.Quota == want.Quota &&
		have.IMAP == want.IMAP && have.POP3 == want.POP3 && have.Mail == want.Mail:
		return have, nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, err
	}
	now := accountRow{owner: sourceOwner, revision: rand.Text()[:16], mailboxAttrs: mailboxAttrs{
		Address: address, PasswordHash: want.PasswordHashes, Quota: want.Quota, Mail: want.Mail, Protocols: []string{}}}
	if want.IMAP {
		now.Protocols = append(now.Protocols, "imap")
	}
	if want.POP3 {
		now.Protocols = append(now.Protocols, "pop3")
	}
	err = s.write(ctx, func(t *tx) error {
		row, err := t.accountRow(&applyBatch{now: s.now()}, address)
		if err != nil {
			return err
		}
		if row != nil && row.closedAt == 0 && row.owner != sourceOwner {
			return nil // declared meanwhile
		}
		now.id = 0
		if row != nil {
			now.id = row.id
		}
		return t.writeAccount(&now)
	})
	if err != nil {
		return nil, fmt.Errorf("make an account for %s: %w", address, err)
	}
	return scanAccount(s.readRow(ctx), `WHERE closed_at = 0 AND address = ?`, address)
}

// resolveBySource is [Store.Resolve] where a source knows those who are not
// declared.
func (s *Store) resolveBySource(ctx context.Context, src Source, rcpt string) (Resolution, error) {
	w := resolver{seen: map[string]bool{}, local: map[string]bool{}, forwarding: s.forwarding, now: s.now}
	w.row = s.readRow(ctx)
	w.account = func(address string) (*Account, error) { return s.findAccount(ctx, src, address) }
	w.routeOf = func(address string) (*routeAttrs, error) {
		r, err := w.declaredRoute(address)
		if r != nil || err != nil {
			return r, err
		}
		members, err := src.Route(ctx, address)
		if members == nil || err != nil {
			return nil, err
		}
		return &routeAttrs{Address: address, Type: routeAlias, Members: members}, nil
	}
	if err := w.resolve(rcpt); err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w", rcpt, err)
	}
	return w.found, nil
}

// findAccount finds an open account: a declared one, or one of a source.
func (s *Store) findAccount(ctx context.Context, src Source, address string) (*Account, error) {
	a, err := scanAccount(s.readRow(ctx), declaredAccount, address)
	if !errors.Is(err, ErrNotFound) || src == nil {
		return a, err
	}
	local, err := s.LocalDomain(ctx, domainOf(address))
	if err != nil {
		return nil, err
	}
	if !local {
		return nil, ErrNotFound
	}
	return s.sourced(ctx, src, address)
}

// declaredAccount finds an account that is declared.
const declaredAccount = `WHERE address = ? AND closed_at = 0 AND owner <> '` + sourceOwner + `'`

type lookupAttrs struct {
	Owner         string `json:"owner"`
	URL           string `json:"url"`
	StartTLS      bool   `json:"start_tls"`
	CAFile        string `json:"ca_file"`
	BindDN        string `json:"bind_dn"`
	BindPassword  string `json:"bind_password"`
	UsersBase     string `json:"users_base"`
	UsersFilter   string `json:"users_filter"`
	UserAddress   string `json:"user_address"`
	UserQuota     string `json:"user_quota"`
	UserProtocols string `json:"user_protocols"`
	UserMail      string `json:"user_mail"`
	AliasesBase   string `json:"aliases_base"`
	AliasesFilter string `json:"aliases_filter"`
	AliasAddress  string `json:"alias_address"`
	AliasMembers  string `json:"alias_members"`
	AliasExternal string `json:"alias_external"`
	AliasKeepCopy string `json:"alias_keep_copy"`
}

func (a *lookupAttrs) key() string  { return a.Owner }
func (*lookupAttrs) parent() string { return "" }

func (a *lookupAttrs) check() error {
	_, err := a.lookup()
	return err
}

func (a *lookupAttrs) lookup() (schema.Lookup, error) {
	l := schema.Lookup{
		Owner: a.Owner, URL: a.URL, StartTLS: a.StartTLS, CAFile: a.CAFile, BindDN: a.BindDN, BindPassword: a.BindPassword,
		UsersBase: a.UsersBase, UsersFilter: a.UsersFilter, UserAddress: a.UserAddress, UserQuota: a.UserQuota, UserProtocols: a.UserProtocols, UserMail: a.UserMail,
		AliasesBase: a.AliasesBase, AliasesFilter: a.AliasesFilter, AliasAddress: a.AliasAddress, AliasMembers: a.AliasMembers,
		AliasExternal: a.AliasExternal, AliasKeepCopy: a.AliasKeepCopy,
	}
	return schema.ReadLookup(schema.KindByName(schema.KindLookup).Object(l.Attrs()))
}

// Lookups lists the directories that servers find their users in.
func (s *Store) Lookups(ctx context.Context) (list []schema.Lookup, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindLookup}, func(_ string, a lookupAttrs) {
		if l, lerr := a.lookup(); lerr == nil { // it was checked when it came
			list = append(list, l)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list lookups: %w", err)
	}
	return list, nil
}
