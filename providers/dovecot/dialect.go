package dovecot

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// A dialect is what the settings of a version of Dovecot are called. 2.4 has other
// names for most, lists of blocks where 2.3 has one text, and no settings of
// others.
type dialect struct {
	// since is the first version that speaks it: "2.4".
	since string
	// certificate and key name the files, prefixed in a value by file.
	certificate, key, file string
	// address is where a listener listens.
	address string
	// quota begins the field of a user's entry that has his quota.
	quota string
	// retention reports whether there is a setting for how long mail is kept; else
	// it stands in the mark.
	retention bool

	// socketDirs reports whether processes have sockets in directories of their
	// services.
	socketDirs bool
	// none stands for no protocols at all.
	none string

	// ourScripts tells what has Dovecot run the Sieve scripts of users; empty:
	// nothing does.
	ourScripts func(*tree) string

	store func(b *strings.Builder, s mailstore)
	users func(b *strings.Builder, e environment)
	// table has them be in a database, and returns what the file says that the
	// settings name for it.
	table func(b *strings.Builder, e environment) string
	// sieve has the scripts of users run.
	sieve func(b *strings.Builder, e environment)
	// lookup is how a directory is asked.
	lookup *lookupDialect
}

// dialects are those that mailform writes, the newest first.
var dialects = []*dialect{
	{
		since: "2.4", certificate: "ssl_server_cert_file", key: "ssl_server_key_file", address: "listen",
		quota: "userdb_quota_storage_size=", socketDirs: true, store: writeStore24, users: writeUsers24, table: writeTable24,
		sieve: scriptSettings24, ourScripts: ourScripts24, lookup: lookup24,
	},
	{
		since: "2.3", certificate: "ssl_cert", key: "ssl_key", file: "<", address: "address",
		quota: "userdb_quota_rule=*:bytes=", none: "none", retention: true, store: writeStore23, users: writeUsers23, table: writeTable23,
		sieve: scriptSettings23, ourScripts: ourScripts23, lookup: lookup23,
	},
}

// spoken is the dialect of what doveconf prints, which begins with the version:
// "# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf".
func spoken(text string) *dialect {
	version, ok := strings.CutPrefix(text, "# ")
	if !ok {
		version = text // as dovecot --version says it
	}
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major > 2 || major == 2 && minor >= 4) {
		return dialects[0]
	}
	return dialects[1]
}

const dialectPrefix = "#dialect "

// dialectOf asks Dovecot of which version it is; nil: it does not tell.
func (p *Provider) dialectOf(ctx context.Context) *dialect {
	out, err := p.host.Run(ctx, host.Cmd(p.program("dovecot"), "--version"))
	if err != nil || out.Code != 0 {
		return nil
	}
	return spoken(string(out.Stdout))
}

// writtenFor is the dialect of our settings. Where it is not Dovecot's any more,
// none of them is in force, and what is written next is in its own.
func (st *state) writtenFor() *dialect {
	for line := range strings.Lines(string(st.conf.Content)) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), dialectPrefix); ok {
			return spoken(version)
		}
	}
	return dialects[len(dialects)-1]
}

func writeStore23(b *strings.Builder, s mailstore) {
	fmt.Fprintf(b, "mail_plugins = $mail_plugins quota\nprotocol imap {\n  mail_plugins = $mail_plugins imap_quota\n}\n")
	fmt.Fprintf(b, "plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_grace = 0\n  mailform_retention = %d\n}\n\n", s.retention)
}

func writeStore24(b *strings.Builder, _ mailstore) {
	b.WriteString("mail_plugins {\n  quota = yes\n}\nprotocol imap {\n  mail_plugins {\n    imap_quota = yes\n  }\n}\n")
	b.WriteString("quota \"User quota\" {\n  driver = count\n}\nquota_storage_grace = 0\n\n")
}

func writeUsers23(b *strings.Builder, e environment) {
	b.WriteString("auth_username_format = %Lu\n")
	if e.lookup {
		lookup23.named(b, e, path.Join(e.dir, lookupName))
		return
	}
	fmt.Fprintf(b, "passdb {\n  driver = passwd-file\n  deny = yes\n  args = username_format=%%u %s.%s\n}\n", path.Join(e.dir, "deny"), service23)
	users := path.Join(e.dir, "users")
	fmt.Fprintf(b, "passdb {\n  driver = passwd-file\n  args = scheme=CRYPT username_format=%%u %s\n}\n", users)
	fmt.Fprintf(b, "userdb {\n  driver = passwd-file\n  args = username_format=%%u %s\n  default_fields = uid=%s gid=%s home=%s mail=%s\n}\n\n",
		users, e.uid, e.gid, path.Join(e.mailDir, "%d", "%n"), e.maildir23())
}

// maildir23 is where a user's mail and its indexes lie.
func (e environment) maildir23() string {
	at := "maildir:~/Maildir"
	if e.indexDir != "" {
		at += ":INDEX=" + path.Join(e.indexDir, "%d", "%n")
	}
	return at
}

func writeUsers24(b *strings.Builder, e environment) {
	users := path.Join(e.dir, "users")
	b.WriteString("auth_username_format = %{user | lower}\n")
	if e.lookup {
		lookup24.named(b, e, path.Join(e.dir, lookupName))
		return
	}
	file := func(block, name, path, more string) {
		fmt.Fprintf(b, "%s %s {\n  driver = passwd-file\n  auth_username_format = %%{user}\n  passwd_file_path = %s\n%s}\n", block, name, path, more)
	}
	file("passdb", "mailform-deny", path.Join(e.dir, "deny."+service24), "  deny = yes\n")
	file("passdb", "mailform", users, "  default_password_scheme = CRYPT\n")
	file("userdb", "mailform", users, userFields24(e))
	b.WriteString("\n")
}

// userFields24 are what all users have where their entries say nothing else.
func userFields24(e environment) string {
	index := ""
	if e.indexDir != "" {
		index = fmt.Sprintf("    mail_index_path:default = %s\n", path.Join(e.indexDir, "%{user | domain}", "%{user | username}"))
	}
	return fmt.Sprintf("  fields {\n    uid:default = %s\n    gid:default = %s\n    home:default = %s\n    mail_driver:default = maildir\n    mail_path:default = ~/Maildir\n%s  }\n",
		e.uid, e.gid, path.Join(e.mailDir, "%{user | domain}", "%{user | username}"), index)
}
