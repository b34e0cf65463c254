package schema

import "github.com/zclconf/go-cty/cty"

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
	Blocks: []NestedBlock{ConnectionBlock},
	Holds: []Holding{
		{Attribute: "mailstore.hostname", As: "`hostname`"},
		{Attribute: "mailstore.retention", As: "`plugin { mailform_retention }`, from Dovecot 2.4 on a comment; the mail of a removed user stays where it is until then, and a later apply removes it"},
		{Attribute: "mailstore.tls_certificate", As: "`ssl_cert`, from Dovecot 2.4 on `ssl_server_cert_file`"},
		{Attribute: "mailstore.tls_key", As: "`ssl_key`, from Dovecot 2.4 on `ssl_server_key_file`"},
		{Attribute: "parameter.name", As: "the setting, with the blocks around it: `protocol imap/mail_max_userip_connections`"},
		{Attribute: "parameter.value", As: "its value"},
		{Attribute: "mailbox.address", As: "an entry of a `passwd-file`; letters, digits and `- . _ + = & ' ~ ! # $ * ^ { | }`, as it is part of a path"},
		{Attribute: "mailbox.password_hash", As: "its password: argon2id, bcrypt, sha512-crypt, sha256-crypt, SCRAM, {PBKDF2}. Of several verifiers Dovecot is given the first that is not for SCRAM alone"},
		{Attribute: "mailbox.quota", As: "`userdb_quota_rule`, from Dovecot 2.4 on `userdb_quota_storage_size`, by the `quota` plugin"},
		{Attribute: "mailbox.protocols", As: "a `passdb` with `deny = yes` for each service"},
		{Attribute: "mailbox.mail", As: "`disabled`: refused by that `passdb` for every service, and unknown to the server that takes mail. `forward`: the other server does it"},
		{Attribute: "mailbox.sieve", As: "a file that `sieve_before` names, from Dovecot 2.4 on `sieve_script`: it is run before the scripts that the user keeps himself"},
		{Attribute: "mailbox.messages", As: "`doveadm mailbox status`, for what a plan removes"},
		{Attribute: "mailbox.bytes", As: "`doveadm mailbox status`, for what a plan removes"},
		{Attribute: "listener.owner", As: "a comment"},
		{Attribute: "listener.service", As: "`service imap-login`, `pop3-login`, `lmtp`, `auth`, and `protocols`"},
		{Attribute: "listener.hostname", As: "a comment; the name in the certificate is that of `mailstore.hostname`"},
		{Attribute: "listener.listen", As: "`inet_listener`"},
		{Attribute: "listener.listen_tls", As: "`inet_listener` with `ssl = yes`"},
		{Attribute: "service.name", As: "`dovecot`, or the unit in `unit`"},
		{Attribute: "service.running", As: "the master process"},
	},
}
