package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
)

// scramPrefix is how a verifier for SCRAM-SHA-256 begins.
const scramPrefix = "{SCRAM-SHA-256}"

// SCRAM is what a login by SCRAM-SHA-256 has to know of all accounts.
type SCRAM struct {
	// Everybody who has any verifier has one for SCRAM, and there is somebody.
	Everybody bool
	// Sample is one of these verifiers, of the oldest account. Never log it.
	Sample string
	// Key is a secret of this store that stays the same.
	Key []byte
}

// SCRAM says whether SCRAM-SHA-256 is for everybody here. Accounts that a directory
// has are judged by it, and it takes only passwords.
func (s *Store) SCRAM(ctx context.Context) (SCRAM, error) {
	if s.sourceNow() != nil {
		return SCRAM{}, nil
	}
	found, version := s.directory.scramNow()
	if found != nil {
		return *found, nil
	}
	var have SCRAM
	var hashes string
	err := s.read.row(ctx, `SELECT hashes FROM account WHERE closed_at = 0 AND hashes LIKE ? ORDER BY id LIMIT 1`, []any{"%" + scramPrefix + "%"}, &hashes)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		s.directory.setSCRAM(&have, version)
		return have, nil
	case err != nil:
		return have, fmt.Errorf("find verifiers: %w", err)
	}
	var list []string
	if err := json.Unmarshal([]byte(hashes), &list); err != nil {
		return have, errors.New("the password hashes are damaged") // without their text
	}
	for _, h := range list {
		if strings.HasPrefix(h, scramPrefix) {
			have.Sample = h
		}
	}
	var without int
	err = s.read.row(ctx, `SELECT COUNT(*) FROM account WHERE closed_at = 0 AND mail <> ? AND hashes NOT IN ('[]', 'null') AND hashes NOT LIKE ?`,
		[]any{mailDisabled, "%" + scramPrefix + "%"}, &without)
	if err != nil {
		return have, fmt.Errorf("find accounts without a verifier: %w", err)
	}
	have.Everybody = without == 0
	if have.Everybody {
		if have.Everybody, err = s.appsForSCRAM(ctx); err != nil {
			return have, fmt.Errorf("find app passwords: %w", err)
		}
	}
	if have.Everybody {
		if have.Key, err = s.secret(ctx, "scram"); err != nil {
			return SCRAM{}, err
		}
	}
	s.directory.setSCRAM(&have, version)
	return have, nil
}

// appsForSCRAM reports whether all app passwords have verifiers with the salt and the
// count of the other passwords of their account: these are handed out before it is
// known which password it will be.
func (s *Store) appsForSCRAM(ctx context.Context) (bool, error) {
	all, begins := true, map[string]string{} // by address
	look := func(address string, account, app []byte) {
		var others, its []string
		if json.Unmarshal(account, &others) != nil || json.Unmarshal(app, &its) != nil {
			all = false
			return
		}
		want, known := begins[address]
		if !known {
			want = scramBeginning(others)
		}
		got := scramBeginning(its)
		if want == "" {
			want = got // of the first app password, where there is no other
		}
		begins[address] = want
		all = all && got != "" && got == want
	}
	err := s.read.rows(ctx, `SELECT a.address, a.hashes, p.hashes FROM app_password p JOIN account a ON a.id = p.account WHERE a.closed_at = 0 AND a.mail <> ? ORDER BY p.account, p.name`,
		[]any{mailDisabled}, func(r *sql.Rows) error {
			var address string
			var account, app []byte
			err := r.Scan(&address, &account, &app)
			look(address, account, app)
			return err
		})
	if err != nil || !all {
		return false, err
	}
	err = s.read.rows(ctx, `SELECT a.address, a.hashes, r.attrs FROM resource r JOIN account a ON a.address = r.parent WHERE r.kind = ? AND a.closed_at = 0 AND a.mail <> ? ORDER BY r.key`,
		[]any{schema.KindAppPassword, mailDisabled}, func(r *sql.Rows) error {
			var address string
			var account, text []byte
			if err := r.Scan(&address, &account, &text); err != nil {
				return err
			}
			var a appPasswordAttrs
			if json.Unmarshal(text, &a) != nil {
				return errors.New("a declared one is damaged") // without its text
			}
			app, err := json.Marshal(a.PasswordHash)
			look(address, account, app)
			return err
		})
	return all, err
}

// scramBeginning is what verifiers for SCRAM that can stand for each other have in
// common: the count and the salt; empty: there is none.
func scramBeginning(hashes []string) string {
	for _, h := range hashes {
		if f := strings.SplitN(h, ",", 3); strings.HasPrefix(h, scramPrefix) && len(f) == 3 {
			return f[0] + "," + f[1]
		}
	}
	return ""
}

func (c *directoryCache) scramNow() (*SCRAM, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scram, c.version
}

// setSCRAM keeps an answer unless the directory has changed since version.
func (c *directoryCache) setSCRAM(found *SCRAM, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version {
		c.scram = found
	}
}

// Sample returns the verifiers of an account that has any, those of its app passwords among them, the same one for a number
// as long as the accounts are the same; nil where there is none.
func (s *Store) Sample(ctx context.Context, n uint64) ([]string, error) {
	var most int64
	if err := s.read.row(ctx, `SELECT COALESCE(MAX(id), 0) FROM account`, nil, &most); err != nil || most == 0 {
		return nil, err
	}
	const where = `SELECT id, address, hashes FROM account WHERE id >= ? AND closed_at = 0 AND hashes NOT IN ('[]', 'null') ORDER BY id LIMIT 1`
	for _, from := range []int64{int64(n%uint64(most)) + 1, 0} { // behind the last one comes the first
		var a Account
		var hashes string
		err := s.read.row(ctx, where, []any{from}, &a.ID, &a.Address, &hashes)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find verifiers: %w", err)
		}
		var list []string
		if json.Unmarshal([]byte(hashes), &list) != nil {
			return nil, errors.New("the password hashes are damaged") // without their text
		}
		apps, err := s.AppPasswords(ctx, &a)
		for _, p := range apps {
			list = append(list, p.Hashes...)
		}
		return list, err
	}
	return nil, nil
}
