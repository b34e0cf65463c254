package dovecot_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A database is a sort of databases, and the instance of Dovecot that is tried
// with it.
type database struct {
	instance func(testing.TB) *mailtest.DovecotInstance
	// block is the block sql for an instance, with a table of its own.
	block func(t *testing.T, d *mailtest.DovecotInstance) cty.Value
}

func sqlite(_ *testing.T, d *mailtest.DovecotInstance) cty.Value {
	return sqlBlock("sqlite", filepath.Join(d.ConfigDir, "users.sqlite"), "users")
}

// postgres has a server for all tables.
func postgres(t *testing.T) func(*testing.T, *mailtest.DovecotInstance) cty.Value {
	connect := mailtest.Postgres(t)
	return func(_ *testing.T, d *mailtest.DovecotInstance) cty.Value {
		return sqlBlock("pgsql", connect, "users_"+strings.TrimPrefix(filepath.Base(d.ConfigDir), "dovecot-"))
	}
}

func sqlBlock(driver, connect, table string) cty.Value {
	return cty.ObjectVal(attrs{"driver": str(driver), "connect": str(connect), "table": str(table), "columns": cty.MapVal(attrs{"password": str("secret")})})
}

func TestConformanceSQL(t *testing.T) {
	t.Parallel()
	for name, db := range map[string]database{"SQLite": {mailtest.Dovecot, sqlite}, "PostgreSQL": {mailtest.Dovecot24, postgres(t)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, providertest.Harness{
				Atomic:  true,
				Untried: providertest.Others("they are not in the table; see TestConformance", schema.KindMailbox),
				New: func(t *testing.T) *providertest.System {
					d := db.instance(t)
					block := db.block(t, d)
					sys := &providertest.System{
						Provider: func(lineage string) providers.Provider { return configuredWith(t, d, lineage, block) },
						Samples:  map[string]providertest.Sample{schema.KindMailbox: mailboxes()},
					}
					sys.Tamper = func(t *testing.T, r schema.Resource) {
						providertest.Tamper(t, sys.Provider("33333333-3333-4333-8333-333333333333"), r)
					}
					return sys
				},
			})
		})
	}
}

func TestSQL(t *testing.T) {
	t.Parallel()
	pgsql := postgres(t)
	for name, db := range map[string]database{
		"2.3 with SQLite": {mailtest.Dovecot, sqlite}, "2.4 with SQLite": {mailtest.Dovecot24, sqlite},
		"2.3 with PostgreSQL": {mailtest.Dovecot, pgsql}, "2.4 with PostgreSQL": {mailtest.Dovecot24, pgsql},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := db.instance(t)
			usersInSQL(t, newRigWith(t, d, db.block(t, d),
				user("alice", attrs{"quota": num(64 << 10), "sieve": str(intoSpam)}), user("pia", attrs{"protocols": list("pop3")}),
				user("off", attrs{"mail": str("disabled")}), user("o'neil+x&y=z~#", nil), user("empty", attrs{"password_hash": list()})))
		})
	}
}

func usersInSQL(t *testing.T, r *rig) {
	for _, tt := range []struct {
		name, url string
		ok        bool
	}{
		{"alice", "imap://" + r.imap, true}, {"ALICE", "pop3://" + r.pop3, true}, {"pia", "imap://" + r.imap, false}, {"pia", "pop3://" + r.pop3, true},
		{"off", "imap://" + r.imap, false}, {"empty", "imap://" + r.imap, false}, {"nobody", "imap://" + r.imap, false}, {"o'neil+x&y=z~#", "imap://" + r.imap, true},
	} {
		if got := r.logsIn(tt.name, tt.url+"/"); got != tt.ok {
			t.Errorf("%s at %s: %v", tt.name, tt.url, got)
		}
	}
	if _, ok := r.run("curl", "-sS", "-u", "alice@example.com:wrong", "imap://"+r.imap+"/"); ok {
		t.Error("a wrong password is taken")
	}
	for _, subject := range []string{"the lottery", "dinner"} {
		if out, ok := r.deliver("alice@example.com", subject); !ok {
			t.Errorf("LMTP: %s", out)
		}
	}
	if inbox, spam := r.in("alice", "INBOX"), r.in("alice", "Spam"); inbox != "1" || spam != "1" {
		t.Errorf("alice has %s messages and %s in Spam", inbox, spam)
	}
	if out, ok := r.deliver("nobody@example.com", "x"); ok || !strings.Contains(out, "<** 550 5.1.1") {
		t.Errorf("mail for nobody: %s", out)
	}
	if out, _ := r.run("curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+r.imap+"/", "-X", "GETQUOTAROOT INBOX"); !strings.Contains(out, " 64)") {
		t.Errorf("the client is told of the quota: %s", out)
	}

	// The row of another is seen, and kept; so is what he changes of ours.
	r.query("INSERT INTO TABLE (address, secret) VALUES ('foreign@example.com', '{SHA512-CRYPT}" + quickstart + "')")
	if o := r.observed()["mailbox foreign@example.com"]; o.Owner != "" || !o.Attrs.GetAttr("password_hash").RawEquals(list(quickstart)) {
		t.Errorf("the row of another is seen as %#v", o)
	}
	stale := r.update(user("pia", attrs{"quota": num(1 << 20)}))
	r.query("UPDATE TABLE SET quota = 5 WHERE address = 'pia@example.com'")
	if err := r.try(stale); !errors.Is(err, providers.ErrConflict) {
		t.Errorf("over a change of another: %v", err)
	}
	if o := r.observed()["mailbox pia@example.com"]; !o.Attrs.GetAttr("quota").RawEquals(num(5)) {
		t.Errorf("what somebody has changed is seen as %#v", o.Attrs)
	}
	r.apply(r.removal(user("alice", nil)), r.update(user("pia", nil)))
	if r.logsIn("alice", "imap://"+r.imap+"/") || !r.logsIn("pia", "imap://"+r.imap+"/") || !r.logsIn("foreign", "imap://"+r.imap+"/") {
		t.Error("alice gets in although she is gone, or pia or the user of another does not")
	}
	if o := r.observed()["mailbox alice@example.com"]; !o.Retained {
		t.Errorf("alice's mail is not kept: %#v", o)
	}

	// Out of the table into files, and back.
	block := r.sql
	all := []schema.Resource{user("pia", nil), user("off", attrs{"mail": str("disabled")})}
	for _, to := range []cty.Value{cty.NilVal, block} {
		r.sql = to
		var batch []providers.Change
		for _, res := range all {
			c := providers.Change{Action: providers.Create, Resource: res}
			if have, there := r.observed()["mailbox "+res.Key]; there {
				c.Action, c.Prior = providers.Update, &have
				c.Resource.Attrs = providertest.With(res, "quota", num(1<<21)).Attrs
			}
			batch = append(batch, c)
		}
		r.apply(batch...)
		eventually(t, "pia gets in wherever she is", func() bool { return r.logsIn("pia", "imap://"+r.imap+"/") })
		if r.logsIn("off", "imap://"+r.imap+"/") {
			t.Error("a disabled user gets in")
		}
	}
}

// query does what somebody else does with the table.
func (r *rig) query(query string) {
	r.t.Helper()
	driver, at := "pgx", r.sql.GetAttr("connect").AsString()
	if r.sql.GetAttr("driver").AsString() == "sqlite" {
		driver = "sqlite"
	}
	db, err := sql.Open(driver, at)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(strings.ReplaceAll(query, "TABLE", `"`+r.sql.GetAttr("table").AsString()+`"`)); err != nil {
		r.t.Fatal(err)
	}
}
