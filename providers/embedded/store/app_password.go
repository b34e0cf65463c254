package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
)

// An AppPassword is a further password of an account, for one program of its owner.
type AppPassword struct {
	// Name is unique in the account.
	Name string
	// Hashes are verifiers of the password. Never log them.
	Hashes []string
	// Services that it is good for, as "imap"; sorted.
	Services []string
	// Declared: it stands in the configuration, and is not the user's to take away.
	Declared bool
	// Created is zero for one that is declared, Expires for one that stays good for
	// ever, Used for one that nobody has logged in with.
	Created, Expires, Used time.Time
}

// Is reports whether another one is the same, made at the same time.
func (p *AppPassword) Is(q *AppPassword) bool {
	return p.Name == q.Name && p.Declared == q.Declared && slices.Equal(p.Hashes, q.Hashes)
}

// ErrAppPasswords: the account has as many app passwords as it can have.
var ErrAppPasswords = fmt.Errorf("an account has %d app passwords at most", schema.MaxAppPasswords)

// appPasswordTables have the app passwords that users, or others for them, have made
// at run time, and when each was used, whoever made it. hashes and services are JSON.
var appPasswordTables = []string{
	`CREATE TABLE app_password (
		account BIGINT NOT NULL REFERENCES account (id),
		name TEXT NOT NULL,
		hashes TEXT NOT NULL,
		services TEXT NOT NULL,
		created_at BIGINT NOT NULL,
		expires_at BIGINT NOT NULL,
		PRIMARY KEY (account, name)
	) {clustered}`,
	`CREATE TABLE app_password_use (
		account BIGINT NOT NULL REFERENCES account (id),
		name TEXT NOT NULL,
		used_at BIGINT NOT NULL,
		PRIMARY KEY (account, name)
	) {clustered}`,
}

// AppPasswords lists the app passwords of an account, those that have expired, too:
// by name, a declared one in place of one of the user's own.
func (s *Store) AppPasswords(ctx context.Context, account *Account) (list []AppPassword, err error) {
	rows := func(q string, args []any, each func(*sql.Rows) error) error { return s.read.rows(ctx, q, args, each) }
	if list, err = appPasswords(rows, account.ID, account.Address); err != nil {
		return nil, fmt.Errorf("list the app passwords of %s: %w", account.Address, err)
	}
	return list, nil
}

func appPasswords(rows func(q string, args []any, each func(*sql.Rows) error) error, account int64, address string) ([]AppPassword, error) {
	byName := map[string]AppPassword{}
	err := rows(`SELECT name, hashes, services, created_at, expires_at FROM app_password WHERE account = ?`, []any{account}, func(r *sql.Rows) error {
		var p AppPassword
		var hashes, services []byte
		var created, expires int64
		if err := r.Scan(&p.Name, &hashes, &services, &created, &expires); err != nil {
			return err
		}
		if json.Unmarshal(hashes, &p.Hashes) != nil || json.Unmarshal(services, &p.Services) != nil {
			return errors.New("the password hashes are damaged") // without their text
		}
		p.Created, p.Expires = fromMicros(created), fromMicros(expires)
		byName[p.Name] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = rows(`SELECT attrs FROM resource WHERE kind = ? AND parent = ?`, []any{schema.KindAppPassword, address}, func(r *sql.Rows) error {
		var text []byte
		var a appPasswordAttrs
		if err := r.Scan(&text); err != nil {
			return err
		}
		if json.Unmarshal(text, &a) != nil {
			return errors.New("a declared one is damaged") // without its text
		}
		byName[a.Name] = a.declared()
		return nil
	})
	if err != nil || len(byName) == 0 {
		return nil, err
	}
	err = rows(`SELECT name, used_at FROM app_password_use WHERE account = ?`, []any{account}, func(r *sql.Rows) error {
		var name string
		var used int64
		if err := r.Scan(&name, &used); err != nil {
			return err
		}
		if p, ok := byName[name]; ok {
			p.Used = fromMicros(used)
			byName[name] = p
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]AppPassword, 0, len(byName))
	for _, p := range byName {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b AppPassword) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// AddAppPassword gives an account another app password, which the caller has checked.
// Errors: [ErrExists], [ErrAppPasswords], [ErrNotFound].
func (s *Store) AddAppPassword(ctx context.Context, account *Account, p AppPassword) error {
	hashes, err := json.Marshal(p.Hashes)
	if err != nil {
		return err
	}
	services, err := json.Marshal(p.Services)
	if err != nil {
		return err
	}
	err = s.changeAppPasswords(ctx, account, func(t *tx, have []AppPassword) error {
		switch {
		case slices.ContainsFunc(have, func(h AppPassword) bool { return h.Name == p.Name }):
			return ErrExists
		case len(have) >= schema.MaxAppPasswords:
			return ErrAppPasswords
		}
		_, err := t.exec(`INSERT INTO app_password (account, name, hashes, services, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)`,
			account.ID, p.Name, string(hashes), string(services), micros(p.Created), micros(p.Expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("add an app password of %s: %w", account.Address, err)
	}
	return nil
}

// RemoveAppPassword takes an app password away. Errors: [ErrNotFound], and
// [ErrDeclared] for one that only the configuration takes away.
func (s *Store) RemoveAppPassword(ctx context.Context, account *Account, name string) error {
	err := s.changeAppPasswords(ctx, account, func(t *tx, have []AppPassword) error {
		i := slices.IndexFunc(have, func(h AppPassword) bool { return h.Name == name })
		switch {
		case i < 0:
			return ErrNotFound
		case have[i].Declared:
			return ErrDeclared
		}
		for _, q := range []string{`DELETE FROM app_password WHERE account = ? AND name = ?`, `DELETE FROM app_password_use WHERE account = ? AND name = ?`} {
			if _, err := t.exec(q, account.ID, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove an app password of %s: %w", account.Address, err)
	}
	return nil
}

// changeAppPasswords runs a change of what an open account has.
func (s *Store) changeAppPasswords(ctx context.Context, account *Account, change func(t *tx, have []AppPassword) error) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.openAccount(account.ID); err != nil {
			return err
		}
		have, err := appPasswords(t.rows, account.ID, account.Address)
		if err != nil {
			return err
		}
		t.effects.directory = true // whether SCRAM is for everybody is asked anew
		return change(t, have)
	})
}

// AppPasswordUsed notes when an app password was last used.
func (s *Store) AppPasswordUsed(ctx context.Context, account int64, name string, when time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		if _, err := t.openAccount(account); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO app_password_use (account, name, used_at) VALUES (?, ?, ?)
			ON CONFLICT (account, name) DO UPDATE SET used_at = excluded.used_at`, account, name, micros(when))
		return err
	})
	if err != nil {
		return fmt.Errorf("note the use of an app password: %w", err)
	}
	return nil
}

// WithAppPasswords lists the open accounts that have app passwords, by address.
func (s *Store) WithAppPasswords(ctx context.Context) (list []*Account, err error) {
	err = s.read.rows(ctx, `SELECT id, address FROM account WHERE closed_at = 0 
		AND (id IN (SELECT account FROM app_password) OR address IN (SELECT parent FROM resource WHERE kind = ?)) ORDER BY address`, []any{schema.KindAppPassword},
		func(r *sql.Rows) error {
			a := new(Account)
			list = append(list, a)
			return r.Scan(&a.ID, &a.Address)
		})
	if err != nil {
		return nil, fmt.Errorf("list who has app passwords: %w", err)
	}
	return list, nil
}
