package store

import (
	"database/sql"
	"fmt"
	"testing"
)

// inconsistencies finds what must never be: counters that are not the sums of
// the rows, bodies that nobody refers to, references to bodies that are gone.
func inconsistencies(tb testing.TB, s *Store) []string {
	tb.Helper()
	var found []string
	for name, q := range map[string]string{
		"mailbox counters": `SELECT m.id || ': ' || m.messages || ',' || m.unseen || ',' || m.deleted || ',' || m.size FROM mailbox m
			WHERE m.messages <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id)
			OR m.unseen <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id AND flags & 1 = 0)
			OR m.deleted <> (SELECT COUNT(*) FROM message WHERE mailbox = m.id AND flags & 8 <> 0)
			OR m.size <> (SELECT COALESCE(SUM(size), 0) FROM message WHERE mailbox = m.id)`,
		"mailbox numbers": `SELECT id FROM mailbox m
			WHERE EXISTS (SELECT 1 FROM message WHERE mailbox = m.id AND (uid >= m.uidnext OR modseq > m.modseq))`,
		"account usage": `SELECT a.id || ': ' || a.messages || ',' || a.bytes FROM account a
			WHERE a.messages <> (SELECT COALESCE(SUM(messages), 0) FROM mailbox WHERE account = a.id)
			OR a.bytes <> (SELECT COALESCE(SUM(size), 0) FROM mailbox WHERE account = a.id)`,
		"references": `SELECT b.id || ': ' || b.refs FROM body b
			WHERE b.refs <> (SELECT COUNT(*) FROM message WHERE body = b.id) + (SELECT COUNT(*) FROM queue WHERE body = b.id)`,
		"body sizes": `SELECT b.id FROM body b
			WHERE b.size <> LENGTH(b.data) + (SELECT COALESCE(SUM(LENGTH(data)), 0) FROM body_chunk WHERE body = b.id)`,
		"lost bodies": `SELECT body FROM message WHERE body NOT IN (SELECT id FROM body) UNION SELECT body FROM queue WHERE body NOT IN (SELECT id FROM body)`,
		"lost pieces": `SELECT body FROM body_chunk WHERE body NOT IN (SELECT id FROM body)`,
	} {
		err := s.read.rows(tb.Context(), q, nil, func(r *sql.Rows) error {
			var what string
			err := r.Scan(&what)
			found = append(found, fmt.Sprintf("%s: %s", name, what))
			return err
		})
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
	}
	return found
}

// checkStore is for the end of tests that change mail.
func checkStore(tb testing.TB, s *Store) {
	tb.Helper()
	for _, f := range inconsistencies(tb, s) {
		tb.Error(f)
	}
}
