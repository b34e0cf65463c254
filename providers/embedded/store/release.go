package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailform/mailform/providers/embedded/dsn"
)

// release lets go of entries that were held. An entry whose recipient has an
// account here, as a filter may have it held, leaves the queue in the transaction
// that delivers it; others become due.
func (s *Store) release(ctx context.Context, ids []int64) (int, error) {
	n := 0
	var away []int64
	var failed error
	for _, id := range ids {
		home, err := s.releaseHome(ctx, id)
		switch {
		case err != nil: // it stays held, and the others do not wait for it
			failed = errors.Join(failed, err)
		case home:
			n++
		default:
			away = append(away, id)
		}
	}
	m, err := s.changeQueue(ctx, away, func(t *tx, id int64) (int64, error) {
		return t.exec(`UPDATE queue SET held = ? WHERE id = ?`, false, id)
	})
	return n + m, errors.Join(failed, err)
}

// releaseHome delivers a held entry to those who have it here. It reports false
// where there are none: the entry is left as it is.
func (s *Store) releaseHome(ctx context.Context, id int64) (bool, error) {
	found, err := s.queue(ctx, `WHERE id = ? AND held`, id)
	if err != nil || len(found) == 0 {
		return false, err
	}
	e := found[0]
	to, err := s.Resolve(ctx, strings.ToLower(e.To))
	switch {
	case errors.Is(err, ErrUnknownDomain):
		return false, nil
	case errors.Is(err, ErrUnknownUser), errors.Is(err, ErrMailDisabled):
		return false, fmt.Errorf("release entry %d: %s takes no mail any more: %w", id, e.To, err)
	case err != nil:
		return false, err
	}
	if len(to.Accounts)+len(to.Forwards) == 0 {
		return false, nil
	}
	body, err := s.OpenBody(ctx, e.Body)
	if err != nil {
		return false, fmt.Errorf("release entry %d: %w", id, err)
	}
	defer body.Close()
	d := s.NewDraft(0)
	defer d.Close()
	away := s.NewDraft(0)
	defer away.Close()
	if _, err := io.Copy(io.MultiWriter(d, away), io.NewSectionReader(body, 0, body.Size())); err != nil {
		return false, fmt.Errorf("release entry %d: %w", id, err)
	}
	d.Prepend([]byte("Return-Path: <" + e.From + ">\r\n"))
	deliver := &Envelope{Draft: d, From: e.From, ID: e.Envelope, Accounts: to.Accounts, Remote: to.Forwards, RemoteDraft: away,
		Wishes: e.Wishes, Asked: map[string]dsn.Asked{}, Scripted: scripted(to, e.To)}
	for _, f := range to.Forwards {
		deliver.Asked[f] = e.Asked
	}
	done, err := s.sort(ctx, deliver)
	defer done()
	if err != nil {
		return false, fmt.Errorf("release entry %d: %w", id, err)
	}
	gone := false
	err = s.write(ctx, func(t *tx) error {
		gone = false // it may be tried again
		n, err := t.exec(`DELETE FROM queue WHERE id = ? AND held`, id)
		if gone = n == 0; err != nil || gone {
			return err
		}
		if err := t.release(e.Body, e.Size, 1); err != nil {
			return err
		}
		return t.deliver(deliver)
	})
	if err != nil {
		return false, fmt.Errorf("release entry %d: %w", id, err)
	}
	return !gone, nil
}
