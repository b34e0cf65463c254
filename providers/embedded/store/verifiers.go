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
	var apps int
	if err := s.read.row(ctx, `SELECT (SELECT COUNT(*) FROM app_password p JOIN account a ON a.id = p.account WHERE a.closed_at = 0 AND a.mail <> ?)
		+ (SELECT COUNT(*) FROM resource WHERE kind = ?)`, []any{mailDisabled, schema.KindAppPassword}, &apps); err != nil {
		return have, fmt.Errorf("find app passwords: %w", err)
	}
	// Of several passwords the salt of one cannot be handed out before it is known
	// which one it will be.
	have.Everybody = without == 0 && apps == 0
	if have.Everybody {
		if have.Key, err = s.secret(ctx, "scram"); err != nil {
			return SCRAM{}, err
		}
	}
	s.directory.setSCRAM(&have, version)
	return have, nil
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
