package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
)

// AppPasswords implements admin.Hooks.
func (d *daemon) AppPasswords(ctx context.Context, user string) ([]admin.AppPassword, error) {
	var users []*store.Account
	if user != "" {
		account, err := d.userNamed(ctx, user)
		if err != nil {
			return nil, err
		}
		users = append(users, account)
	} else {
		var err error
		if users, err = d.store.WithAppPasswords(ctx); err != nil {
			return nil, err
		}
	}
	list := []admin.AppPassword{}
	for _, u := range users {
		some, err := d.store.AppPasswords(ctx, u)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			list = append(list, shownAppPassword(u.Address, p))
		}
	}
	return list, nil
}

func shownAppPassword(user string, p store.AppPassword) admin.AppPassword {
	return admin.AppPassword{User: user, Name: p.Name, Services: p.Services, Declared: p.Declared, Created: stamp(p.Created), Expires: stamp(p.Expires), Used: stamp(p.Used)}
}

// userNamed finds a user for the admin interface.
func (d *daemon) userNamed(ctx context.Context, user string) (*store.Account, error) {
	account, err := d.store.Account(ctx, user)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &admin.Error{Code: admin.CodeNoUser, Message: fmt.Sprintf("there is no user %s", user)}
	}
	return account, err
}

// ChangeAppPassword implements admin.Hooks.
func (d *daemon) ChangeAppPassword(ctx context.Context, r admin.AppPasswordRequest) (admin.AppPassword, error) {
	account, err := d.userNamed(ctx, r.User)
	if err != nil {
		return admin.AppPassword{}, err
	}
	switch r.Action {
	case "add":
		return d.addAppPassword(ctx, account, r)
	case "remove":
		err := d.store.RemoveAppPassword(ctx, account, r.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = &admin.Error{Code: "invalid", Message: fmt.Sprintf("%s has no app password %q", account.Address, r.Name)}
		case errors.Is(err, store.ErrDeclared):
			err = &admin.Error{Code: "invalid", Message: fmt.Sprintf("the app password %q of %s is declared: take its block out of the configuration, and apply", r.Name, account.Address)}
		case err == nil:
			d.log.Info("an app password is removed", "account", account.Address, "app_password", r.Name)
		}
		return admin.AppPassword{User: account.Address, Name: r.Name, Services: []string{}}, err
	}
	return admin.AppPassword{}, &admin.Error{Code: "invalid", Message: fmt.Sprintf("the action is %q: expected add or remove", r.Action)}
}

func (d *daemon) addAppPassword(ctx context.Context, account *store.Account, r admin.AppPasswordRequest) (made admin.AppPassword, err error) {
	refused := func(err error) (admin.AppPassword, error) {
		return admin.AppPassword{}, &admin.Error{Code: "invalid", Message: err.Error()}
	}
	if _, err := schema.ParseAppPasswordName(r.Name); err != nil {
		return refused(fmt.Errorf("%q cannot be the name of an app password: %w", r.Name, err))
	}
	p := store.AppPassword{Name: r.Name, Services: slices.Sorted(slices.Values(r.Services)), Created: time.Now().UTC()}
	p.Services = slices.Compact(p.Services)
	if len(p.Services) == 0 {
		p.Services = slices.Clone(schema.AppServices)
	}
	for _, s := range p.Services {
		if !slices.Contains(schema.AppServices, s) {
			return refused(fmt.Errorf("there is no service %q; there are %s", s, strings.Join(schema.AppServices, ", ")))
		}
	}
	if r.Expires != "" {
		if p.Expires, err = time.Parse(time.RFC3339, r.Expires); err != nil {
			return refused(fmt.Errorf("%q is no time as RFC 3339 writes it", r.Expires))
		}
		if !p.Expires.After(p.Created) {
			return refused(fmt.Errorf("the app password would have expired at %s, which is past", r.Expires))
		}
	}
	others, err := d.store.AppPasswords(ctx, account)
	if err != nil {
		return admin.AppPassword{}, err
	}
	beside := slices.Clone(account.PasswordHashes)
	for _, o := range others {
		beside = append(beside, o.Hashes...)
	}
	secret, hashes, err := auth.NewAppPassword(beside)
	if err != nil {
		return admin.AppPassword{}, err
	}
	p.Hashes = hashes
	err = d.store.AddAppPassword(ctx, account, p)
	switch {
	case errors.Is(err, store.ErrExists):
		return refused(fmt.Errorf("%s has an app password %q already: take that one away first, or choose another name", account.Address, p.Name))
	case errors.Is(err, store.ErrAppPasswords):
		return refused(store.ErrAppPasswords)
	case err != nil:
		return admin.AppPassword{}, err
	}
	d.log.Info("an app password is made", "account", account.Address, "app_password", p.Name, "services", p.Services)
	made = shownAppPassword(account.Address, p)
	made.Secret = secret
	return made, nil
}
