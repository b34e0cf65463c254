package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// Codes of admin.Error.
const (
	codeConflict = "conflict"
	codeInvalid  = "invalid"
)

// ApplyChanges carries out a batch of changes in one transaction and returns
// what is there afterwards, one resource for each change in their order; for a
// deleted one only kind and key.
//
// A change is refused, and with it the batch, when the resource is not of the
// revision that the caller saw: the error is an [*admin.Error] of code
// "conflict", for attributes that make no sense one of code "invalid". Two
// things are no conflict, so that a batch whose answer was lost can be sent
// again: to make what is there exactly like that with the same owner, and to
// delete what is not there.
//
// Deleting a mailbox closes the account: login and password go at once, the mail
// when the retention time of the server is over. Creating it again brings it
// back with its mail. Deleting a zone deletes its record sets.
func (s *Store) ApplyChanges(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	b := &applyBatch{changes: make([]declared, len(changes)), clock: s.now}
	for i, c := range changes {
		d, err := parseChange(c)
		if err != nil {
			return nil, err
		}
		b.changes[i] = d
	}
	if err := s.makeDKIMKeys(ctx, b.changes); err != nil {
		return nil, fmt.Errorf("apply changes: %w", err)
	}
	var results []admin.Resource
	err := s.write(ctx, func(t *tx) (err error) {
		results, err = t.applyAll(b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply changes: %w", err)
	}
	if b.expired {
		// Accounts whose mail is not to be kept. The batch is done and the accounts
		// are closed: where this fails, the next PurgeRetained makes up for it.
		_, _ = s.PurgeRetained(context.WithoutCancel(ctx), b.now)
	}
	return results, nil
}

// declared is a change with its attributes decoded.
type declared struct {
	admin.Change
	attrs attributes // nil for a deletion
	text  string     // attrs as the tables keep them
	key   *dkimPair  // for a DKIM key that has to be made
}

func (d *declared) refuse(code, format string, args ...any) error {
	return &admin.Error{Code: code, Kind: d.Kind, Key: d.Key, Message: fmt.Sprintf(format, args...)}
}

func parseChange(c admin.Change) (d declared, err error) {
	d.Change = c
	switch c.Action {
	case "create", "update":
	case "delete":
		if newAttributes(c.Kind) == nil {
			return d, d.refuse(codeInvalid, "the store keeps no %q", c.Kind)
		}
		return d, nil
	default:
		return d, d.refuse(codeInvalid, "the action is %q: expected create, update or delete", c.Action)
	}
	if d.attrs, err = decodeAttributes(c.Kind, c.Attrs); err != nil {
		return d, d.refuse(codeInvalid, "%v", err)
	}
	if want := d.attrs.key(); c.Key == "" || want != "" && want != c.Key {
		return d, d.refuse(codeInvalid, "the key does not fit the attributes, which belong to %q", want)
	}
	text, err := json.Marshal(d.attrs)
	if err != nil {
		return d, d.refuse(codeInvalid, "encode attributes: %v", err)
	}
	d.text = string(text)
	return d, nil
}

// An applyBatch is what the changes of a batch have in common. All but the
// changes themselves and the clock is begun anew with each run.
type applyBatch struct {
	changes   []declared
	clock     func() time.Time
	revision  string
	now       time.Time
	retention time.Duration
	known     bool                 // retention was looked up
	expired   bool                 // an account was closed whose mail is not kept
	gone      []*declared          // zones that were removed
	zones     map[string]*declared // zones touched, by key, with the first change of a record set
}

// revisionOf is the new revision of the i-th change.
func (b *applyBatch) revisionOf(i int) string { return b.revision + strconv.FormatInt(int64(i), 36) }

func (t *tx) applyAll(b *applyBatch) ([]admin.Resource, error) {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	*b = applyBatch{changes: b.changes, clock: b.clock, revision: hex.EncodeToString(random[:]), now: b.clock(), zones: map[string]*declared{}}
	results := make([]admin.Resource, len(b.changes))
	for i := range b.changes {
		d := &b.changes[i]
		var err error
		switch d.Kind {
		case schema.KindMailbox:
			results[i], err = t.applyMailbox(b, d, b.revisionOf(i))
		case schema.KindDKIMKey:
			results[i], err = t.applyDKIMKey(d, b.revisionOf(i))
		case schema.KindDNSSEC:
			results[i], err = t.applyDNSSEC(b, d, b.revisionOf(i))
		default:
			results[i], err = t.applyResource(b, d, b.revisionOf(i))
		}
		if err != nil {
			return nil, err
		}
	}
	t.effects.directory = true
	if err := t.leaveNothing(b); err != nil {
		return nil, err
	}
	return results, t.raiseSerials(b)
}

// present is what a change finds.
type present struct {
	owner, lineage, revision string
	// same: it is exactly what the change wants, but for owner and lineage.
	same bool
}

// verdict is what is left to do for a change.
type verdict int

const (
	nothing verdict = iota
	insert
	update
	remove
)

// compare is the compare of compare and set. have is nil for what is not there.
func (d *declared) compare(have *present) (verdict, error) {
	switch {
	case d.Action == "delete" && have == nil:
		return nothing, nil
	case have == nil && d.Revision == "" && d.Action == "create":
		return insert, nil
	case have == nil:
		return nothing, d.refuse(codeConflict, "it is not there any more")
	case d.Action != "delete" && have.same && have.owner == d.Owner && have.lineage == d.Lineage:
		return nothing, nil
	case have.revision != d.Revision && d.Revision == "":
		return nothing, d.refuse(codeConflict, "it exists already")
	case have.revision != d.Revision:
		return nothing, d.refuse(codeConflict, "it was changed meanwhile")
	case d.Action == "delete":
		return remove, nil
	default:
		return update, nil
	}
}

// resource is the answer to a change that left attrs behind.
func (d *declared) resource(revision string, attrs json.RawMessage) admin.Resource {
	return admin.Resource{Kind: d.Kind, Key: d.Key, Owner: d.Owner, Lineage: d.Lineage, Revision: revision, Attrs: attrs}
}

// gone is the answer to a deletion.
func (d *declared) gone() admin.Resource { return admin.Resource{Kind: d.Kind, Key: d.Key} }

// applyResource applies a change of a kind that is kept as it is declared.
func (t *tx) applyResource(b *applyBatch, d *declared, revision string) (admin.Resource, error) {
	var have *present
	var p present
	var attrs string
	err := t.row(`SELECT owner, lineage, revision, attrs FROM resource WHERE kind = ? AND key = ?`, []any{d.Kind, d.Key},
		&p.owner, &p.lineage, &p.revision, &attrs)
	switch {
	case err == nil:
		p.same = attrs == d.text
		have = &p
	case !errors.Is(err, sql.ErrNoRows):
		return admin.Resource{}, fmt.Errorf("read %s %s: %w", d.Kind, d.Key, err)
	}
	todo, err := d.compare(have)
	if err != nil {
		return admin.Resource{}, err
	}
	switch todo {
	case insert:
		_, err = t.exec(`INSERT INTO resource (kind, key, parent, owner, lineage, revision, attrs) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			d.Kind, d.Key, d.attrs.parent(), d.Owner, d.Lineage, revision, d.text)
	case update:
		_, err = t.exec(`UPDATE resource SET owner = ?, lineage = ?, revision = ?, attrs = ? WHERE kind = ? AND key = ?`,
			d.Owner, d.Lineage, revision, d.text, d.Kind, d.Key)
	case remove:
		_, err = t.exec(`DELETE FROM resource WHERE kind = ? AND key = ?`, d.Kind, d.Key)
	case nothing:
		if d.Action == "delete" {
			return d.gone(), nil
		}
		return d.resource(p.revision, json.RawMessage(d.text)), nil
	}
	if err == nil {
		err = t.follow(b, d, todo)
	}
	if err != nil {
		return admin.Resource{}, fmt.Errorf("%s %s %s: %w", d.Action, d.Kind, d.Key, err)
	}
	if todo == remove {
		return d.gone(), nil
	}
	return d.resource(revision, json.RawMessage(d.text)), nil
}

// follow does what else a changed resource asks for.
func (t *tx) follow(b *applyBatch, d *declared, done verdict) error {
	switch d.Kind {
	case schema.KindRoute:
		if _, err := t.exec(`DELETE FROM route_member WHERE address = ?`, d.Key); err != nil || done == remove {
			return err
		}
		seen := map[string]bool{}
		for _, m := range d.attrs.(*routeAttrs).Members {
			if seen[m] {
				continue
			}
			seen[m] = true
			if _, err := t.exec(`INSERT INTO route_member (member, address) VALUES (?, ?)`, m, d.Key); err != nil {
				return err
			}
		}
	case schema.KindAppPassword:
		return t.followAppPassword(d, done)
	case schema.KindSharing:
		return t.shareAccount(d, done)
	case schema.KindDNSSEC:
		if _, ok := b.zones[d.Key]; !ok {
			b.zones[d.Key] = nil
		}
		return t.followDNSSEC(b, d, done)
	case schema.KindZone:
		if b.zones[d.Key] == nil {
			b.zones[d.Key] = nil
		}
		if done == remove {
			b.gone = append(b.gone, d)
		}
	case schema.KindRRset:
		zone := ZoneOf(d.Key)
		if b.zones[zone] == nil && done != remove {
			b.zones[zone] = d
		} else if _, ok := b.zones[zone]; !ok {
			b.zones[zone] = nil
		}
	}
	return nil
}
