package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// Resources lists everything that is declared, sorted by kind and key, with the
// mailboxes of closed accounts whose mail is still kept. It holds password
// hashes, but no private keys.
func (s *Store) Resources(ctx context.Context) (rs []admin.Resource, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		var n int
		if err := v.row(`SELECT (SELECT COUNT(*) FROM resource) + (SELECT COUNT(*) FROM account)`, nil, &n); err != nil {
			return err
		}
		l := lister{v: v, rs: make([]admin.Resource, 0, n+8)}
		err := l.list("", nil, "", nil)
		rs = l.rs
		return err
	})
	return sortResources(rs, err)
}

// findAtOnce bounds how many resources one statement looks for.
const findAtOnce = 500

// Find is Resources of which only these are listed, as far as they are there.
func (s *Store) Find(ctx context.Context, ids []admin.ID) (rs []admin.Resource, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		for ids := range slices.Chunk(ids, findAtOnce) {
			l := lister{v: v, among: make(map[admin.ID]bool, len(ids))}
			var pairs, addresses []any
			for _, id := range ids {
				l.among[id] = true
				if id.Kind == schema.KindMailbox {
					addresses = append(addresses, id.Key)
				} else {
					pairs = append(pairs, id.Kind, id.Key)
				}
			}
			err := l.list(
				` WHERE (kind, key) IN (VALUES `+places(`(?, ?)`, len(pairs)/2)+`)`, pairs,
				` AND address IN (`+places(`?`, len(addresses))+`)`, addresses)
			if err != nil {
				return err
			}
			rs = append(rs, l.rs...)
		}
		return nil
	})
	return sortResources(rs, err)
}

func places(one string, n int) string {
	return strings.TrimSuffix(strings.Repeat(one+", ", n), ", ")
}

func sortResources(rs []admin.Resource, err error) ([]admin.Resource, error) {
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	slices.SortFunc(rs, func(a, b admin.Resource) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return rs, nil
}

// A lister collects what a snapshot of the store has.
type lister struct {
	v *snapshot
	// among are those that are meant; nil: all.
	among map[admin.ID]bool
	rs    []admin.Resource
}

func (l *lister) add(a admin.Resource) {
	if l.among == nil || l.among[admin.ID{Kind: a.Kind, Key: a.Key}] {
		l.rs = append(l.rs, a)
	}
}

// list goes through the tables. The conditions narrow the large ones; an empty
// list of arguments for a condition means that none of that table is wanted.
func (l *lister) list(whereResource string, resources []any, andAccount string, accounts []any) error {
	if whereResource == "" || len(resources) > 0 {
		err := l.v.rows(`SELECT kind, key, owner, lineage, revision, attrs FROM resource`+whereResource, resources, func(r *sql.Rows) error {
			var a admin.Resource
			err := r.Scan(&a.Kind, &a.Key, &a.Owner, &a.Lineage, &a.Revision, (*[]byte)(&a.Attrs))
			l.add(a)
			return err
		})
		if err == nil {
			err = l.v.addDS(l.rs)
		}
		if err != nil {
			return err
		}
	}
	err := l.v.rows(`SELECT key, owner, lineage, revision, domain, selector, algorithm, bits, txt FROM dkim_key`, nil, func(r *sql.Rows) error {
		a := admin.Resource{Kind: schema.KindDKIMKey}
		var k dkimAttrs
		err := r.Scan(&a.Key, &a.Owner, &a.Lineage, &a.Revision, &k.Domain, &k.Selector, &k.Algorithm, &k.Bits, &k.TXT)
		if err == nil {
			a.Attrs, err = json.Marshal(&k)
		}
		l.add(a)
		return err
	})
	if err != nil || andAccount != "" && len(accounts) == 0 {
		return err
	}
	return l.v.rows(`SELECT `+accountColumns+` FROM account WHERE (closed_at = 0 OR purge_at > closed_at) AND owner <> '`+sourceOwner+`'`+andAccount, accounts, func(r *sql.Rows) error {
		var a accountRow
		if err := a.scan(r.Scan); err != nil {
			return err
		}
		m, err := a.resource()
		l.add(m)
		return err
	})
}
