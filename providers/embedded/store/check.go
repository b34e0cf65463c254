package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// A Damage is something in a store that must never be.
type Damage struct {
	// What is damaged: "mailbox counters".
	What string `json:"what"`
	// Where names the thing, as the store knows it.
	Where string `json:"where"`
	// Lost says that mail is lost, and cannot be had back but from a backup.
	Lost bool `json:"lost,omitempty"`
	// Mended says that it has been put right, or taken out where there is nothing
	// left of it.
	Mended bool `json:"mended,omitempty"`
}

func (d Damage) String() string { return d.What + ": " + d.Where }

// An invariant is something that is always so.
type invariant struct {
	name string
	// find selects what is otherwise, as text.
	find string
	// mend puts it right, or takes it out; empty: it cannot be.
	mend []string
	lost bool
}

// invariants in the order in which they are mended: what depends on another
// comes after it.
var invariants = []invariant{
	{"messages without a body", `SELECT 'message ' || uid || ' of mailbox ' || mailbox FROM message WHERE body NOT IN (SELECT id FROM body)`,
		[]string{`DELETE FROM message WHERE body NOT IN (SELECT id FROM body)`}, true},
	{"queue entries without a body", `SELECT 'entry ' || id || ' for ' || recipient FROM queue WHERE body NOT IN (SELECT id FROM body)`,
		[]string{`DELETE FROM queue WHERE body NOT IN (SELECT id FROM body)`}, true},
	{"pieces without a body", `SELECT 'body ' || body FROM body_chunk WHERE body NOT IN (SELECT id FROM body) GROUP BY body`,
		[]string{`DELETE FROM body_chunk WHERE body NOT IN (SELECT id FROM body)`}, false},
	{"bodies that are not as long as they should be", `SELECT 'body ' || b.id FROM body b
		WHERE b.size <> LENGTH(b.data) + (SELECT COALESCE(SUM(LENGTH(data)), 0) FROM body_chunk WHERE body = b.id)`, nil, true},
	{"references to bodies", `SELECT 'body ' || b.id || ' has ' || b.refs FROM body b
		WHERE b.refs <> (SELECT COUNT(*) FROM message WHERE body = b.id) + (SELECT COUNT(*) FROM queue WHERE body = b.id)`,
		[]string{
			`UPDATE body SET refs = (SELECT COUNT(*) FROM message WHERE body = body.id) + (SELECT COUNT(*) FROM queue WHERE body = body.id)
				WHERE refs <> (SELECT COUNT(*) FROM message WHERE body = body.id) + (SELECT COUNT(*) FROM queue WHERE body = body.id)`,
			`DELETE FROM body_chunk WHERE body IN (SELECT id FROM body WHERE refs = 0)`,
			`DELETE FROM body WHERE refs = 0`,
		}, false},
	{"mailbox numbers", `SELECT 'mailbox ' || id FROM mailbox m
		WHERE EXISTS (SELECT 1 FROM message WHERE mailbox = m.id AND (uid >= m.uidnext OR modseq > m.modseq))`,
		[]string{`UPDATE mailbox SET uidnext = MAX(uidnext, (SELECT COALESCE(MAX(uid), 0) + 1 FROM message WHERE mailbox = mailbox.id)),
			modseq = MAX(modseq, (SELECT COALESCE(MAX(modseq), 0) FROM message WHERE mailbox = mailbox.id))`}, false},
	{"mailbox counters", `SELECT 'mailbox ' || m.id || ' counts ' || m.messages || ' messages, ' || m.unseen || ' unseen, ' || m.deleted || ' deleted, ' || m.size || ' bytes' FROM mailbox m
		WHERE m.messages <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id)
		OR m.unseen <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id AND flags & 1 = 0)
		OR m.deleted <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id AND flags & 8 <> 0)
		OR m.size <> (SELECT COALESCE(SUM(size), 0) FROM message WHERE mailbox = m.id)`,
		[]string{`UPDATE mailbox SET messages = (SELECT COUNT(*) FROM message WHERE mailbox = mailbox.id),
			unseen = (SELECT COUNT(*) FROM message WHERE mailbox = mailbox.id AND flags & 1 = 0),
			deleted = (SELECT COUNT(*) FROM message WHERE mailbox = mailbox.id AND flags & 8 <> 0),
			size = (SELECT COALESCE(SUM(size), 0) FROM message WHERE mailbox = mailbox.id)`}, false},
	{"account usage", `SELECT a.address || ' counts ' || a.messages || ' messages, ' || a.bytes || ' bytes' FROM account a
		WHERE a.messages <> (SELECT COALESCE(SUM(messages), 0) FROM mailbox WHERE account = a.id)
		OR a.bytes <> (SELECT COALESCE(SUM(size), 0) FROM mailbox WHERE account = a.id)`,
		[]string{`UPDATE account SET messages = (SELECT COALESCE(SUM(messages), 0) FROM mailbox WHERE account = account.id),
			bytes = (SELECT COALESCE(SUM(size), 0) FROM mailbox WHERE account = account.id)`}, false},
}

// databaseDamage is what damage of the file itself is called.
const databaseDamage = "database file"

// mostDamages bounds how many things one invariant tells of.
const mostDamages = 100

// Check looks for damage, and changes nothing. It may be called for a store that
// a daemon is using: all is read as of one instant.
func (s *Store) Check(ctx context.Context) ([]Damage, error) {
	var found []Damage
	err := s.read.snapshot(ctx, func(r *snapshot) error {
		err := r.rows(`PRAGMA integrity_check(100)`, nil, func(row *sql.Rows) error {
			var text string
			err := row.Scan(&text)
			if err == nil && text != "ok" {
				found = append(found, Damage{What: databaseDamage, Where: strings.TrimSpace(text), Lost: true})
			}
			return err
		})
		if err != nil || len(found) > 0 { // nothing else can be believed then
			return err
		}
		for _, v := range invariants {
			err := r.rows(fmt.Sprintf(`%s LIMIT %d`, v.find, mostDamages), nil, func(row *sql.Rows) error {
				d := Damage{What: v.name, Lost: v.lost}
				err := row.Scan(&d.Where)
				found = append(found, d)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check the store: %w", err)
	}
	return found, nil
}

// Mend puts right what Check finds, in one transaction, as far as that can be:
// counters are counted again, and what has nothing left of it is taken out.
func (s *Store) Mend(ctx context.Context) ([]Damage, error) {
	found, err := s.Check(ctx)
	if err != nil || len(found) == 0 {
		return found, err
	}
	if found[0].What == databaseDamage {
		return found, nil
	}
	err = s.write(ctx, func(t *tx) error {
		for _, v := range invariants {
			for _, q := range v.mend {
				if _, err := t.exec(q); err != nil {
					return fmt.Errorf("%s: %w", v.name, err)
				}
			}
		}
		t.effects.directory = true
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("mend the store: %w", err)
	}
	still, err := s.Check(ctx)
	if err != nil {
		return found, err
	}
	left := map[string]bool{}
	for _, d := range still {
		left[d.String()] = true
	}
	for i := range found {
		found[i].Mended = !left[found[i].String()]
	}
	return found, nil
}
