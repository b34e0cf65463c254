package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A store of every version that there has been becomes one of this version, with its
// mail.
func TestAStoreOfEveryVersionIsTakenOver(t *testing.T) {
	t.Parallel()
	for version := 1; version <= len(migrations); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, databaseFile)
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := connect(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range migrations[:version] {
				for _, q := range list {
					if _, err := c.conn.ExecContext(t.Context(), sqlite.words.Replace(q)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, q := range []string{
				`CREATE TABLE schema_version (version INTEGER NOT NULL)`,
				fmt.Sprintf(`INSERT INTO schema_version VALUES (%d)`, version),
				`INSERT INTO account (id, address, owner, lineage, revision, hashes, quota, imap, pop3, mail, folders, closed_at, purge_at, messages, bytes)
					VALUES (7, 'alice@example.com', 'user.alice.mailbox', 'l', 'r', '["x"]', 1000, TRUE, TRUE, 'enabled', FALSE, 0, 0, 1, 6)`,
				`INSERT INTO mailbox (id, account, name, special_use, uidvalidity, uidnext, modseq, messages, unseen, deleted, size) VALUES (3, 7, 'INBOX', '', 1, 2, 1, 1, 1, 0, 6)`,
				`INSERT INTO body (id, refs, size, data) VALUES (5, 2, 6, 'hello
')`,
				`INSERT INTO message (mailbox, uid, modseq, body, size, flags, keywords, internal) VALUES (3, 1, 1, 5, 6, 0, '', 0)`,
				`INSERT INTO queue (id, envelope, sender, recipient, body, size, created_at, next_at, attempts, last_error, held)
					VALUES (9, 'e', 'alice@example.com', 'bob@example.net', 5, 6, 1, 1, 0, '', FALSE)`,
			} {
				if _, err := c.conn.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, dir)
			checkStore(t, s)
			totals, err := s.Totals(t.Context())
			if err != nil || totals.Accounts != 1 || totals.Messages != 1 || totals.Queued != 1 {
				t.Errorf("it has %+v, %v", totals, err)
			}
			if q, err := s.QueueList(t.Context()); err != nil || len(q) != 1 {
				t.Errorf("the queue is %v, %v", q, err)
			}
		})
	}
}
