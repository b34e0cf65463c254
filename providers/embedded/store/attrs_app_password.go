package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type appPasswordAttrs struct {
	User         string   `json:"user"`
	Name         string   `json:"name"`
	PasswordHash []string `json:"password_hash"`
	Services     []string `json:"services"`
	Expires      string   `json:"expires"` // RFC 3339; empty: never
}

func (a *appPasswordAttrs) key() string    { return a.User + "/" + a.Name }
func (a *appPasswordAttrs) parent() string { return a.User }

func (a *appPasswordAttrs) check() error {
	if err := checkAddress("user", a.User); err != nil {
		return err
	}
	if _, err := schema.ParseAppPasswordName(a.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if len(a.PasswordHash) == 0 {
		return errors.New("password_hash is empty")
	}
	for i, h := range a.PasswordHash {
		if _, err := schema.ParsePasswordHash(h); err != nil {
			return fmt.Errorf("password_hash[%d]: %w", i, err)
		}
	}
	if len(a.Services) == 0 || !slices.IsSorted(a.Services) {
		return errors.New("services is empty or not sorted")
	}
	for _, s := range a.Services {
		if !slices.Contains(schema.AppServices, s) {
			return fmt.Errorf("services has %q: expected %s", s, schema.Or(schema.AppServices))
		}
	}
	if a.Expires == "" {
		return nil
	}
	if t, err := schema.ParseTime(a.Expires); err != nil || t.Format(time.RFC3339) != a.Expires {
		return fmt.Errorf("expires is %q: expected a time in UTC as RFC 3339 writes it", a.Expires)
	}
	return nil
}

// declared is the app password as logins see it.
func (a *appPasswordAttrs) declared() AppPassword {
	p := AppPassword{Name: a.Name, Hashes: a.PasswordHash, Services: a.Services, Declared: true}
	if a.Expires != "" {
		p.Expires, _ = schema.ParseTime(a.Expires) // it was checked
	}
	return p
}

// followAppPassword forgets when one was used that is there no more.
func (t *tx) followAppPassword(d *declared, done verdict) error {
	if done != remove {
		return nil
	}
	_, err := t.exec(`DELETE FROM app_password_use WHERE account = (SELECT id FROM account WHERE address || '/' || app_password_use.name = ?)`, d.Key)
	return err
}
