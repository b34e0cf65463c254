package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Greylisting says how long a sender that nobody knows is put off.
type Greylisting struct {
	Delay       time.Duration // before another attempt is taken
	RetryWithin time.Duration // of the first attempt; later ones are first ones
	Keep        time.Duration // since a sender was last seen, that it is known
	// KnownAfter is after how many senders that came again all of a network are
	// taken at once; 0: never.
	KnownAfter int
}

// Greylist says whether a message from a client to a recipient is taken, and remembers
// that it came; wait is how long the sender has to wait yet. What it knows outlives the
// daemon.
//
// A sender is known by the network of the client (an IPv4 /24, an IPv6 /64: large senders
// try again from another machine), its address and the recipient's.
func (s *Store) Greylist(ctx context.Context, g Greylisting, client netip.Addr, sender, recipient string) (wait time.Duration, err error) {
	k := greyKey{greyNetwork(client), greySender(sender), strings.ToLower(recipient)}
	now := s.now()
	var do greyAction
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		known, err := k.look(v.row)
		wait, do = g.decide(known, now)
		return err
	})
	if err == nil && do != greyNothing {
		err = s.write(ctx, func(t *tx) error {
			known, err := k.look(t.row)
			if err != nil {
				return err
			}
			wait, do = g.decide(known, now)
			return t.grey(g, k, known, do, now)
		})
	}
	if err != nil {
		return 0, fmt.Errorf("look into the greylist: %w", err)
	}
	return wait, nil
}

// ForgetGreylist removes what says nothing any more.
func (s *Store) ForgetGreylist(ctx context.Context, g Greylisting) error {
	now := s.now()
	err := s.write(ctx, func(t *tx) error {
		for _, q := range []struct {
			text string
			age  time.Duration
		}{
			{`DELETE FROM greylist WHERE passed = 0 AND last_at < ?`, g.RetryWithin},
			{`DELETE FROM greylist WHERE passed = 1 AND last_at < ?`, g.Keep},
			{`DELETE FROM greylist_network WHERE last_at < ?`, g.Keep},
		} {
			if _, err := t.exec(q.text, micros(now.Add(-q.age))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget old senders: %w", err)
	}
	return nil
}

// A greyKey is what a sender is known by.
type greyKey struct{ network, sender, recipient string }

// A greyKnown is what is known of a sender and of its network.
type greyKnown struct {
	there       bool
	passed      bool
	first, last time.Time // of the sender, since it is on the list
	good        int       // senders of the network that came again
	goodLast    time.Time // when one of them was last seen
}

func (k greyKey) look(row func(q string, args []any, into ...any) error) (known greyKnown, err error) {
	var first, last int64
	var passed int
	err = row(`SELECT first_at, last_at, passed FROM greylist WHERE network = ? AND sender = ? AND recipient = ?`,
		[]any{k.network, k.sender, k.recipient}, &first, &last, &passed)
	if err == nil {
		known.there, known.passed, known.first, known.last = true, passed == 1, fromMicros(first), fromMicros(last)
	} else if !errors.Is(err, sql.ErrNoRows) {
		return known, err
	}
	err = row(`SELECT good, last_at FROM greylist_network WHERE network = ?`, []any{k.network}, &known.good, &last)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return known, nil
	case err == nil:
		known.goodLast = fromMicros(last)
	}
	return known, err
}

// A greyAction is what is to be remembered of an attempt.
type greyAction int

const (
	greyNothing greyAction = iota
	greyBegin              // the sender is new
	greyPass               // it came again, or is seen again after a while
	greySeen               // its network is seen again after a while
)

// greyFresh is how old the time when a sender was last seen may be before it is written
// anew, so that not every message writes.
const greyFresh = 6 * time.Hour

// decide says how long a sender has to wait, and what is to be remembered.
func (g Greylisting) decide(k greyKnown, now time.Time) (wait time.Duration, do greyAction) {
	stale := func(last time.Time) bool { return now.Sub(last) > greyFresh }
	since := now.Sub(k.first)
	switch {
	case g.KnownAfter > 0 && k.good >= g.KnownAfter && now.Sub(k.goodLast) < g.Keep:
		if stale(k.goodLast) {
			return 0, greySeen
		}
		return 0, greyNothing
	case k.there && k.passed && now.Sub(k.last) < g.Keep:
		if stale(k.last) {
			return 0, greyPass
		}
		return 0, greyNothing
	case k.there && !k.passed && since < g.Delay:
		return g.Delay - since, greyNothing
	case k.there && !k.passed && since <= g.RetryWithin:
		return 0, greyPass
	}
	return g.Delay, greyBegin
}

// grey remembers an attempt.
func (t *tx) grey(g Greylisting, k greyKey, known greyKnown, do greyAction, now time.Time) error {
	at := micros(now)
	switch do {
	case greyBegin:
		_, err := t.exec(`INSERT INTO greylist (network, sender, recipient, first_at, last_at, passed) VALUES (?, ?, ?, ?, ?, 0)
			ON CONFLICT (network, sender, recipient) DO UPDATE SET first_at = excluded.first_at, last_at = excluded.last_at, passed = 0`,
			k.network, k.sender, k.recipient, at, at)
		return err
	case greySeen:
		_, err := t.exec(`UPDATE greylist_network SET last_at = ? WHERE network = ?`, at, k.network)
		return err
	case greyPass:
		_, err := t.exec(`UPDATE greylist SET last_at = ?, passed = 1 WHERE network = ? AND sender = ? AND recipient = ?`, at, k.network, k.sender, k.recipient)
		if err != nil || known.passed {
			return err
		}
		good := known.good + 1
		if now.Sub(known.goodLast) >= g.Keep {
			good = 1
		}
		_, err = t.exec(`INSERT INTO greylist_network (network, good, last_at) VALUES (?, ?, ?)
			ON CONFLICT (network) DO UPDATE SET good = excluded.good, last_at = excluded.last_at`, k.network, good, at)
		return err
	}
	return nil
}

// greyNetwork is what counts as one client: the machines of a large sender lie in one
// network.
func greyNetwork(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	bits := 64
	if client.Is4() {
		bits = 24
	}
	p, err := client.Prefix(bits)
	if err != nil {
		return client.String()
	}
	return p.String()
}

// greySender is a sender without what changes from message to message: what stands
// behind a plus, and numbers (VERP: list-1234-alice=example.com@lists.example.net).
func greySender(sender string) string {
	local, domain, _ := strings.Cut(strings.ToLower(sender), "@")
	local, _, _ = strings.Cut(local, "+")
	var b strings.Builder
	number := false
	for _, r := range local {
		digit := r >= '0' && r <= '9'
		switch {
		case !digit:
			b.WriteRune(r)
		case !number:
			b.WriteByte('#')
		}
		number = digit
	}
	return b.String() + "@" + domain
}
