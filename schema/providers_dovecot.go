package schema

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var dovecotProvider = &BlockType{
	Type:  "provider",
	Label: "dovecot",
	Doc: "Dovecot keeps mail and hands it out by IMAP and POP3. It takes mail from a server beside it, by LMTP: " +
		"`provider = [postfix, dovecot]`. See [mail servers](../mail-servers.md#dovecot).",
	Example: `provider "dovecot" {
  config_dir = "/etc/dovecot"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/dovecot"), Form: FormPath,
			Doc: "Directory of `dovecot.conf`. A relative path starts from the directory of the configuration."},
		{Name: "mail_dir", Type: cty.String, Default: cty.StringVal("/var/vmail"), Form: FormPath,
			Doc: "Directory of the mail, as `DIR/example.com/alice/Maildir`. A relative path starts from the directory of the configuration."},
		{Name: "mail_user", Type: cty.String, Default: cty.StringVal("vmail"), Form: FormIdentifier,
			Doc: "User of the machine who owns the mail. There has to be one."},
		{Name: "program_dir", Type: cty.String, Form: FormPath,
			Doc: "Directory of Dovecot's programs: `dovecot`, `doveadm`, `doveconf`. Left out: they are looked for in the `PATH`, and then in `/usr/sbin`."},
		unitAttribute("dovecot"),
		parametersAttribute("Settings of Dovecot"),
	},
	Blocks: []NestedBlock{ConnectionBlock, readConnectionBlock, {
		Type: "sql",
		Doc: "A table of a database that has the users, where others can look too. Left out: they are in files. Dovecot needs its driver for it (`dovecot-sqlite`, `dovecot-pgsql`). " +
			"mailform makes the table where there is none, keeps the columns and rows of others in it, and changes it in one transaction. See [mail servers](../mail-servers.md#users-in-sql).",
		Attributes: []Attribute{
			{Name: "driver", Type: cty.String, Required: true, Form: oneOf("sqlite", "pgsql"),
				Doc: "The database: `\"sqlite\"`, where mailform runs on the machine of Dovecot, or `\"pgsql\"`, PostgreSQL."},
			{Name: "connect", Type: cty.String, Required: true, Sensitive: true,
				Doc: "The path of the SQLite file; or how PostgreSQL is reached, by mailform and by Dovecot: `\"host=db.example.com dbname=mail user=mailform password=…\"`. A relative path starts from the directory of the configuration."},
			{Name: "table", Type: cty.String, Default: cty.StringVal("users"),
				Doc: "The table."},
			{Name: "columns", Type: cty.Map(cty.String),
				Doc: "Names of columns that are called otherwise than `address`, `password`, `quota`, `denied`, `script` and `note`."},
		},
	}},
	Holds: []Holding{
		{Attribute: "mailstore.hostname", As: "`hostname`"},
		{Attribute: "mailstore.retention", As: "`plugin { mailform_retention }`, from Dovecot 2.4 on a comment; the mail of a removed user stays where it is until then, and a later apply removes it"},
		{Attribute: "mailstore.tls_certificate", As: "`ssl_cert`, from Dovecot 2.4 on `ssl_server_cert_file`"},
		{Attribute: "mailstore.tls_key", As: "`ssl_key`, from Dovecot 2.4 on `ssl_server_key_file`"},
		{Attribute: "location.content", As: "its mail, and the indexes of that"},
		{Attribute: "location.path", As: "the directory in the place of `mail_dir`; of the indexes `INDEX=` in `mail`, from Dovecot 2.4 on `mail_index_path`. Dovecot stands still while the rest is copied", Refuses: dovecotPath},
		{Attribute: "location.messages", As: "files of messages, of what is to be moved"},
		{Attribute: "location.bytes", As: "what `du` says, of what is to be moved"},
		{Attribute: "location.free", As: "what `df` says"},
		{Attribute: "lookup.owner", As: "one to a Dovecot"},
		{Attribute: "lookup.url", As: "`uris` of a file for `passdb` and `userdb` with `driver = ldap`, from Dovecot 2.4 on `ldap_uris` in these blocks themselves"},
		{Attribute: "lookup.start_tls", As: "`tls`, `tls_require_cert`; `ldap_starttls`, `ssl_client_require_valid_cert`"},
		{Attribute: "lookup.ca_file", As: "`tls_ca_cert_file`. Dovecot 2.4 does not heed one, and it is refused there"},
		{Attribute: "lookup.bind_dn", As: "`dn`; `ldap_auth_dn`"},
		{Attribute: "lookup.bind_password", As: "`dnpass`; `ldap_auth_dn_password`, in a file that only root and Dovecot can read"},
		{Attribute: "lookup.users_base", As: "`base`; `ldap_base`"},
		{Attribute: "lookup.users_filter", As: "`pass_filter`, `user_filter`, `iterate_filter`; `passdb_ldap_filter`, `userdb_ldap_filter`, `userdb_ldap_iterate_filter`"},
		{Attribute: "lookup.user_address", As: "these filters, and `iterate_attrs`; `userdb_ldap_iterate_fields`"},
		{Attribute: "lookup.user_quota", As: "`user_attrs`; `fields`"},
		{Attribute: "lookup.user_protocols", As: "`pass_filter`; `passdb_ldap_filter`"},
		{Attribute: "lookup.user_mail", As: "the same filter: a disabled user does not get in"},
		{Attribute: "lookup.aliases_base", As: "nothing: the server that takes mail asks for aliases"},
		{Attribute: "lookup.aliases_filter", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_address", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_members", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_external", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_keep_copy", As: "nothing, as the one before"},
		{Attribute: "submission.owner", As: "one to a Dovecot"},
		{Attribute: "submission.relay", As: "`submission_relay_host`, `submission_relay_port`, `submission_relay_trusted`"},
		{Attribute: "parameter.name", As: "the setting, with the blocks around it: `protocol imap/mail_max_userip_connections`"},
		{Attribute: "parameter.value", As: "its value"},
		{Attribute: "mailbox.address", As: "an entry of a `passwd-file`; letters, digits and `- . _ + = & ' ~ ! # $ * ^ { | }`, as it is part of a path"},
		{Attribute: "mailbox.password_hash", As: "its password: argon2id, bcrypt, sha512-crypt, sha256-crypt, SCRAM, {PBKDF2}, {SSHA}. Of several verifiers Dovecot is given the first that is not for SCRAM alone"},
		{Attribute: "mailbox.quota", As: "`userdb_quota_rule`, from Dovecot 2.4 on `userdb_quota_storage_size`, by the `quota` plugin"},
		{Attribute: "mailbox.protocols", As: "a `passdb` with `deny = yes` for each service"},
		{Attribute: "mailbox.mail", As: "`disabled`: refused by that `passdb` for every service, and unknown to the server that takes mail. `forward`: the other server does it"},
		{Attribute: "mailbox.sieve", As: "a file that `sieve_before` names, from Dovecot 2.4 on `sieve_script`: it is run before the scripts that the user keeps himself"},
		{Attribute: "mailbox.messages", As: "`doveadm mailbox status`, for what a plan removes"},
		{Attribute: "mailbox.bytes", As: "`doveadm mailbox status`, for what a plan removes"},
		{Attribute: "listener.owner", As: "a comment"},
		{Attribute: "listener.service", As: "`service imap-login`, `pop3-login`, `managesieve-login`, `submission-login`, `lmtp`, `auth`, and `protocols`"},
		{Attribute: "listener.hostname", As: "a comment; the name in the certificate is that of `mailstore.hostname`"},
		{Attribute: "listener.listen", As: "`inet_listener`"},
		{Attribute: "listener.listen_tls", As: "`inet_listener` with `ssl = yes`"},
		{Attribute: "service.name", As: "`dovecot`, or the unit in `unit`"},
		{Attribute: "service.running", As: "the master process"},
	},
}

// dovecotPath refuses paths that cannot stand in Dovecot's configuration as they are.
func dovecotPath(v cty.Value) string {
	for _, r := range v.AsString() {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("%$#\"'\\{}:=<>,&", r) {
			return fmt.Sprintf("takes no path with %q in it", r)
		}
	}
	return ""
}
