// Package seek finds users and aliases in directories, by LDAP, for a server that
// does not keep them itself.
//
// What is found is remembered for a short time; that there is nobody is not, so that
// whoever is new gets mail at once. A directory that does not answer is an error, and
// never nobody.
package seek

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/ldap/ldapconn"
	"github.com/mailform/mailform/schema"
)

const (
	// timeout is how long a directory may take to answer.
	timeout = 5 * time.Second
	// remembered is how long an answer is good.
	remembered = 10 * time.Second
	// most bounds how many are remembered.
	most = 10000
)

// Directories are asked one after the other. They are a [store.Source].
type Directories struct {
	list []*directory
}

// New makes what asks them. It opens no connection yet.
func New(lookups []schema.Lookup) *Directories {
	d := &Directories{}
	for _, l := range lookups {
		d.list = append(d.list, &directory{Lookup: l, users: map[string]answer{}, routes: map[string]answer{}})
	}
	return d
}

// Close ends all connections.
func (d *Directories) Close() {
	for _, one := range d.list {
		one.drop(nil)
	}
}

// User finds a user by his address; nil: there is none.
func (d *Directories) User(ctx context.Context, address string) (*store.Account, error) {
	for _, one := range d.list {
		e, err := one.remember(one.users, address, func() (*goldap.Entry, error) {
			return one.find(ctx, one.UsersBase, "(&"+one.UsersFilter+equals(one.UserAddress, address)+")", one.UserAddress, one.UserQuota, one.UserProtocols, one.UserMail)
		})
		if e != nil || err != nil {
			return one.account(e, address), err
		}
	}
	return nil, nil
}

// Route finds whom mail for an address goes to beside a user of that address; nil:
// there is no such alias.
func (d *Directories) Route(ctx context.Context, address string) ([]string, error) {
	for _, one := range d.list {
		if !one.HasAliases() {
			continue
		}
		e, err := one.remember(one.routes, address, func() (*goldap.Entry, error) {
			return one.find(ctx, one.AliasesBase, "(&"+one.AliasesFilter+equals(one.AliasAddress, address)+")", one.AliasAddress, one.AliasMembers, one.AliasExternal, one.AliasKeepCopy)
		})
		if err != nil {
			return nil, err
		}
		if e != nil {
			return one.members(ctx, e, address)
		}
	}
	return nil, nil
}

// AliasesOf are the addresses of the aliases that a user is a member of.
func (d *Directories) AliasesOf(ctx context.Context, address string) ([]string, error) {
	var list []string
	for _, one := range d.list {
		if !one.HasAliases() {
			continue
		}
		member := equals(one.AliasMembers, address)
		if one.Groups() {
			e, err := one.find(ctx, one.UsersBase, "(&"+one.UsersFilter+equals(one.UserAddress, address)+")", one.UserAddress)
			if err != nil {
				return nil, err
			}
			if e == nil {
				continue
			}
			member = equals(one.AliasMembers, e.DN)
		}
		found, err := one.search(ctx, one.AliasesBase, goldap.ScopeWholeSubtree, "(&"+one.AliasesFilter+member+")", 0, one.AliasAddress)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			for _, a := range e.GetEqualFoldAttributeValues(one.AliasAddress) {
				if a = strings.ToLower(a); a != address && !strings.HasPrefix(a, "@") {
					list = append(list, a)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// A directory is one of them, with a connection that is opened when it is needed.
type directory struct {
	schema.Lookup

	mu            sync.Mutex
	conn          *goldap.Conn
	users, routes map[string]answer
}

type answer struct {
	entry *goldap.Entry
	until time.Time
}

// remember asks, unless it has done so a moment ago.
func (d *directory) remember(answers map[string]answer, address string, ask func() (*goldap.Entry, error)) (*goldap.Entry, error) {
	d.mu.Lock()
	a, ok := answers[address]
	d.mu.Unlock()
	if ok && time.Now().Before(a.until) {
		return a.entry, nil
	}
	e, err := ask()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(answers) >= most {
		clear(answers)
	}
	delete(answers, address)
	if e != nil {
		answers[address] = answer{e, time.Now().Add(remembered)}
	}
	return e, nil
}

// account is a user as the store has him. Passwords are judged by the directory.
func (d *directory) account(e *goldap.Entry, address string) *store.Account {
	if e == nil {
		return nil
	}
	v := schema.LDAPVerifier{Server: d.Server, StartTLS: d.StartTLS, CAFile: d.CAFile, DN: e.DN}
	a := &store.Account{Address: address, PasswordHashes: []string{v.String()}, IMAP: true, POP3: true, Mail: "enabled"}
	if d.UserQuota != "" {
		if n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(d.UserQuota), 10, 64); err == nil && n > 0 {
			a.Quota = n
		}
	}
	if d.UserProtocols != "" {
		if list := e.GetEqualFoldAttributeValues(d.UserProtocols); len(list) > 0 {
			a.IMAP, a.POP3 = slices.Contains(list, "imap"), slices.Contains(list, "pop3")
		}
	}
	if d.UserMail != "" {
		if mail := e.GetEqualFoldAttributeValue(d.UserMail); mail == "disabled" || mail == "forward" {
			a.Mail = mail
		}
	}
	return a
}

// members are the addresses of an alias; of a forward that keeps a copy its own too.
func (d *directory) members(ctx context.Context, e *goldap.Entry, address string) ([]string, error) {
	list := e.GetEqualFoldAttributeValues(d.AliasMembers)
	if d.Groups() {
		names := list
		list = nil
		if d.AliasExternal != "" {
			list = e.GetEqualFoldAttributeValues(d.AliasExternal)
		}
		for _, name := range names {
			found, err := d.search(ctx, name, goldap.ScopeBaseObject, d.UsersFilter, 1, d.UserAddress)
			if err != nil {
				return nil, err
			}
			for _, user := range found {
				list = append(list, user.GetEqualFoldAttributeValues(d.UserAddress)...)
			}
		}
	}
	out := make([]string, 0, len(list)+1)
	for _, m := range list {
		out = append(out, strings.ToLower(m))
	}
	if d.AliasKeepCopy != "" && strings.EqualFold(e.GetEqualFoldAttributeValue(d.AliasKeepCopy), "TRUE") {
		out = append(out, address)
	}
	return out, nil
}

func equals(attribute, value string) string {
	return "(" + attribute + "=" + goldap.EscapeFilter(value) + ")"
}

// find finds the one entry of an address; nil: there is none.
func (d *directory) find(ctx context.Context, base, filter string, attributes ...string) (*goldap.Entry, error) {
	found, err := d.search(ctx, base, goldap.ScopeWholeSubtree, filter, 2, attributes...)
	switch {
	case err != nil || len(found) == 0:
		return nil, err
	case len(found) > 1:
		return nil, fmt.Errorf("two entries of the directory have one address, %s and %s: it is not clear which is meant", found[0].DN, found[1].DN)
	}
	return found[0], nil
}

// search asks. A connection that has ended meanwhile is opened again, once.
func (d *directory) search(ctx context.Context, base string, scope int, filter string, limit int, attributes ...string) ([]*goldap.Entry, error) {
	attributes = slices.DeleteFunc(slices.Clone(attributes), func(a string) bool { return a == "" })
	for again := true; ; again = false {
		conn, fresh, err := d.open(ctx)
		if err != nil {
			return nil, fmt.Errorf("the directory %s cannot be asked: %w", d.URL, err)
		}
		result, err := conn.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, limit, int(timeout/time.Second), false, filter, attributes, nil))
		switch {
		case err == nil:
			return result.Entries, nil
		case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) && scope == goldap.ScopeBaseObject:
			return nil, nil // a member who is gone
		case errors.Is(err, context.Canceled):
			return nil, err
		}
		d.drop(conn)
		if fresh || !again || ctx.Err() != nil {
			return nil, fmt.Errorf("the directory %s cannot be asked: %w", d.URL, err)
		}
	}
}

// open is the connection, and whether it is a new one.
func (d *directory) open(ctx context.Context) (conn *goldap.Conn, fresh bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && !d.conn.IsClosing() {
		return d.conn, false, nil
	}
	conn, err = ldapconn.Open(ctx, ldapconn.Options{Server: d.Server, StartTLS: d.StartTLS, CAFile: d.CAFile, Timeout: timeout})
	if err != nil {
		return nil, false, err
	}
	if d.BindDN != "" {
		if _, err = conn.SimpleBind(&goldap.SimpleBindRequest{Username: d.BindDN, Password: d.BindPassword}); err != nil {
			_ = conn.Close()
			return nil, false, err
		}
	}
	d.conn = conn
	return conn, true, nil
}

// drop ends a connection; nil: whichever there is.
func (d *directory) drop(conn *goldap.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && (conn == nil || d.conn == conn) {
		_ = d.conn.Close()
		d.conn = nil
	}
}
