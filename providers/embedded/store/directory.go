package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"

	"github.com/mailform/mailform/providers/embedded/srs"
	"github.com/mailform/mailform/schema"
)

// canonicalAddress is an address as the store keeps it: lower-case, the domain
// in A-label form.
func canonicalAddress(address string) string {
	address = strings.ToLower(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	return address[:at+1] + canonicalDomain(address[at+1:])
}

func canonicalDomain(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	for i := range len(name) {
		if name[i] >= 0x80 {
			if a, err := idna.Lookup.ToASCII(name); err == nil {
				return a
			}
			break
		}
	}
	return name
}

// domainOf is what is behind the @ of an address.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

const selectAccount = `SELECT id, address, hashes, quota, imap, pop3, mail, sieve <> '' OR script <> '' FROM account `

func scanAccount(row func(q string, args []any, into ...any) error, where string, arg any) (*Account, error) {
	var a Account
	var hashes string
	err := row(selectAccount+where, []any{arg}, &a.ID, &a.Address, &hashes, &a.Quota, &a.IMAP, &a.POP3, &a.Mail, &a.Scripted)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(hashes), &a.PasswordHashes); err != nil {
		return nil, errors.New("the password hashes are damaged") // without their text
	}
	return &a, nil
}

func (s *Store) readRow(ctx context.Context) func(q string, args []any, into ...any) error {
	return func(q string, args []any, into ...any) error { return s.read.row(ctx, q, args, into...) }
}

// Account finds an open account by its own address, in any letter case; one that
// takes no mail, too. The error is [ErrNotFound].
func (s *Store) Account(ctx context.Context, address string) (*Account, error) {
	a, err := s.findAccount(ctx, s.sourceNow(), canonicalAddress(address))
	if err != nil {
		return nil, fmt.Errorf("find account %s: %w", address, err)
	}
	return a, nil
}

// AccountByID finds an open account. The error is [ErrNotFound].
func (s *Store) AccountByID(ctx context.Context, id int64) (*Account, error) {
	a, err := scanAccount(s.readRow(ctx), `WHERE id = ? AND closed_at = 0`, id)
	if err != nil {
		return nil, fmt.Errorf("find account %d: %w", id, err)
	}
	return a, nil
}

// LocalDomain reports whether mail for a domain is accepted here.
func (s *Store) LocalDomain(ctx context.Context, name string) (bool, error) {
	var n int
	err := s.read.row(ctx, `SELECT COUNT(*) FROM resource WHERE kind = ? AND key = ?`, []any{schema.KindMailDomain, canonicalDomain(name)}, &n)
	if err != nil {
		return false, fmt.Errorf("find domain %s: %w", name, err)
	}
	return n > 0, nil
}

// AddressesOf lists the addresses that an account may send as: its own, and the
// aliases that it is a direct member of. Sorted but for its own, which is first.
func (s *Store) AddressesOf(ctx context.Context, account int64) ([]string, error) {
	a, err := s.AccountByID(ctx, account)
	if err != nil {
		return nil, err
	}
	list := []string{a.Address}
	err = s.read.rows(ctx, `SELECT m.address FROM route_member m
		JOIN resource r ON r.kind = ? AND r.key = m.address WHERE m.member = ? ORDER BY m.address`,
		[]any{schema.KindRoute, a.Address}, func(r *sql.Rows) error {
			var address string
			if err := r.Scan(&address); err != nil {
				return err
			}
			if address != a.Address && !strings.HasPrefix(address, "@") {
				list = append(list, address)
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("list addresses of account %d: %w", account, err)
	}
	if src := s.sourceNow(); src != nil {
		more, err := src.AliasesOf(ctx, a.Address)
		if err != nil {
			return nil, fmt.Errorf("list addresses of account %d: %w", account, err)
		}
		list = append(list, more...)
	}
	return list, nil
}

// Usage says what an account holds. The error is [ErrNotFound].
func (s *Store) Usage(ctx context.Context, account int64) (u Usage, err error) {
	err = s.read.row(ctx, `SELECT messages, bytes FROM account WHERE id = ?`, []any{account}, &u.Messages, &u.Bytes)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Usage{}, fmt.Errorf("read usage of account %d: %w", account, err)
	}
	return u, nil
}

// CheckQuota checks that a message of some size would fit now; Accept and Append
// check again. The error is [ErrOverQuota].
func (s *Store) CheckQuota(ctx context.Context, account, size int64) error {
	a := accountState{id: account}
	err := s.read.row(ctx, `SELECT quota, bytes FROM account WHERE id = ?`, []any{account}, &a.quota, &a.bytes)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("check quota of account %d: %w", account, err)
	}
	return a.room(size)
}

// directoryCache keeps what recipients resolved to until the directory changes:
// the same few receive most mail.
type directoryCache struct {
	mu       sync.Mutex
	version  uint64
	resolved map[string]Resolution
	scram    *SCRAM // nil: not asked yet
}

// resolutions bounds the cache.
const resolutions = 10000

func (c *directoryCache) get(rcpt string) (r Resolution, version uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok = c.resolved[rcpt]
	return r, c.version, ok
}

// put keeps a resolution unless the directory has changed since version.
func (c *directoryCache) put(rcpt string, r Resolution, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version {
		return
	}
	if c.resolved == nil || len(c.resolved) >= resolutions {
		c.resolved = map[string]Resolution{}
	}
	c.resolved[rcpt] = r
}

func (c *directoryCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.resolved, c.scram = nil, nil
}

// Resolve says where mail for a recipient goes: through aliases and forwards, as
// deep as they lead, each address once, so that loops end. Members elsewhere
// become Forwards; members here that are unknown or take no mail are left out as
// long as anyone remains.
//
// Errors: [ErrUnknownDomain] (for the caller to decide on relaying),
// [ErrUnknownUser], [ErrMailDisabled].
func (s *Store) Resolve(ctx context.Context, rcpt string) (Resolution, error) {
	rcpt = canonicalAddress(rcpt)
	if src := s.sourceNow(); src != nil {
		return s.resolveBySource(ctx, src, rcpt)
	}
	r, version, ok := s.directory.get(rcpt)
	if !ok {
		w := resolver{seen: map[string]bool{}, local: map[string]bool{}, forwarding: s.forwarding, now: s.now}
		err := s.read.snapshot(ctx, func(v *snapshot) error {
			w.row = v.row
			w.account = func(address string) (*Account, error) { return scanAccount(v.row, declaredAccount, address) }
			w.routeOf = w.declaredRoute
			return w.resolve(rcpt)
		})
		if err != nil {
			return Resolution{}, fmt.Errorf("resolve %s: %w", rcpt, err)
		}
		r = w.found
		if !w.passing {
			s.directory.put(rcpt, r, version)
		}
	}
	return Resolution{Accounts: slices.Clone(r.Accounts), Forwards: slices.Clone(r.Forwards), Scripted: slices.Clone(r.Scripted), Limited: r.Limited}, nil
}

// maxExpanded bounds the addresses that one recipient expands to.
const maxExpanded = 10000

// A resolver follows one recipient.
type resolver struct {
	row      func(q string, args []any, into ...any) error
	account  func(address string) (*Account, error)
	routeOf  func(address string) (*routeAttrs, error) // nil: there is none
	seen     map[string]bool
	local    map[string]bool // domains looked up
	found    Resolution
	disabled bool // someone was left out who takes no mail
	// forwarding knows the senders that were rewritten here, at the time now.
	// passing: what was found is one of them, which is not for ever.
	forwarding srs.Scheme
	now        func() time.Time
	passing    bool
}

func (w *resolver) resolve(rcpt string) error {
	if local, err := w.isLocal(rcpt); err != nil || !local {
		if err == nil {
			err = ErrUnknownDomain
		}
		return err
	}
	if err := w.visit(rcpt); err != nil {
		return err
	}
	switch {
	case len(w.found.Accounts)+len(w.found.Forwards) > 0:
		return nil
	case w.disabled:
		return ErrMailDisabled
	default:
		return ErrUnknownUser
	}
}

func (w *resolver) isLocal(address string) (bool, error) {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if local, ok := w.local[domain]; ok {
		return local, nil
	}
	var n int
	err := w.row(`SELECT COUNT(*) FROM resource WHERE kind = ? AND key = ?`, []any{schema.KindMailDomain, domain}, &n)
	if err != nil {
		return false, err
	}
	w.local[domain] = n > 0
	return n > 0, nil
}

// visit follows one local address.
func (w *resolver) visit(address string) error {
	if w.seen[address] {
		return nil
	}
	if len(w.seen) >= maxExpanded {
		return fmt.Errorf("leads to more than %d addresses", maxExpanded)
	}
	w.seen[address] = true
	account, err := w.account(address)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	r, err := w.routeOf(address)
	if err != nil {
		return err
	}
	switch {
	case account != nil && account.Mail == mailDisabled:
		w.disabled = true
		return nil
	case r != nil && r.Type == routeAlias:
		// An alias that has its own address as member keeps a copy.
		if account != nil && slices.Contains(r.Members, address) {
			w.deliver(account)
		}
		return w.follow(r.Members)
	case account != nil && account.Mail == mailForward && r != nil:
		if r.KeepCopy {
			w.deliver(account)
		}
		return w.follow(r.Members)
	case account != nil:
		// A forward whose route is still to come keeps its mail.
		w.deliver(account)
		return nil
	case r != nil:
		return w.follow(r.Members)
	}
	if w.comesBack(address) {
		return nil
	}
	if base, ok := baseOf(address); ok {
		if known, err := w.knows(base); err != nil {
			return err
		} else if known {
			return w.visit(base)
		}
	}
	rest, err := w.routeOf(address[strings.LastIndexByte(address, '@'):])
	if err != nil || rest == nil {
		return err
	}
	return w.follow(rest.Members)
}

// separator divides a local part from what its owner puts behind it, to tell his
// mail apart (RFC 5233): alice+lists@example.com is alice's.
const separator = '+'

// baseOf is an address without what stands behind the separator.
func baseOf(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	i := strings.IndexByte(address, separator)
	if i <= 0 || i > at {
		return "", false
	}
	return address[:i] + address[at:], true
}

// knows says whether an address has an account or a route of its own.
func (w *resolver) knows(address string) (bool, error) {
	account, err := w.account(address)
	if account != nil && err == nil {
		return true, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	r, err := w.routeOf(address)
	return r != nil, err
}

func (w *resolver) deliver(a *Account) {
	if !slices.Contains(w.found.Accounts, a.ID) {
		w.found.Accounts = append(w.found.Accounts, a.ID)
		if a.Scripted {
			w.found.Scripted = append(w.found.Scripted, a.ID)
		}
		w.found.Limited = w.found.Limited || a.Quota > 0
	}
}

// follow goes to the members of a route.
func (w *resolver) follow(members []string) error {
	for _, m := range members {
		local, err := w.isLocal(m)
		if err == nil && local {
			err = w.visit(m)
		} else if err == nil && !w.seen[m] {
			w.seen[m] = true
			w.found.Forwards = append(w.found.Forwards, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// declaredRoute finds the route of an address; nil: there is none.
func (w *resolver) declaredRoute(address string) (*routeAttrs, error) {
	var attrs string
	err := w.row(`SELECT attrs FROM resource WHERE kind = ? AND key = ?`, []any{schema.KindRoute, address}, &attrs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &routeAttrs{}
	if err := json.Unmarshal([]byte(attrs), r); err != nil {
		return nil, fmt.Errorf("route %s: %w", address, err)
	}
	for i, m := range r.Members {
		r.Members[i] = canonicalAddress(m)
	}
	return r, nil
}
