package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// secretLen is how long a secret is, in bytes.
const secretLen = 32

// secret is a random text that is made when it is asked for the first time, and
// never leaves the store.
func (s *Store) secret(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := s.write(ctx, func(t *tx) error {
		err := t.row(`SELECT value FROM secret WHERE name = ?`, []any{name}, &value)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		value = make([]byte, secretLen)
		if _, err := rand.Read(value); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO secret (name, value) VALUES (?, ?)`, name, value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the secret %s: %w", name, err)
	}
	return value, nil
}

// SenderOf is the sender under which a message goes on from an address here: one
// that leads bounces back here, so that its server finds by SPF that it may be
// from us. That of our own domains stays, as does none, and one that cannot be
// rewritten.
func (s *Store) SenderOf(ctx context.Context, sender, forwarder string) (string, error) {
	if sender == "" {
		return "", nil
	}
	local, err := s.LocalDomain(ctx, domainPart(sender))
	if err != nil || local {
		return sender, err
	}
	if rewritten, ok := s.forwarding.Forward(sender, domainPart(forwarder), s.now()); ok {
		return rewritten, nil
	}
	return sender, nil
}

// A Seal seals a message for its way on from an address here (ARC).
type Seal func(ctx context.Context, from string, d *Draft) error

func domainPart(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// comesBack finds to whom a bounce goes whose recipient is a sender that we have
// rewritten.
func (w *resolver) comesBack(address string) bool {
	local, _, _ := strings.Cut(address, "@")
	sender, err := w.forwarding.Reverse(local, w.now())
	if err != nil {
		return false
	}
	w.passing = true
	w.found.Forwards = append(w.found.Forwards, sender)
	return true
}
