package store

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// defaultRetention is how long the mail of a closed account is kept where no
// server says otherwise.
const defaultRetention = 30 * 24 * time.Hour

// An accountRow is an account with what is declared for it.
type accountRow struct {
	id                       int64
	owner, lineage, revision string
	closedAt, purgeAt        int64
	mailboxAttrs
}

const accountColumns = `id, address, owner, lineage, revision, hashes, quota, imap, pop3, mail, sieve, closed_at, purge_at, messages, bytes`

// scan reads accountColumns.
func (a *accountRow) scan(scan func(into ...any) error) error {
	var hashes []byte
	var imap, pop3 bool
	if err := scan(&a.id, &a.Address, &a.owner, &a.lineage, &a.revision, &hashes, &a.Quota, &imap, &pop3, &a.Mail, &a.Sieve,
		&a.closedAt, &a.purgeAt, &a.Messages, &a.Bytes); err != nil {
		return err
	}
	if err := json.Unmarshal(hashes, &a.PasswordHash); err != nil {
		return errors.New("the password hashes are damaged") // without their text
	}
	a.Protocols = []string{}
	if imap {
		a.Protocols = append(a.Protocols, "imap")
	}
	if pop3 {
		a.Protocols = append(a.Protocols, "pop3")
	}
	return nil
}

func (a *accountRow) resource() (admin.Resource, error) {
	// Not HTML: a hash may have < in it.
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&a.mailboxAttrs); err != nil {
		return admin.Resource{}, fmt.Errorf("encode mailbox %s: %w", a.Address, err)
	}
	return admin.Resource{
		Kind: schema.KindMailbox, Key: a.Address, Owner: a.owner, Lineage: a.lineage, Revision: a.revision,
		Retained: a.closedAt != 0, Attrs: bytes.TrimSpace(text.Bytes()),
	}, nil
}

// sameAs compares what is declared.
func (a *mailboxAttrs) sameAs(b *mailboxAttrs) bool {
	return a.Quota == b.Quota && a.Mail == b.Mail && a.Sieve == b.Sieve && slices.Equal(a.PasswordHash, b.PasswordHash) &&
		slices.Contains(a.Protocols, "imap") == slices.Contains(b.Protocols, "imap") &&
		slices.Contains(a.Protocols, "pop3") == slices.Contains(b.Protocols, "pop3")
}

func (t *tx) applyMailbox(b *applyBatch, d *declared, revision string) (admin.Resource, error) {
	row, err := t.accountRow(b, d.Key)
	if err != nil {
		return admin.Resource{}, err
	}
	want, _ := d.attrs.(*mailboxAttrs)
	var have *present
	if row != nil && row.closedAt == 0 && row.owner != sourceOwner {
		have = &present{owner: row.owner, lineage: row.lineage, revision: row.revision, same: want != nil && row.sameAs(want)}
	}
	todo, err := d.compare(have)
	if err != nil {
		return admin.Resource{}, err
	}
	switch {
	case todo == nothing && d.Action == "delete":
		return d.gone(), nil
	case todo == nothing:
		return row.resource()
	case todo == remove:
		if err := t.closeAccount(b, row.id, revision); err != nil {
			return admin.Resource{}, fmt.Errorf("close account %s: %w", d.Key, err)
		}
		return d.gone(), nil
	}
	now := accountRow{owner: d.Owner, lineage: d.Lineage, revision: revision, mailboxAttrs: *want}
	if row != nil {
		now.id, now.Messages, now.Bytes = row.id, row.Messages, row.Bytes
	}
	if err := t.writeAccount(&now); err != nil {
		return admin.Resource{}, fmt.Errorf("%s account %s: %w", d.Action, d.Key, err)
	}
	return now.resource()
}

// accountRow reads an account, open or closed; nil: there is none. One whose
// mail was to be gone by now is purged.
func (t *tx) accountRow(b *applyBatch, address string) (*accountRow, error) {
	if err := t.flush(); err != nil {
		return nil, err
	}
	row := &accountRow{}
	err := row.scan(func(into ...any) error {
		return t.row(`SELECT `+accountColumns+` FROM account WHERE address = ?`, []any{address}, into...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", address, err)
	}
	if row.closedAt == 0 || row.purgeAt > micros(b.now) {
		return row, nil
	}
	for done := false; !done; {
		if done, err = t.purgeSome(row.id, b.now); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// writeAccount makes an account, or gives an existing one its declared values
// and opens it.
func (t *tx) writeAccount(a *accountRow) error {
	hashes, err := json.Marshal(a.PasswordHash)
	if err != nil {
		return err
	}
	imap, pop3 := slices.Contains(a.Protocols, "imap"), slices.Contains(a.Protocols, "pop3")
	if a.id == 0 {
		if a.id, err = t.id("account"); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO account (`+accountColumns+`, folders) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)`,
			a.id, a.Address, a.owner, a.lineage, a.revision, string(hashes), a.Quota, imap, pop3, a.Mail, a.Sieve, false)
		return err
	}
	if err := t.forgetAccount(a.id); err != nil {
		return err
	}
	_, err = t.exec(`UPDATE account SET owner = ?, lineage = ?, revision = ?, hashes = ?, quota = ?, imap = ?, pop3 = ?, mail = ?, sieve = ?,
		closed_at = 0, purge_at = 0 WHERE id = ?`,
		a.owner, a.lineage, a.revision, string(hashes), a.Quota, imap, pop3, a.Mail, a.Sieve, a.id)
	return err
}

// closeAccount dates the end of the mail. Nobody finds a closed account any more,
// to log in or to deliver; its password verifiers stay as long as its mail, so
// that it can come back as it was.
func (t *tx) closeAccount(b *applyBatch, id int64, revision string) error {
	if !b.known {
		var err error
		if b.retention, err = t.retention(); err != nil {
			return err
		}
		b.known = true
	}
	if b.retention == 0 {
		b.expired = true
	}
	if err := t.forgetAccount(id); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE account SET revision = ?, closed_at = ?, purge_at = ? WHERE id = ?`,
		revision, micros(b.now), micros(b.now.Add(b.retention)), id)
	return err
}

// retention is the longest retention time of the servers: an account does not
// say which of them it belongs to.
func (t *tx) retention() (time.Duration, error) {
	longest := time.Duration(-1)
	err := t.rows(`SELECT attrs FROM resource WHERE kind = ?`, []any{schema.KindSetting}, func(r *sql.Rows) error {
		var text []byte
		if err := r.Scan(&text); err != nil {
			return err
		}
		var a settingAttrs
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
		longest = max(longest, time.Duration(a.Retention)*time.Second)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the retention time: %w", err)
	}
	if longest < 0 {
		longest = defaultRetention
	}
	return longest, nil
}
