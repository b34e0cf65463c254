package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

const messageColumns = `uid, modseq, body, size, flags, keywords, internal`

// A messageRow is a message as the writer handles it.
type messageRow struct {
	uid    uint32
	modSeq uint64
	stored
}

func (m *messageRow) scan(r *sql.Rows) error {
	// Through int64: database/sql reads other numbers by way of their text.
	var uid, modSeq, flags int64
	err := r.Scan(&uid, &modSeq, &m.body, &m.size, &flags, &m.keywords, &m.internal)
	m.uid, m.modSeq, m.flags = uint32(uid), uint64(modSeq), systemFlags(flags)
	return err
}

func (m *messageRow) message() Message {
	return Message{UID: m.uid, ModSeq: m.modSeq, Size: m.size, Flags: flagNames(m.flags, m.keywords),
		Internal: fromMicros(m.internal), Body: m.body}
}

// Messages lists the messages of a mailbox by rising UID, with the HIGHESTMODSEQ
// that the list belongs to. The error is [ErrNotFound].
func (s *Store) Messages(ctx context.Context, mailbox int64) (ms []Message, modSeq uint64, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		var n int
		if err := v.row(`SELECT modseq, messages FROM mailbox WHERE id = ?`, []any{mailbox}, &modSeq, &n); err != nil {
			return err
		}
		ms = make([]Message, 0, n)
		var m messageRow
		return v.rows(`SELECT `+messageColumns+` FROM message WHERE mailbox = ? ORDER BY uid`, []any{mailbox}, func(r *sql.Rows) error {
			if err := m.scan(r); err != nil {
				return err
			}
			ms = append(ms, m.message())
			return nil
		})
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list messages: %w", err)
	}
	return ms, modSeq, nil
}

// Changes tells what happened in a mailbox after the MODSEQ since. A mailbox
// that is not there any more is Gone; that is no error.
func (s *Store) Changes(ctx context.Context, mailbox int64, since uint64) (c MailboxChanges, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		err := v.row(`SELECT modseq, uidnext FROM mailbox WHERE id = ?`, []any{mailbox}, &c.ModSeq, &c.UIDNext)
		if errors.Is(err, sql.ErrNoRows) {
			c.Gone = true
			return nil
		}
		if err != nil || c.ModSeq <= since {
			return err
		}
		var m messageRow
		err = v.rows(`SELECT `+messageColumns+` FROM message WHERE mailbox = ? AND modseq > ?`, []any{mailbox, int64(since)}, func(r *sql.Rows) error {
			if err := m.scan(r); err != nil {
				return err
			}
			c.Changed = append(c.Changed, m.message())
			return nil
		})
		if err != nil {
			return err
		}
		return v.rows(`SELECT first_uid, last_uid FROM vanished WHERE mailbox = ? AND modseq > ?`, []any{mailbox, int64(since)}, func(r *sql.Rows) error {
			var first, last uint32
			if err := r.Scan(&first, &last); err != nil {
				return err
			}
			for uid := uint64(first); uid <= uint64(last); uid++ {
				c.Vanished = append(c.Vanished, uint32(uid))
			}
			return nil
		})
	})
	if err != nil {
		return MailboxChanges{}, fmt.Errorf("read changes: %w", err)
	}
	slices.SortFunc(c.Changed, func(a, b Message) int { return int(int64(a.UID) - int64(b.UID)) })
	slices.Sort(c.Vanished)
	return c, nil
}

// manyUIDs is from where a scan of the mailbox is cheaper than a query for each.
const manyUIDs = 32

// messages reads messages of a mailbox by rising UID: those of uids that exist,
// or all for nil.
func (t *tx) messages(mailbox int64, uids []uint32) (ms []messageRow, err error) {
	add := func(r *sql.Rows) error {
		ms = append(ms, messageRow{})
		return ms[len(ms)-1].scan(r)
	}
	const one = `SELECT ` + messageColumns + ` FROM message WHERE mailbox = ? AND uid = ?`
	const between = `SELECT ` + messageColumns + ` FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`
	sorted := slices.Clone(uids)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	switch {
	case uids == nil:
		err = t.rows(between, []any{mailbox, 1, int64(1)<<32 - 1}, add)
	case len(sorted) >= manyUIDs:
		err = t.rows(between, []any{mailbox, int64(sorted[0]), int64(sorted[len(sorted)-1])}, add)
		ms = slices.DeleteFunc(ms, func(m messageRow) bool {
			_, found := slices.BinarySearch(sorted, m.uid)
			return !found
		})
	default:
		for _, uid := range sorted {
			if err = t.rows(one, []any{mailbox, int64(uid)}, add); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	return ms, nil
}

// StoreFlags changes the flags of messages (RFC 9051 §6.4.6). It returns the
// messages as they are afterwards, those included whose flags were so already;
// their MODSEQ rises only where something changed. With unchangedSince (0: no
// condition) messages that have a greater MODSEQ are left alone and their UIDs
// returned as modified (RFC 7162 §3.1.3). UIDs that do not exist are ignored.
func (s *Store) StoreFlags(ctx context.Context, mailbox int64, uids []uint32, op FlagOp, flags []string, unchangedSince uint64) (changed []Message, modified []uint32, err error) {
	system, keywords := splitFlags(flags)
	err = s.write(ctx, func(t *tx) error {
		changed, modified = nil, nil
		m, err := t.mailbox(mailbox)
		if err != nil {
			return err
		}
		if uids == nil {
			return nil
		}
		rows, err := t.messages(mailbox, uids)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if unchangedSince > 0 && r.modSeq > unchangedSince {
				modified = append(modified, r.uid)
				continue
			}
			newSystem, newKeywords := op.combine(r.flags, r.keywords, system, keywords)
			if newSystem != r.flags || newKeywords != r.keywords {
				m.count(r.flags, r.size, -1)
				r.modSeq, r.flags, r.keywords = t.change(m), newSystem, newKeywords
				m.count(r.flags, r.size, 1)
				if _, err := t.exec(`UPDATE message SET modseq = ?, flags = ?, keywords = ? WHERE mailbox = ? AND uid = ?`,
					int64(r.modSeq), int64(r.flags), r.keywords, mailbox, int64(r.uid)); err != nil {
					return err
				}
			}
			changed = append(changed, r.message())
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store flags: %w", err)
	}
	return changed, modified, nil
}

// Expunge removes messages for good and returns the UIDs of those that were
// there, rising.
func (s *Store) Expunge(ctx context.Context, mailbox int64, uids []uint32) (expunged []uint32, err error) {
	err = s.write(ctx, func(t *tx) error {
		expunged = nil
		m, err := t.mailbox(mailbox)
		if err != nil || uids == nil {
			return err
		}
		rows, err := t.messages(mailbox, uids)
		if err != nil {
			return err
		}
		expunged, err = t.expunge(m, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("expunge: %w", err)
	}
	return expunged, nil
}

// expunge removes messages of a mailbox for good, and returns their UIDs as remove
// does.
func (t *tx) expunge(m *mailboxState, rows []messageRow) ([]uint32, error) {
	a, err := t.account(m.account)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := t.release(r.body, r.size, 1); err != nil {
			return nil, err
		}
		t.add(a, -1, -r.size)
	}
	return t.remove(m, rows)
}

// remove takes messages out of a mailbox. Their bodies and the account's usage
// are the caller's matter.
func (t *tx) remove(m *mailboxState, rows []messageRow) (uids []uint32, err error) {
	for _, r := range rows {
		if _, err := t.exec(`DELETE FROM message WHERE mailbox = ? AND uid = ?`, m.id, int64(r.uid)); err != nil {
			return nil, fmt.Errorf("delete message: %w", err)
		}
		m.count(r.flags, r.size, -1)
		uids = append(uids, r.uid)
	}
	for i := 0; i < len(uids); {
		end := i + 1
		for end < len(uids) && uids[end] == uids[end-1]+1 {
			end++
		}
		if _, err := t.exec(`INSERT INTO vanished (mailbox, modseq, first_uid, last_uid) VALUES (?, ?, ?, ?)`,
			m.id, int64(t.change(m)), int64(uids[i]), int64(uids[end-1])); err != nil {
			return nil, fmt.Errorf("note expunged messages: %w", err)
		}
		i = end
	}
	return uids, nil
}

// Copy copies messages to another mailbox, or to the same one; the copies share
// the bodies. It returns the UIDVALIDITY of the target and the UIDs before and
// after, for COPYUID (RFC 9051 §6.4.7). Errors: [ErrOverQuota], [ErrNotFound].
//
// Flags that the rights on the target do not allow are left out.
func (s *Store) Copy(ctx context.Context, from int64, uids []uint32, to int64, rights Rights) (validity uint32, src, dst []uint32, err error) {
	err = s.write(ctx, func(t *tx) error {
		src, dst = nil, nil
		_, target, rows, err := t.transfer(from, uids, to)
		if err != nil {
			return err
		}
		a, err := t.openAccount(target.account)
		if err != nil {
			return err
		}
		if err := a.room(sizeOf(rows)); err != nil {
			return err
		}
		validity = target.uidValidity
		for _, r := range rows {
			if err := t.share(r.body, 1); err != nil {
				return err
			}
			uid, err := t.addMessage(a, target, rights.keep(r.stored))
			if err != nil {
				return err
			}
			src, dst = append(src, r.uid), append(dst, uid)
		}
		return nil
	})
	if err != nil {
		return 0, nil, nil, fmt.Errorf("copy messages: %w", err)
	}
	return validity, src, dst, nil
}

// Move moves messages to another mailbox, all at once (RFC 6851). It returns
// what Copy returns. Errors: [ErrOverQuota], [ErrNotFound].
func (s *Store) Move(ctx context.Context, from int64, uids []uint32, to int64, rights Rights) (validity uint32, src, dst []uint32, err error) {
	err = s.write(ctx, func(t *tx) error {
		src, dst = nil, nil
		source, target, rows, err := t.transfer(from, uids, to)
		if err != nil {
			return err
		}
		validity = target.uidValidity
		if source.account != target.account {
			a, err := t.openAccount(target.account)
			if err != nil {
				return err
			}
			if err := a.room(sizeOf(rows)); err != nil {
				return err
			}
		}
		if dst, err = t.move(source, target, rows, rights); err != nil {
			return err
		}
		for _, r := range rows {
			src = append(src, r.uid)
		}
		return nil
	})
	if err != nil {
		return 0, nil, nil, fmt.Errorf("move messages: %w", err)
	}
	return validity, src, dst, nil
}

// transfer finds what a copy or a move is about.
func (t *tx) transfer(from int64, uids []uint32, to int64) (source, target *mailboxState, rows []messageRow, err error) {
	if source, err = t.mailbox(from); err != nil {
		return nil, nil, nil, err
	}
	if target, err = t.mailbox(to); err != nil || len(uids) == 0 {
		return source, target, nil, err
	}
	rows, err = t.messages(from, uids)
	return source, target, rows, err
}

// move moves messages with their bodies and returns their new UIDs.
func (t *tx) move(from, to *mailboxState, rows []messageRow, rights Rights) (dst []uint32, err error) {
	giver, err := t.account(from.account)
	if err != nil {
		return nil, err
	}
	taker, err := t.account(to.account)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		t.add(giver, -1, -r.size)
		uid, err := t.addMessage(taker, to, rights.keep(r.stored))
		if err != nil {
			return nil, err
		}
		dst = append(dst, uid)
	}
	_, err = t.remove(from, rows)
	return dst, err
}

func sizeOf(rows []messageRow) (size int64) {
	for _, r := range rows {
		size += r.size
	}
	return size
}
