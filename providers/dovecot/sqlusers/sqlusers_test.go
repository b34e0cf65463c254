package sqlusers_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/dovecot/sqlusers"
	"github.com/mailform/mailform/providers/mailtest"
)

type rows = map[string]sqlusers.Row

func TestTable(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]func(*testing.T) *sqlusers.Table{
		"SQLite": func(t *testing.T) *sqlusers.Table {
			path := filepath.Join(t.TempDir(), "users?100%.sqlite")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return &sqlusers.Table{Driver: sqlusers.SQLite, Connect: path, Name: `us"ers`}
		},
		"PostgreSQL": func(t *testing.T) *sqlusers.Table {
			return &sqlusers.Table{Driver: sqlusers.Postgres, Connect: mailtest.Postgres(t), Name: "public.Users"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := table(t)
			table.Names = map[string]string{"password": "pass word", "address": "user"}
			try(t, table)
		})
	}
}

func try(t *testing.T, table *sqlusers.Table) {
	ctx := t.Context()
	load := func() rows {
		t.Helper()
		have, err := table.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return have
	}
	save := func(was, now rows) {
		t.Helper()
		if err := table.Save(ctx, was, now); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(now, load()); d != "" {
			t.Error(d)
		}
	}
	if have := load(); len(have) != 0 {
		t.Errorf("a table that is not there has %v", have)
	}
	one := rows{}
	for i := range 1500 {
		a := fmt.Sprintf("u%d@example.com", i)
		one[a] = sqlusers.Row{Address: a, Password: "{CRYPT}'\"$1é", Quota: int64(i) << 30, Denied: "imap sieve", Script: "ab", Note: `{"gen":1}`}
	}
	save(nil, one)

	two := rows{}
	for a, r := range one {
		if r.Quota>>30 >= 700 {
			r.Denied = ""
			two[a] = r
		}
	}
	two["new@example.com"] = sqlusers.Row{Address: "new@example.com"}
	save(one, two)

	// What somebody else has changed meanwhile is not overwritten, and nothing else
	// is done either.
	three := rows{}
	for a, r := range two {
		r.Quota++
		three[a] = r
	}
	delete(three, "new@example.com")
	stale := rows{}
	for a, r := range two {
		stale[a] = r
	}
	r := stale["u900@example.com"]
	r.Password = "of before"
	stale["u900@example.com"] = r
	if err := table.Save(ctx, stale, three); !errors.Is(err, sqlusers.ErrChanged) {
		t.Errorf("over a change of another: %v", err)
	}
	if err := table.Save(ctx, nil, rows{"u900@example.com": {Address: "u900@example.com"}}); !errors.Is(err, sqlusers.ErrChanged) {
		t.Errorf("over what another has made: %v", err)
	}
	if d := cmp.Diff(two, load()); d != "" {
		t.Error(d)
	}

	// What others keep in the table stays.
	exec(t, table, "ALTER TABLE "+table.Quoted()+" ADD COLUMN shoe_size INT")
	exec(t, table, "INSERT INTO "+table.Quoted()+" ("+table.Column("address")+", shoe_size) VALUES ('foreign@example.com', 43)")
	exec(t, table, "UPDATE "+table.Quoted()+" SET shoe_size = 44")
	now := load()
	if now["foreign@example.com"] != (sqlusers.Row{Address: "foreign@example.com"}) {
		t.Errorf("a row of another is %+v", now["foreign@example.com"])
	}
	changed := rows{}
	for a, r := range now {
		r.Note = "changed"
		changed[a] = r
	}
	save(now, changed)
	if n := exec(t, table, "UPDATE "+table.Quoted()+" SET shoe_size = 45 WHERE shoe_size = 44"); n != len(now) {
		t.Errorf("%d of %d rows have what another has written", n, len(now))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := table.Save(ended, changed, now); err == nil {
		t.Error("a change was made after the end")
	}
}

// exec does what somebody else does, and tells how many rows that touched.
func exec(t *testing.T, table *sqlusers.Table, query string) int {
	t.Helper()
	driver, at := "pgx", table.Connect
	if table.Driver == sqlusers.SQLite {
		driver = "sqlite"
		at = "file:" + strings.NewReplacer("%", "%25", "?", "%3f").Replace(at)
	}
	db, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Exec(query)
	if err != nil {
		t.Fatal(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
