package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A cache holds the counters of accounts and mailboxes between the changes of
// the writer. It is written back before each commit, one row for each account
// and mailbox whatever happened to it, and forgotten when a transaction rolls
// back. The counter columns of the tables are true at each commit and only
// then: inside a transaction counters are read and changed here, or after flush.
type cache struct {
	accounts  map[int64]*accountState
	mailboxes map[int64]*mailboxState
	sequences map[string]*sequence
	dirtyAcc  []*accountState
	dirtyMbx  []*mailboxState
}

// cached bounds how many accounts and mailboxes are kept in mind.
const cached = 20000

// An accountState is an account, open or closed, as the writer needs it.
type accountState struct {
	id              int64
	quota           int64
	closed, folders bool
	inbox           int64 // mailbox id; 0: not looked up
	messages, bytes int64
	warned          int // percent of the quota that the user knows of
	dirty           bool
}

// A mailboxState is what changes in a mailbox with its messages.
type mailboxState struct {
	id, account               int64
	uidValidity, uidNext      uint32
	modSeq                    uint64
	messages, unseen, deleted int64
	size                      int64
	dirty                     bool
	op                        int // change that raised modSeq last, in this transaction
}

func (c *cache) clear() {
	c.accounts = map[int64]*accountState{}
	c.mailboxes = map[int64]*mailboxState{}
	c.sequences = map[string]*sequence{}
	c.dirtyAcc, c.dirtyMbx = nil, nil
}

// trim forgets everything when it has become much; nothing may be dirty.
func (c *cache) trim() {
	if len(c.accounts) > cached {
		clear(c.accounts)
	}
	if len(c.mailboxes) > cached {
		clear(c.mailboxes)
	}
}

// account finds an account by its id. The error is ErrNotFound.
func (t *tx) account(id int64) (*accountState, error) {
	if a := t.accounts[id]; a != nil {
		return a, nil
	}
	a := &accountState{id: id}
	var closedAt int64
	err := t.row(`SELECT quota, closed_at, folders, messages, bytes, warned FROM account WHERE id = ?`, []any{id},
		&a.quota, &closedAt, &a.folders, &a.messages, &a.bytes, &a.warned)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("account %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read account %d: %w", id, err)
	}
	a.closed = closedAt != 0
	t.accounts[id] = a
	return a, nil
}

// openAccount finds an account that is not closed.
func (t *tx) openAccount(id int64) (*accountState, error) {
	a, err := t.account(id)
	if err == nil && a.closed {
		return nil, fmt.Errorf("account %d: %w", id, ErrNotFound)
	}
	return a, err
}

// add changes what an account holds.
func (t *tx) add(a *accountState, messages, bytes int64) {
	a.messages += messages
	a.bytes += bytes
	t.wrote = true
	if a.quota > 0 {
		t.fill(a)
	}
	t.dirty(a)
}

// dirty notes that an account is to be written back.
func (t *tx) dirty(a *accountState) {
	if !a.dirty {
		a.dirty = true
		t.dirtyAcc = append(t.dirtyAcc, a)
	}
}

// room checks that size more bytes fit into the quota.
func (a *accountState) room(size int64) error {
	if a.quota > 0 && a.bytes+size > a.quota {
		if size > a.quota {
			return fmt.Errorf("account %d: %w", a.id, ErrNeverFits)
		}
		return fmt.Errorf("account %d: %w", a.id, ErrOverQuota)
	}
	return nil
}

// mailbox finds a mailbox by its id. The error is ErrNotFound.
func (t *tx) mailbox(id int64) (*mailboxState, error) {
	if m := t.mailboxes[id]; m != nil {
		return m, nil
	}
	m := &mailboxState{id: id}
	err := t.row(`SELECT account, uidvalidity, uidnext, modseq, messages, unseen, deleted, size FROM mailbox WHERE id = ?`, []any{id},
		&m.account, &m.uidValidity, &m.uidNext, &m.modSeq, &m.messages, &m.unseen, &m.deleted, &m.size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("mailbox %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read mailbox %d: %w", id, err)
	}
	t.mailboxes[id] = m
	return m, nil
}

// change marks a mailbox as changed and returns the MODSEQ of the present
// change: one for all that it does in the mailbox.
func (t *tx) change(m *mailboxState) uint64 {
	t.wrote = true
	if !m.dirty {
		m.dirty = true
		m.op = 0
		t.dirtyMbx = append(t.dirtyMbx, m)
	}
	if m.op != t.op {
		m.op = t.op
		m.modSeq++
		t.touched(m.id)
	}
	return m.modSeq
}

// flush writes the counters back.
func (t *tx) flush() error {
	for _, m := range t.dirtyMbx {
		if _, err := t.exec(`UPDATE mailbox SET uidnext = ?, modseq = ?, messages = ?, unseen = ?, deleted = ?, size = ? WHERE id = ?`,
			int64(m.uidNext), int64(m.modSeq), m.messages, m.unseen, m.deleted, m.size, m.id); err != nil {
			return fmt.Errorf("write mailbox %d: %w", m.id, err)
		}
		m.dirty = false
	}
	for _, a := range t.dirtyAcc {
		if _, err := t.exec(`UPDATE account SET messages = ?, bytes = ?, warned = ? WHERE id = ?`, a.messages, a.bytes, a.warned, a.id); err != nil {
			return fmt.Errorf("write account %d: %w", a.id, err)
		}
		a.dirty = false
	}
	t.dirtyMbx, t.dirtyAcc = t.dirtyMbx[:0], t.dirtyAcc[:0]
	return nil
}

// forgetAccount is called after an account's row was changed other than by add.
func (t *tx) forgetAccount(id int64) error {
	err := t.flush()
	delete(t.accounts, id)
	return err
}

// forgetMailbox is called when a mailbox is about to be deleted.
func (t *tx) forgetMailbox(id int64) error {
	err := t.flush()
	delete(t.mailboxes, id)
	return err
}

// A sequence hands out numbers that were never used before. It takes them from
// the table in blocks; those of a block that a process did not use are lost.
type sequence struct{ next, end int64 }

// block is how many ids are taken from the table at once.
const block = 1024

// id returns a new number of a sequence, from 1.
func (t *tx) id(name string) (int64, error) {
	s := t.sequences[name]
	if s == nil {
		s = &sequence{}
		t.sequences[name] = s
	}
	if s.next == s.end {
		last, err := t.raise(name, 0, block)
		if err != nil {
			return 0, err
		}
		s.next, s.end = last-block+1, last+1
	}
	s.next++
	return s.next - 1, nil
}

// uidValidities reserves n values that are greater than all before and, as RFC
// 9051 §2.3.1.1 suggests, than the time. It returns the first.
func (t *tx) uidValidities(n int64) (int64, error) {
	last, err := t.raise("uidvalidity", time.Now().Unix(), n)
	return last - n + 1, err
}

// raise adds n to a sequence, which is brought to least before. It returns the
// new value.
func (t *tx) raise(name string, least, n int64) (int64, error) {
	var v int64
	err := t.row(`SELECT value FROM sequence WHERE name = ?`, []any{name}, &v)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		v = max(v, least) + n
		_, err = t.exec(`INSERT INTO sequence (name, value) VALUES (?, ?)`, name, v)
	case err == nil:
		v = max(v, least) + n
		_, err = t.exec(`UPDATE sequence SET value = ? WHERE name = ?`, v, name)
	}
	if err != nil {
		return 0, fmt.Errorf("raise sequence %s: %w", name, err)
	}
	return v, nil
}
