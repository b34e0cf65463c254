package authd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/seek"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A directory is the file of users, read again whenever it is another one, and the
// directory that has the rest of them, where there is one.
type directory struct {
	path, lookup string

	mu               sync.Mutex
	seen, seenLookup stamp
	users            map[string]*store.Account
	sought           *seek.Directories // nil: there is none
}

// A stamp tells one file from the next: each is written anew and renamed.
type stamp struct {
	size    int64
	changed time.Time
	inode   uint64
}

// Account implements auth.Directory. While the file cannot be read, nobody is
// told that he is wrong.
func (d *directory) Account(ctx context.Context, address string) (*store.Account, error) {
	address = strings.ToLower(address)
	a, sought, err := d.own(address)
	if err != nil || a != nil {
		return a, err
	}
	if sought != nil {
		if a, err = sought.User(ctx, address); err != nil || a != nil {
			return a, err
		}
	}
	return nil, store.ErrNotFound
}

// own is a user of the file, and who is asked for others.
func (d *directory) own(address string) (*store.Account, *seek.Directories, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.refresh(), d.refreshLookup()); err != nil {
		return nil, nil, err
	}
	return d.users[address], d.sought, nil
}

func (d *directory) refresh() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	now := stampOf(info)
	if d.users != nil && now == d.seen {
		return nil
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		return err
	}
	list, err := Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	users := make(map[string]*store.Account, len(list))
	for _, u := range list {
		users[u.Address] = &store.Account{
			Address: u.Address, PasswordHashes: u.Verifiers, Mail: "enabled",
			IMAP: slices.Contains(u.Protocols, auth.ServiceIMAP), POP3: slices.Contains(u.Protocols, auth.ServicePOP3),
		}
	}
	d.users, d.seen = users, now
	return nil
}

func stampOf(info os.FileInfo) stamp {
	s := stamp{size: info.Size(), changed: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}
