package dovecot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/dovecot/sqlusers"
	"github.com/mailform/mailform/providers/host"
	"github.com/zclconf/go-cty/cty"
)

// usersPrefix begins the line of our settings that says which table the users are
// in. It says it by a digest, as there may be a password among the rest.
const usersPrefix = "#users "

// sqlFile has what Dovecot looks into the table by, with the password for it.
func (p *Provider) sqlFile() string { return path.Join(p.ours(), "sql.conf") }

// configureTable takes the block sql in.
func (p *Provider) configureTable(block cty.Value, absolute func(string) string) error {
	block, _ = block.Unmark()
	if block.IsNull() || !block.IsKnown() {
		return nil
	}
	text := func(name string) string {
		v, _ := block.GetAttr(name).Unmark()
		if v.IsNull() || !v.IsKnown() {
			return ""
		}
		return v.AsString()
	}
	t := &sqlusers.Table{Driver: text("driver"), Connect: text("connect"), Name: text("table"), Names: map[string]string{}}
	if names, _ := block.GetAttr("columns").UnmarkDeep(); !names.IsNull() && names.IsKnown() {
		for it := names.ElementIterator(); it.Next(); {
			k, v := it.Element()
			if !slices.ContainsFunc(sqlusers.Columns, func(c sqlusers.Column) bool { return c.Name == k.AsString() }) {
				return fmt.Errorf("columns names %q: there are address, password, quota, denied, script and note", k.AsString())
			}
			if v.IsNull() || !plainColumn(v.AsString()) {
				return fmt.Errorf("columns.%s is no name of letters, digits and underscores", k.AsString())
			}
			t.Names[k.AsString()] = v.AsString()
		}
	}
	if !plainColumn(t.Name) {
		return errors.New("table is no name of letters, digits and underscores")
	}
	switch t.Driver {
	case sqlusers.SQLite:
		if p.far {
			return errors.New("a SQLite file is changed where it lies: mailform has to run on that machine, or the users be in PostgreSQL")
		}
		t.Connect = absolute(t.Connect)
		if strings.ContainsAny(t.Connect, " \"'#$%\n") {
			return errors.New("connect is not a path that can stand in Dovecot's configuration")
		}
	case sqlusers.Postgres:
		words := parameters(t.Connect)
		if words["host"] == "" || words["dbname"] == "" || strings.ContainsAny(t.Connect, "\"'#$\\%\n") {
			return errors.New("connect is not of the form host=db.example.com dbname=mail user=mailform password=…, without quotes")
		}
	}
	p.table = t
	return nil
}

// plainColumn reports whether a name needs no thought in a query.
func plainColumn(name string) bool {
	return name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// parameters are the keywords and values of a connection.
func parameters(connect string) map[string]string {
	out := map[string]string{}
	for _, word := range strings.Fields(connect) {
		if k, v, ok := strings.Cut(word, "="); ok {
			out[k] = v
		}
	}
	return out
}

// tableMark stands for where the users are; empty: in files.
func (p *Provider) tableMark() string {
	if p.table == nil {
		return ""
	}
	text, _ := json.Marshal(p.table) // strings can be written
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// tableInForce is the mark of the table that our settings lead to.
func (st *state) tableInForce() string {
	for line := range strings.Lines(string(st.conf.Content)) {
		if mark, ok := strings.CutPrefix(strings.TrimSpace(line), usersPrefix); ok {
			return mark
		}
	}
	return ""
}

// loadTable has the users of the table be those that there are.
func (p *Provider) loadTable(ctx context.Context, st *state) error {
	var err error
	if st.rows, err = p.table.Load(ctx); err != nil {
		return err
	}
	st.list.users = nil
	for _, s := range logins {
		st.denied[s] = map[string]bool{}
	}
	for _, r := range st.rows {
		u := user{address: r.Address, password: r.Password, quota: max(r.Quota, 0)}
		if plainScript(r.Script) {
			u.script = r.Script
		}
		if r.Note != "" && json.Unmarshal([]byte(r.Note), &u.note) != nil {
			u.note = note{} // somebody else's
		}
		for _, s := range strings.Fields(r.Denied) {
			if slices.Contains(logins, s) {
				st.denied[s][r.Address] = true
			} else {
				u.extra = append(u.extra, s)
			}
		}
		st.list.gen = max(st.list.gen, u.note.Gen)
		st.list.users = append(st.list.users, u)
		st.list.back[r.Address] = true
	}
	st.list.settle()
	return nil
}

// row is a user as the table has him.
func (st *state) row(u *user) (sqlusers.Row, error) {
	r := sqlusers.Row{Address: u.address, Password: u.password, Quota: u.quota, Script: u.script}
	var denied []string
	for _, s := range logins {
		if st.denied[s][u.address] {
			denied = append(denied, s)
		}
	}
	r.Denied = strings.Join(append(denied, u.extra...), " ")
	text, err := json.Marshal(u.note)
	r.Note = string(text)
	return r, err
}

// saveTable makes the table be what the users of the batch are now.
func (e *edit) saveTable(ctx context.Context) error {
	t := e.p.table
	was, now := map[string]sqlusers.Row{}, map[string]sqlusers.Row{}
	for address := range e.users {
		if r, there := e.st.rows[address]; there {
			was[address] = r
		}
		if i, there := e.st.list.find(address); there {
			r, err := e.st.row(&e.st.list.users[i])
			if err != nil {
				return err
			}
			now[address] = r
		}
	}
	if len(was)+len(now) == 0 {
		return nil
	}
	if t.Driver == sqlusers.SQLite {
		files, err := e.p.host.Read(ctx, t.Connect)
		if err != nil {
			return err
		}
		if !files[0].Exists { // only Dovecot and root may look into it
			f := files[0].With(nil)
			f.Path, f.Mode, f.Owner = t.Connect, 0o640, "root:dovecot"
			if err := e.p.host.Write(ctx, f); err != nil {
				return conflict(err)
			}
		}
	}
	err := t.Save(ctx, was, now)
	if errors.Is(err, sqlusers.ErrChanged) {
		return fmt.Errorf("%w (%w)", err, providers.ErrConflict)
	}
	return err
}

// queries are what Dovecot asks the table, with its own words for a user's name and
// for the service that he comes by, and the field that has his quota.
func queries(t *sqlusers.Table, name, service, quota string) (password, user, iterate string) {
	where := fmt.Sprintf(" FROM %s WHERE %s = '%s'", t.Quoted(), t.Column("address"), name)
	address := t.Column("address") + ` AS "user"`
	password = fmt.Sprintf("SELECT %s, %s AS \"password\"%s AND ' ' || %s || ' ' NOT LIKE '%%%% %s %%%%'", address, t.Column("password"), where, t.Column("denied"), service)
	user = fmt.Sprintf("SELECT %s, NULLIF(%s, '') AS mailform_sieve%s", fmt.Sprintf(quota, t.Column("quota")), t.Column("script"), where)
	return password, user, fmt.Sprintf("SELECT %s FROM %s", address, t.Quoted())
}

// writeTable23 has Dovecot look into the table. The text is that of the file which
// the settings name.
func writeTable23(b *strings.Builder, e environment) string {
	b.WriteString("auth_username_format = %Lu\n")
	fmt.Fprintf(b, "passdb {\n  driver = sql\n  args = %s\n}\n", e.sqlFile)
	fmt.Fprintf(b, "userdb {\n  driver = sql\n  args = %s\n  default_fields = uid=%s gid=%s home=%s mail=%s\n}\n\n",
		e.sqlFile, e.uid, e.gid, path.Join(e.mailDir, "%d", "%n"), e.maildir23())
	password, user, iterate := queries(e.table, "%u", service23, "CASE WHEN %[1]s > 0 THEN '*:bytes=' || %[1]s END AS quota_rule")
	return fmt.Sprintf("%s\ndriver = %s\nconnect = %s\ndefault_pass_scheme = CRYPT\npassword_query = %s\nuser_query = %s\niterate_query = %s\n",
		sqlHeader, e.table.Driver, e.table.Connect, password, user, iterate)
}

const sqlHeader = "# How Dovecot finds the users that mailform keeps."

func writeTable24(b *strings.Builder, e environment) string {
	b.WriteString("auth_username_format = %{user | lower}\n")
	fmt.Fprintf(b, "!include %s\n\n", e.sqlFile)
	connection := fmt.Sprintf("  driver = sql\n  sql_driver = %s\n", e.table.Driver)
	if e.table.Driver == sqlusers.SQLite {
		connection += fmt.Sprintf("  sqlite_path = %s\n  sqlite_journal_mode = delete\n  sqlite_readonly = yes\n", e.table.Connect)
	} else {
		words := parameters(e.table.Connect)
		connection += fmt.Sprintf("  pgsql %s {\n    parameters {\n", words["host"])
		for _, word := range strings.Fields(e.table.Connect) {
			if k, v, ok := strings.Cut(word, "="); ok && k != "host" {
				connection += fmt.Sprintf("      %s = %s\n", k, v)
			}
		}
		connection += "    }\n  }\n"
	}
	password, user, iterate := queries(e.table, "%{user}", service24, "NULLIF(%s, 0) AS quota_storage_size")
	return fmt.Sprintf("%s\npassdb mailform {\n%s  default_password_scheme = CRYPT\n  passdb_sql_query = %s\n}\nuserdb mailform {\n%s  userdb_sql_query = %s\n  userdb_sql_iterate_query = %s\n%s}\n",
		sqlHeader, connection, password, connection, user, iterate, userFields24(e))
}

// fileOf is a file with another text, that only root and Dovecot can read.
func fileOf(f host.File, path, text string) host.File {
	f = f.With([]byte(text))
	f.Path, f.Mode, f.Owner = path, 0o640, "root:dovecot"
	return f
}
